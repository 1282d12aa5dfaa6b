"""Every text of the interface in one catalogue, so that a second language is a second catalogue."""

from __future__ import annotations

ENGLISH = {
    "app.title": "Signalbox",
    "app.subtitle": "Multi-task GRPO: every task has its own rewards, and its own curve.",
    "start.question": "What will the model train on, and what earns points in each task?",
    "start.example": "Example",
    "start.example_help": "A run spec from examples/, ready to start.",
    "start.upload": "Or upload your own: .jsonl .json .csv .tsv .parquet",
    "start.tasks": "Tasks",
    "start.spec": "Run spec (edit it; it is checked as you type)",
    "start.problems": "Problems",
    "start.button": "Start run",
    "start.ready": "No errors: {tasks} tasks, {rows} rows to train on, {held_out} held out.",
    "start.blocked": "{errors} to mend before a run can start; see Problems.",
    "start.started": "Started {run}.",
    "watch.question": "Is every task learning?",
    "watch.run": "Run",
    "watch.stop": "Stop at a checkpoint",
    "watch.resume": "Resume",
    "watch.none": "No runs yet. Pick an example above and press Start run.",
    "watch.loading": "{state}: loading the model and scoring held-out rows; the first point appears after that.",
    "watch.progress": "{state} · step {step} of {steps} · {left} left",
    "watch.ended": "{state} · step {step} of {steps}",
    "watch.curves": "Mean reward of each task",
    "watch.held_out": "Held-out reward",
    "watch.completions": "Completions of the latest step",
    "watch.message": "How it ended",
    "watch.log": "Worker log (last lines)",
    "column.task": "Task",
    "column.rows": "Rows",
    "column.held_out": "Held out",
    "column.rewards": "Rewards",
    "column.prompt": "Prompt",
    "column.kind": "Kind",
    "column.where": "Where",
    "column.what": "What",
    "column.mend": "How to mend it",
    "column.before": "Before",
    "column.after": "Now",
    "column.change": "Change",
    "column.scored": "Completions scored",
    "column.completion": "Completion",
    "column.total": "Total",
    "column.advantage": "Advantage",
    "column.errors": "Errors",
    "plot.step": "step",
    "plot.reward": "mean reward",
    "plot.raw": "train, each step",
    "plot.smooth": "train, smoothed",
    "plot.held_out": "held out",
}


def t(key: str, **values: object) -> str:
    """The text under a key, with values filled in; an unknown key is a bug and raises KeyError."""
    return ENGLISH[key].format(**values)
