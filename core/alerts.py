"""What needs a look in a run: each alert with its place, its reason in numbers, and what to try (docs/monitor.md).

Pure: a series in, the alerts that hold at its last step out. `core.alert_log` writes each episode of one down once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from core.alert_texts import TITLES, TRY
from core.columns import Columns, Key
from core.series import Series
from core.task_states import ENOUGH, Goal, TaskState, noise, states

Kind = Literal[
    "collapsed",
    "stalled",
    "saturated",
    "no_signal",
    "overfitting",
    "length",
    "errors",
    "kl",
    "gradient",
    "nan",
    "silent",
    "unread",
]

STARTING_S = 300.0  # in which a worker that has just been started loads its model and makes its first step
RECENT = 10  # steps whose mean is "now"
FEWEST = 20  # steps before a mean is compared with an earlier one
COLLAPSE = 0.5  # share of what was gained that has to be lost
DEAD_GROUPS = 0.9  # share of groups without spread
NEAR_TOP = 0.05  # of the highest total possible, or of the best so far
BEST_OF_MANY = 4.0  # standard errors below the best evaluation: the best of twenty alike lies two above their mean
OVERFITTING = 0.1  # share of the best held-out reward that has to be lost
LENGTHS = 2.0  # times the length at the start
CLIPPED = 0.5  # share of completions cut off by the length limit
ERRORS = 0.05  # share of scores that failed
EXPLOSION = 10.0  # times the median of the steps before
HIGH_KL = 1.0  # nats a token; below that a jump is none
HISTORY = 200  # steps before the recent ones that are compared with
SILENT_TIMES = 10.0  # times the usual step
SILENT_S = 60.0  # and at least this long, seconds


@dataclass(frozen=True)
class Alert:
    """Something that needs a look.

    Attributes:
        kind: what sort of thing.
        step: the step at which it was seen.
        reason: with numbers.
        mend: what to try.
        task: of which task; empty for the whole run.
        reward: of which of its rewards; empty for the total.
    """

    kind: Kind
    step: int
    reason: str
    mend: str
    task: str = ""
    reward: str = ""

    @property
    def title(self) -> str:
        """What it is, and where, in a few words."""
        return " · ".join(filter(None, (TITLES[self.kind], self.task, self.reward)))

    @property
    def place(self) -> tuple[str, str, str]:
        """Two alerts of one place are the same episode, while it lasts."""
        return (self.kind, self.task, self.reward)


def find_alerts(series: Series, goals: Mapping[str, Goal] | None = None) -> list[Alert]:
    """The alerts that hold at the last step, those of the whole run first.

    Args:
        series: of the run.
        goals: what each task is trained for (`task_states.goals`).
    """
    goals = goals or {}
    found = [check(series) for check in (_unread, _nan, _kl, _gradient)]
    by_task = states(series.train, series.tasks, goals)
    for task in series.tasks:
        top = goals[task].top if task in goals and by_task[task].settled else None
        look = _Look(series, task, by_task[task], top)
        found += [check(look) for check in TASK_CHECKS]
        found += [alert for reward in series.rewards(task) for alert in _of_reward(look, reward)]
    return [alert for alert in found if alert is not None]


def silence(series: Series, now: float, started: float) -> Alert | None:
    """A running worker that has not written for long; only who looks at it can know.

    Args:
        series: of a run that is running.
        now: seconds since the epoch.
        started: when its worker was started.
    """
    _, pace = series.train.known(Key("seconds/all"))
    if series.last is None or not len(pace):
        return None
    last, usual = float(series.last["time"]), float(np.median(pace[-RECENT:]))
    waited = now - max(last, started)
    evaluation = series.held_out.last(Key("seconds/all")) or 0.0  # one may be going on
    if waited <= max(SILENT_S, SILENT_TIMES * usual, 2 * evaluation, STARTING_S if started > last else 0.0):
        return None
    reason = f"no record for {waited:.0f} s; a step takes {usual:.3g} s as a rule."
    return Alert("silent", series.step, reason, TRY["silent"])


@dataclass(frozen=True)
class _Look:
    """What a check of one task reads."""

    series: Series
    task: str
    state: TaskState
    top: float | None

    def recent(self, field: str, reward: str = "", rows: int = RECENT) -> float | None:
        """The mean of a number over the last steps that have it; None where fewer have."""
        values = self.series.train.recent(Key(field, self.task, reward), rows)
        return float(values.mean()) if len(values) >= rows else None

    def first(self, field: str) -> float | None:
        """Its mean over the first steps, once there are enough later ones."""
        values = self.series.train.known(Key(field, self.task))[1]
        return float(values[:RECENT].mean()) if len(values) >= FEWEST else None

    def alert(self, kind: Kind, reason: str, reward: str = "") -> Alert:
        return Alert(kind, self.series.step, reason, TRY[kind], self.task, reward)


def _collapsed(look: _Look) -> Alert | None:
    found = _fall(look.series.train, Key("reward", look.task))
    return look.alert("collapsed", f"mean reward {found}.") if found else None


def _fall(train: Columns, key: Key) -> str:
    """From which height to which a mean has fallen, where it has lost half of what it had over its lowest."""
    steps, values = train.known(key)
    if len(values) < FEWEST + RECENT:
        return ""
    means = np.convolve(values, np.ones(RECENT) / RECENT, "valid")
    peak = int(means[: -RECENT + 1].argmax())
    best, now, low = float(means[peak]), float(means[-1]), float(means[: peak + 1].min())
    error = noise(values[-4 * RECENT :]) * np.sqrt(2 / RECENT)
    had = best - low if best - low > 4 * error else best - min(0.0, float(values.min()))  # it began where it was best
    if best - now > max(COLLAPSE * had, 6 * error):
        return f"fell from {best:.3g} (step {steps[peak + RECENT - 1]}) to {now:.3g}"
    return ""


def _stalled(look: _Look) -> Alert | None:
    if look.state.name != "stalled" or look.state.steps < ENOUGH or look.task in look.series.frozen:
        return None
    if _saturated(look) or _no_signal(look):
        return None
    return look.alert("stalled", f"mean reward {look.state.start:.3g} at the start and {look.state.now:.3g} now.")


def _near_top(look: _Look) -> bool:
    now = look.recent("reward")
    if now is None:
        return False
    learnt = look.state.best if look.state.name in ("learning", "converged") else None
    return any(top is not None and now >= top - NEAR_TOP * abs(top) for top in (look.top, learnt))


def _saturated(look: _Look) -> Alert | None:
    dead, now = look.recent("zero_std"), look.recent("reward")
    if dead is None or now is None or dead < DEAD_GROUPS or not _near_top(look):
        return None
    reason = f"{dead:.0%} of the groups have no spread, and the mean reward is {now:.3g}: there is no more to gain."
    return look.alert("saturated", reason)


def _no_signal(look: _Look) -> Alert | None:
    dead = look.recent("zero_std")
    if dead is None or dead < DEAD_GROUPS or _near_top(look):
        return None
    return look.alert("no_signal", f"{dead:.0%} of the groups of the last {RECENT} steps have no spread.")


def _overfitting(look: _Look) -> Alert | None:
    held = look.series.held_out
    steps, values = held.known(Key("reward", look.task))
    if len(values) < 3 or look.state.now is None or not look.state.settled:  # other weights, other totals
        return None
    peak = int(values[:-1].argmax())
    best, now = float(values[peak]), float(values[-1])
    # The widest of all evaluations: the last one's spread is 0 where all failed alike.
    spread = float(held.known(Key("reward_std", look.task))[1].max(initial=0.0))
    error = spread * np.sqrt(2 / max(1.0, held.last(Key("scored", look.task)) or 1.0))
    trained, rewards = look.series.train.known(Key("reward", look.task))
    before, since = rewards[trained <= steps[peak]][-RECENT:], rewards[-RECENT:]
    before = before if len(before) else rewards[:RECENT]  # the base was best, before any step
    if not len(before) or not len(since) or since.mean() <= before.mean():
        return None
    if best - now <= max(OVERFITTING * abs(best), BEST_OF_MANY * error):
        return None
    reason = f"held-out reward fell from {best:.3g} (step {steps[peak]}) to {now:.3g}"
    return look.alert("overfitting", f"{reason} while train rose from {before.mean():.3g} to {since.mean():.3g}.")


def _length(look: _Look) -> Alert | None:
    first, now = look.first("length"), look.recent("length")
    clipped = look.recent("clipped")
    if first is None or now is None or now < LENGTHS * max(first, 1.0):
        return None
    cut = f", {clipped:.0%} of them cut off" if clipped is not None and clipped >= CLIPPED else ""
    return look.alert("length", f"completions of {now:.3g} tokens{cut}; they were {first:.3g} at the start.")


TASK_CHECKS: tuple[Callable[[_Look], Alert | None], ...] = (
    _collapsed,
    _stalled,
    _saturated,
    _no_signal,
    _overfitting,
    _length,
)


def _of_reward(look: _Look, reward: str) -> list[Alert]:
    found = []
    failed, scored = look.recent("errors", reward, 1), look.recent("count", reward, 1)
    errors = look.series.train.recent(Key("errors", look.task, reward), RECENT).sum()
    numbers = look.series.train.recent(Key("count", look.task, reward), RECENT).sum()
    if failed is not None and scored is not None and errors > ERRORS * (errors + numbers):
        share = errors / (errors + numbers)
        found.append(look.alert("errors", f"{share:.0%} of the last scores failed{_why(look, reward)}", reward))
    if len(look.series.rewards(look.task)) > 1 and (fall := _fall(look.series.train, Key("mean", look.task, reward))):
        found.append(look.alert("collapsed", f"its mean {fall}.", reward))
    return found


def _why(look: _Look, reward: str) -> str:
    reasons = [
        reason
        for record in reversed(look.series.latest)
        for task in record["tasks"]
        for entry in task["rewards"]
        if (task["task"], entry["reward"]) == (look.task, reward)
        for reason in entry["reasons"]
    ]
    return f": {reasons[0]}" if reasons else "."


def _kl(series: Series) -> Alert | None:
    found = _explosion(series.train, "kl", HIGH_KL)
    return Alert("kl", series.step, f"KL {found}.", TRY["kl"]) if found else None


def _gradient(series: Series) -> Alert | None:
    found = _explosion(series.train, "grad_norm", 0.0)
    return Alert("gradient", series.step, f"gradient norm {found}.", TRY["gradient"]) if found else None


def _explosion(train: Columns, name: str, least: float) -> str:
    """How a number of the last steps compares with those before; the median of three, since one spike is none.

    Steps without any signal are 0 and no measure for one that has some.
    """
    values = train.recent(Key(name), HISTORY + 3)
    usual = values[:-3][values[:-3] > 0]
    if len(values) < FEWEST or len(usual) < RECENT:
        return ""
    now, before = float(np.median(values[-3:])), float(np.median(usual))
    if now <= max(EXPLOSION * before, least):
        return ""
    return f"{now:.3g}, and {before:.3g} in the steps before"


def _unread(series: Series) -> Alert | None:
    """Lines of metrics.jsonl that are no records: a hole in every curve that nobody would see."""
    reasons = []
    if series.broken:
        lines = "1 line is no record" if series.broken == 1 else f"{series.broken} lines are no records"
        reasons.append(f"{lines} in metrics.jsonl, the first of them line {series.first_broken}")
    steps = np.concatenate([[0], series.train.steps])
    if len(gaps := np.flatnonzero(np.diff(steps) > 1)):
        first, last = int(steps[gaps[0]]) + 1, int(steps[gaps[0] + 1]) - 1
        which = f"step {first} is" if first == last else f"steps {first} to {last} are"
        places = "1 other place" if len(gaps) == 2 else f"{len(gaps) - 1} other places"
        more = f", and more in {places}" if len(gaps) > 1 else ""
        reasons.append(f"{which} not in it{more}")
    if not reasons:
        return None
    return Alert("unread", series.step, f"{'; '.join(reasons)}: missing from all curves.", TRY["unread"])


def _nan(series: Series) -> Alert | None:
    """A record holds null where TRL computed no finite number."""
    if not series.latest:
        return None
    record = series.latest[-1]
    broken = [
        name for name in ("loss", "grad_norm", "kl") if name in record["trainer"] and record["trainer"][name] is None
    ]
    if not broken:
        return None
    return Alert("nan", int(record["step"]), f"{', '.join(broken)}: not a finite number.", TRY["nan"])
