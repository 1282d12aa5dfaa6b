"""What a click in the grid does to the routing table."""

import pytest

from core.errors import UserError
from core.route_edits import add_route, change_route, remove_route, route_of, set_routes
from core.spec import Draft, Route

LENGTH, EXACT, BREVITY = Route(name="length"), Route(name="exact_match"), Route(name="brevity")


def keys(draft):
    return {task: [route.key for route in routes] for task, routes in draft.rewards.items()}


def test_a_first_reward_makes_a_task_known():
    assert keys(add_route(Draft(), "math", EXACT)) == {"math": ["exact_match"]}


def test_a_task_leaves_the_default_with_what_the_default_gave_it():
    draft = Draft(rewards={"default": (LENGTH,)})
    assert keys(add_route(draft, "math", EXACT)) == {"math": ["length", "exact_match"], "default": ["length"]}


def test_the_same_reward_twice_gets_a_number():
    draft = add_route(add_route(add_route(Draft(), "math", EXACT), "math", EXACT), "math", EXACT)
    assert keys(draft) == {"math": ["exact_match", "exact_match-2", "exact_match-3"]}
    assert {route.name for route in draft.rewards["math"]} == {"exact_match"}


def test_a_changed_route_keeps_its_place():
    draft = Draft(rewards={"math": (LENGTH, EXACT)})
    heavier = LENGTH.model_copy(update={"weight": 3.0})
    changed = change_route(draft, "math", "length", heavier)
    assert changed.rewards["math"] == (heavier, EXACT)
    assert draft.rewards["math"] == (LENGTH, EXACT)


def test_a_label_that_another_route_of_the_task_has_is_refused():
    draft = Draft(rewards={"math": (LENGTH, EXACT)})
    with pytest.raises(UserError, match="already"):
        change_route(draft, "math", "length", LENGTH.model_copy(update={"label": "exact_match"}))


def test_a_task_without_rewards_goes_back_to_the_default():
    draft = Draft(rewards={"math": (EXACT,), "default": (LENGTH,)})
    assert keys(remove_route(draft, "math", "exact_match")) == {"default": ["length"]}


def test_the_only_reward_that_the_default_gives_is_not_taken_away_in_silence():
    draft = Draft(rewards={"default": (LENGTH,)})
    with pytest.raises(UserError, match="by the default route"):
        remove_route(draft, "math", "length")


def test_what_is_gone_is_said_and_changes_nothing():
    draft = Draft(rewards={"math": (EXACT,)})
    for edit in (remove_route, route_of):
        with pytest.raises(UserError, match="any more"):
            edit(draft, "math", "length")
    with pytest.raises(UserError, match="any more"):
        change_route(draft, "math", "length", BREVITY)


def test_the_default_route_comes_last():
    draft = Draft(rewards={"default": (LENGTH,)})
    assert list(set_routes(draft, "math", (EXACT,)).rewards) == ["math", "default"]
