"""Changes of a routing table as a user makes them: each gives a new draft, or a `UserError` and no change."""

from __future__ import annotations

from collections.abc import Sequence

from core.errors import Problem, UserError
from core.routing import RoutingTable
from core.spec import DEFAULT_ROUTE, Draft, Route


def add_route(draft: Draft, task: str, route: Route) -> Draft:
    """Score a task by one more reward. A task that had the default route keeps what that gave it.

    A reward that the task has already gets a number behind its name, so that the two can be told apart.
    """
    routes = RoutingTable(draft.rewards).of(task)
    taken = {there.key for there in routes}
    if route.key in taken:
        name = next(key for n in range(2, len(taken) + 3) if (key := f"{route.key}-{n}") not in taken)
        route = route.model_copy(update={"label": name})
    return set_routes(draft, task, (*routes, route))


def change_route(draft: Draft, task: str, key: str, route: Route) -> Draft:
    """Put another route in the place of one of a task's own, or of those it has by default."""
    routes = RoutingTable(draft.rewards).of(task)
    _there(routes, task, key)
    if route.key != key and route.key in {there.key for there in routes}:
        what = f"task {task!r} has a reward called {route.key!r} already."
        raise UserError(Problem(f"rewards.{task}", what, "Choose another label."))
    return set_routes(draft, task, tuple(route if there.key == key else there for there in routes))


def remove_route(draft: Draft, task: str, key: str) -> Draft:
    """Score a task by one reward less; without any left it takes the default route."""
    routes = RoutingTable(draft.rewards).of(task)
    _there(routes, task, key)
    left = tuple(there for there in routes if there.key != key)
    if not left and task not in draft.rewards:
        what = f"task {task!r} has {key!r} by the default route, and nothing else."
        raise UserError(Problem(f"rewards.{task}", what, "Give it another reward first, or change the default route."))
    return set_routes(draft, task, left)


def set_routes(draft: Draft, task: str, routes: Sequence[Route]) -> Draft:
    """Give a task these routes and no others; none: it takes the default route, if there is one."""
    rewards = {name: given for name, given in draft.rewards.items() if name != task or routes}
    if routes:
        rewards[task] = tuple(routes)
    if DEFAULT_ROUTE in rewards:  # last, as the page shows it
        rewards[DEFAULT_ROUTE] = rewards.pop(DEFAULT_ROUTE)
    return draft.model_copy(update={"rewards": rewards})


def route_of(draft: Draft, task: str, key: str) -> Route:
    """The route of a task that writes the scores called `key`; `UserError` where it has none."""
    routes = RoutingTable(draft.rewards).of(task)
    _there(routes, task, key)
    return next(route for route in routes if route.key == key)


def _there(routes: Sequence[Route], task: str, key: str) -> None:
    if key not in {route.key for route in routes}:
        what = f"task {task!r} has no reward called {key!r} any more."
        raise UserError(Problem(f"rewards.{task}", what, "Somebody else may have removed it."))
