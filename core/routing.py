"""The routing table: which reward functions score which task, checked before anything runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import ValidationError

from core.errors import Problem, did_you_mean
from core.spec import COMPLETION_IDS, DEFAULT_ROUTE, Route, Routes
from core.spec_errors import field_path
from core.weight_schedules import Gate
from rewards import broken, declared, registry
from rewards.declaration import Reward, RewardError


@dataclass(frozen=True)
class RoutingTable:
    """Routes by task; a task without routes of its own takes those of `default`, if there are any."""

    routes: Routes

    def of(self, task: str) -> tuple[Route, ...]:
        """The routes that score a task; empty when nothing covers it."""
        return self.routes.get(task, self.routes.get(DEFAULT_ROUTE, ()))

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of the score columns, each once, in the table's order."""
        return tuple(dict.fromkeys(route.key for routes in self.routes.values() for route in routes))


@dataclass(frozen=True)
class TaskColumns:
    """What a task's rows carry.

    Attributes:
        rows: how many rows.
        empty: column -> rows of the task in which it is null; a column that is not a key is not in the data.
    """

    rows: int
    empty: Mapping[str, int]


def check_routes(routes: Routes) -> list[Problem]:
    """What is wrong with a routing table by itself: rewards, parameters, weights, labels."""
    problems = broken_files()
    for task, lines in routes.items():
        problems += _check_task_routes(task, lines)
    return problems


def broken_files() -> list[Problem]:
    """Files of the reward library that cannot be imported, as warnings: a route to them is an error of its own."""
    return [
        Problem(file, f"it cannot be imported: {reason}.", "Mend or remove the file.", "warning")
        for file, reason in broken().items()
    ]


def check_coverage(routes: Routes, tasks: Mapping[str, TaskColumns], named: Iterable[str] = ()) -> list[Problem]:
    """How a routing table fits the tasks of a dataset.

    Args:
        routes: the routing table.
        tasks: the tasks in the data, with their columns.
        named: names under the spec's `tasks:`, which must be tasks of the data too.
    """
    table = RoutingTable(routes)
    problems = [
        Problem(f"{part}.{name}", f"the data has no task {name!r}.", did_you_mean(name, tasks))
        for part, names in (("rewards", routes), ("tasks", named))
        for name in names
        if name not in tasks and name != DEFAULT_ROUTE
    ]
    for task, columns in tasks.items():
        if not table.of(task):
            mend = f"Add rewards.{task}, or a default route: rewards.{DEFAULT_ROUTE}."
            problems.append(Problem(f"task {task!r}", f"no reward scores its {columns.rows} rows.", mend))
        part = task if task in routes else DEFAULT_ROUTE
        for i, route in enumerate(table.of(task)):
            problems += _check_columns(field_path(("rewards", part, i)), route, task, columns)
    return problems


def _check_task_routes(task: str, lines: tuple[Route, ...]) -> list[Problem]:
    if not lines:
        return [Problem(f"rewards.{task}", "the list of rewards is empty.", "Add a reward or remove the task.")]
    problems: list[Problem] = []
    seen: set[str] = set()
    for i, route in enumerate(lines):
        place = field_path(("rewards", task, i))
        problems += _check_route(place, route)
        if route.key in seen:
            mend = "Give one of them its own `label`."
            problems.append(Problem(place, f"{route.key!r} scores this task twice under one name.", mend))
        seen.add(route.key)
        problems += _check_gate(place, route, lines)
    if not any(map(is_trained, lines)):
        problems.append(Problem(f"rewards.{task}", "every weight is 0: nothing is learned.", "Raise one.", "warning"))
    return problems


def is_trained(route: Route) -> bool:
    """Whether a reward counts at any time of a run."""
    return route.weight != 0 or (route.schedule is not None and route.schedule.start != 0)


def _check_route(place: str, route: Route) -> list[Problem]:
    reward = registry().get(route.name)
    if reward is None:
        mend = did_you_mean(route.name, registry())
        return [Problem(f"{place}.name", f"there is no reward called {route.name!r}.", mend)]
    try:
        reward.parameters(**route.params)
    except ValidationError as error:
        return [_parameter_problem(place, reward, detail) for detail in error.errors()]
    except TypeError as error:
        return [Problem(f"{place}.params", f"{error}.", "Parameter names are text.")]
    try:
        declared(route.name, route.params)
    except RewardError as error:
        return [Problem(f"{place}.params", f"{error}.")]
    return []


