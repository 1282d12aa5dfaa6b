"""Runs are compared by the settings that differ and by where each task ended."""

import pytest
from toy_runs import lines, record, spec_document

from core.run_comparison import differing, finals, scored_unlike
from core.series import Series
from core.spec import parse_spec


def spec(rewards=("exact",), **changes):
    return parse_spec(spec_document(["math"], rewards, **changes), "test")


def settings(*specs):
    return {setting.name: setting.values for setting in differing(specs)}


def test_the_same_settings_do_not_differ_and_a_name_is_none():
    assert settings(spec(name="a"), spec(name="b")) == {}


def test_what_is_left_out_is_its_default():
    assert settings(spec(), spec(grpo={"learning_rate": 1e-4})) == {}
    assert settings(spec(), spec(grpo={"learning_rate": 1e-5})) == {"grpo.learning_rate": ("0.0001", "1e-05")}


def test_a_route_is_known_by_its_name_and_not_by_its_place():
    found = settings(spec(["exact"]), spec(["brief", "exact"]))
    assert found == {
        "rewards.math.brief.name": (None, "exact_match"),
        "rewards.math.brief.label": (None, "brief"),
        "rewards.math.brief.weight": (None, "1.0"),
    }


def test_values_are_written_as_yaml_has_them_and_what_holds_none_is_none():
    other = spec(mixing={"resample": 1}, convergence={"freeze": True}, lora={"target_modules": ["q_proj", "v_proj"]})
    found = settings(spec(), other)
    assert found["convergence.freeze"] == ("false", "true")
    assert found["lora.target_modules"][1] == '["q_proj", "v_proj"]'
    assert not [name for name in found if name.startswith(("tasks", "rewards"))]


def routed(*routes):
    return parse_spec({**spec_document(["math", "code"]), "rewards": {"default": list(routes)}}, "test")


ONE = {"name": "exact_match"}, {"name": "length", "weight": 0.5}


@pytest.mark.parametrize(
    ("other", "alike"),
    [
        pytest.param(ONE[::-1], True, id="in another order"),
        pytest.param(({**ONE[0], "label": "right"}, ONE[1]), True, id="called otherwise"),
        pytest.param((ONE[0], {**ONE[1], "params": {"minimum": 1}}), True, id="a default written out"),
        pytest.param((*ONE, {"name": "number", "weight": 0}), True, id="another only watched"),
        pytest.param((*ONE, {"name": "number"}), False, id="another"),
        pytest.param((ONE[0], {**ONE[1], "weight": 0.4}), False, id="another weight"),
        pytest.param((ONE[0], {**ONE[1], "params": {"maximum": 9}}), False, id="another parameter"),
        pytest.param((ONE[0], {**ONE[1], "schedule": {"kind": "step", "at": 3}}), False, id="a schedule"),
    ],
)
def test_tasks_that_are_not_scored_alike_are_named(other, alike):
    tasks = ["math", "code"]
    assert scored_unlike([(routed(*ONE), tasks), (routed(*other), ["code"])]) == ([] if alike else ["code"])


def test_each_task_ends_where_its_last_steps_and_evaluations_say():
    one = Series.of(
        lines(
            [
                record(0, {"math": 0.1}, split="held_out"),
                *(record(step, {"math": 0.2 if step < 10 else 0.6}) for step in range(1, 40)),
                record(39, {"math": 0.5}, split="held_out"),
            ]
        )
    )
    other = Series.of(lines([record(1, {"code": None})]))
    ends = finals([one, other])
    math, none = ends["math"]
    assert (math.train, math.before, math.after, math.step) == (
        pytest.approx(0.6),
        pytest.approx(0.1),
        pytest.approx(0.5),
        39,
    )
    assert none is None
    assert ends["code"][1].train is None


def test_parts_without_a_name_are_known_by_their_place():
    def ruled(*words):
        rules = [{"column": "prompt", "contains": word, "task": "math"} for word in words]
        return spec(data={"path": "rows.jsonl", "tags": {"rules": rules}})

    assert settings(ruled("a", "z"), ruled("b", "z")) == {"data.tags.rules.1.contains": ("a", "b")}
