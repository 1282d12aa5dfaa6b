"""What to try when something in a run needs a look, and what each kind of alert is called."""

from __future__ import annotations

TITLES = {
    "collapsed": "Reward collapsed",
    "stalled": "Stalled",
    "saturated": "Saturated",
    "no_signal": "No signal",
    "overfitting": "Held-out falls",
    "length": "Length runs away",
    "errors": "Scores fail",
    "kl": "KL explodes",
    "gradient": "Gradient explodes",
    "nan": "Not a number",
    "silent": "Worker silent",
    "unread": "Metrics damaged",
}
TRY = {
    "collapsed": "Go back to an earlier checkpoint with a lower learning_rate, or raise beta; look at its completions.",
    "stalled": "Too hard: easier rows, or a reward with partial scores. Too rare: a larger share. See its completions.",
    "saturated": "Give it harder rows or a smaller share: its groups teach nothing any more.",
    "no_signal": "Raise num_generations or temperature, add a reward with partial scores, or give it easier rows.",
    "overfitting": "Take the checkpoint of the best evaluation; add rows, lower learning_rate or the steps.",
    "length": "Add a length reward, or lower max_completion_length; see whether a reward pays for padding.",
    "errors": "Mend the reward or the columns that it reads; failed scores are left out of their groups.",
    "kl": "Lower learning_rate, or raise beta; resume from an earlier checkpoint.",
    "gradient": "Lower learning_rate or max_grad_norm; look for a task whose rewards are of another scale.",
    "nan": "Stop; resume from a checkpoint before it with a lower learning_rate, or train in float32 or bf16.",
    "silent": "Read the worker's log below; a stuck worker can be killed and resumed from its last checkpoint.",
    "unread": "Put back a copy of the file while the run does not work, or mend the line; the page reads it anew then.",
}