def _parameter_problem(place: str, reward: Reward, detail: object) -> Problem:
    assert isinstance(detail, dict)
    loc = detail["loc"] or ("",)
    where = f"{place}.params.{field_path(loc)}"
    if detail["type"] == "extra_forbidden":
        return Problem(
            where, f"{reward.name} has no such parameter.", did_you_mean(str(loc[0]), reward.parameters.model_fields)
        )
    if detail["type"] == "missing":
        return Problem(where, f"{reward.name} needs this parameter.", f"Add params: {{{loc[0]}: ...}}.")
    return Problem(where, f"{detail['msg'].removeprefix('Value error, ')} (found {detail['input']!r:.80}).")


def sound(route: Route) -> Reward | None:
    """A route's reward as its parameters make it; None where it is wrong in itself, as `check_routes` says."""
    try:
        return declared(route.name, route.params)
    except (KeyError, RewardError, ValidationError, TypeError):
        return None


def has_schedules(routes: Routes) -> bool:
    """Whether a weight comes about in the course of a run."""
    return any(route.schedule is not None for given in routes.values() for route in given)


def total_bounds(task: str, table: RoutingTable) -> tuple[float | None, float | None]:
    """The lowest and the highest total that a task can have; None where a reward that counts declares no such end.

    A task without a reward that counts has neither.
    """
    ends = [weighted_range(route) for route in table.of(task) if route.weight]
    return _sum([low for low, _ in ends]), _sum([high for _, high in ends])


def weighted_range(route: Route) -> tuple[float | None, float | None]:
    """What a route adds to a total at least and at most; with a negative weight most where it scores lowest."""
    reward = sound(route)
    ends = (None, None) if reward is None else reward.range
    least, most = ends if route.weight > 0 else ends[::-1]
    return None if least is None else route.weight * least, None if most is None else route.weight * most


def _sum(ends: list[float | None]) -> float | None:
    known = [end for end in ends if end is not None]
    return sum(known) if known and len(known) == len(ends) else None


def _check_gate(place: str, route: Route, lines: tuple[Route, ...]) -> list[Problem]:
    """Whether the reward that a gate waits for is another one of the task, and can be as high as that."""
    if not isinstance(route.schedule, Gate):
        return []
    gate, others = route.schedule, {other.key: other for other in lines if other is not route}
    if gate.reward not in others:
        what = f"the task has no other reward called {gate.reward!r}."
        return [Problem(f"{place}.schedule.reward", what, did_you_mean(gate.reward, others))]
    reward = sound(others[gate.reward])
    top = reward.range[1] if reward else None
    if top is None or gate.above < top:
        return []
    if gate.above > top:
        what = f"{gate.reward} scores at most {top:g}: the gate never opens at {gate.above:g}."
        return [Problem(f"{place}.schedule.above", what, f"Choose less than {top:g}.")]
    what = f"the gate opens only when every score of {gate.reward} is {top:g} for five batches."
    return [Problem(f"{place}.schedule.above", what, f"Choose a little less than {top:g}.", "warning")]


def _check_columns(place: str, route: Route, task: str, columns: TaskColumns) -> list[Problem]:
    reward = sound(route)
    problems: list[Problem] = []
    for name in reward.columns if reward else ():
        if name == COMPLETION_IDS:  # token ids come with the completion, not with the row
            continue
        if name not in columns.empty:
            mend = f"{did_you_mean(name, columns.empty)} Map it with data.columns: {{{name}: <column>}}."
            severity: Literal["error", "warning"] = "warning" if reward and reward.sees_missing else "error"
            what = f"{route.name} needs a column {name!r}, which the data lacks."
            problems.append(Problem(place, what, mend, severity))
        elif missing := columns.empty[name]:
            what = f"{route.name} needs {name!r}, which is empty in {missing} of {columns.rows} rows of task {task!r}."
            every = missing == columns.rows
            mend = "Route this task to another reward." if every else "Those completions will count as errors."
            problems.append(Problem(place, what, mend, "error" if every else "warning"))
    return problems
