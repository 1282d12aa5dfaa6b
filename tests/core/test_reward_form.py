"""Forms of parameters: every reward has one, what is entered comes back as specs say it, mistakes name their field."""

from typing import Annotated, Any, Literal

import pytest
import yaml
from pydantic import BaseModel, Field

from core.errors import UserError
from core.reward_form import fields, read, values
from core.spec import DataSpec, Engine, HeldOut, Mixing, TaskSpec
from rewards import registry

REWARDS = pytest.mark.parametrize("reward", registry().values(), ids=lambda reward: reward.name)
REQUIRED = {
    "custom": {"code": "def score(completion, row):\n    return 1.0"},
    "formula": {"expression": "length"},
    "matches_format": {"pattern": "a+"},
    "llm_judge": {"base_url": "http://localhost:1/v1", "model": "judge"},
    "llm_ranking": {"base_url": "http://localhost:1/v1", "model": "judge"},
    "reward_model": {"model": "a/b"},
    "openai_grader": {
        "grader": {
            "type": "string_check",
            "name": "x",
            "operation": "eq",
            "input": "{{sample.output_text}}",
            "reference": "{{item.answer}}",
        }
    },
    "get_cosine_scaled_reward": {"max_len": 100},
    "get_soft_overlong_punishment": {"max_completion_len": 100, "soft_punish_cache": 20},
}


class Inner(BaseModel):
    size: int = 3


class Toy(BaseModel):
    """One field of each kind."""

    weight: Annotated[float, Field(gt=0, le=2, description="How much")] = 1.0
    count: Annotated[int, Field(ge=1)] = 4
    name: str = ""
    note: Annotated[str, Field(json_schema_extra={"format": "long"})] = ""
    prompt: str = "one\ntwo"
    source: Annotated[str, Field(json_schema_extra={"format": "python"}, title="Your code")] = ""
    how: Literal["sum", "mean"] = "sum"
    on: bool = False
    words: tuple[str, ...] = ()
    pair: tuple[float, float] = (0, 10)
    inner: Inner = Inner()
    extra: dict[str, Any] = {}
    parts: list[Inner] = []
    either: str | dict[str, Any] = ""
    limit: Annotated[float | None, Field(ge=0)] = 0.0
    seed: int | None = None
    mode: Literal["a", "b"] | None = None
    must: Annotated[str, Field(min_length=1)]


def kinds(model):
    return {field.name: field.kind for field in fields(model)}


def field_of(name, model=Toy):
    return next(field for field in fields(model) if field.name == name)


def entered(**given):
    return read(Toy, {"must": "x", **given})


def refused(**given):
    with pytest.raises(UserError) as error:
        read(Toy, {"must": "x", **given})
    return [problem.where for problem in error.value.problems]


def test_each_type_becomes_a_kind_of_field():
    assert kinds(Toy) == {
        "weight": "number",
        "count": "integer",
        "name": "text",
        "note": "long_text",
        "prompt": "long_text",
        "source": "code",
        "how": "choice",
        "on": "switch",
        "words": "list",
        "pair": "list",
        "inner": "object",
        "extra": "object",
        "parts": "object",
        "either": "object",
        "limit": "number",
        "seed": "integer",
        "mode": "choice",
        "must": "text",
    }


def test_a_field_says_its_title_help_limits_and_choices():
    weight = field_of("weight")
    assert (weight.title, weight.help, weight.default) == ("Weight", "How much", 1.0)
    assert (weight.minimum, weight.maximum) == (0, 2)
    assert (field_of("limit").minimum, field_of("pair").maximum) == (0, 2)
    assert (field_of("how").choices, field_of("mode").choices) == (("sum", "mean"), ("a", "b"))
    assert field_of("source").title == "Your code"
    assert [field.name for field in fields(Toy) if field.required] == ["must"]
    assert [field.name for field in fields(Toy) if field.optional] == ["limit", "seed", "mode"]


@pytest.mark.parametrize(
    ("given", "params"),
    [
        pytest.param({"weight": "0.5", "count": 7.0}, {"weight": 0.5, "count": 7}, id="numbers, however they come"),
        pytest.param({"words": "a\n b, c \n\n"}, {"words": ["a", "b, c"]}, id="one item a line"),
        pytest.param({"words": ["a"]}, {"words": ["a"]}, id="items of a list"),
        pytest.param({"pair": "1\n5"}, {"pair": [1, 5]}, id="numbers, one a line"),
        pytest.param({"inner": "size: 5"}, {"inner": {"size": 5}}, id="an object in YAML"),
        pytest.param({"inner": '{"size": 5}'}, {"inner": {"size": 5}}, id="or in JSON"),
        pytest.param({"parts": "- {size: 1}\n- {}"}, {"parts": [{"size": 1}, {}]}, id="objects in a list"),
        pytest.param({"either": "word"}, {"either": "word"}, id="text where text or an object may be"),
        pytest.param({"limit": ""}, {"limit": None}, id="a blank means null where null may be"),
        pytest.param({"weight": None, "count": "", "how": None, "on": None, "extra": ""}, {}, id="a blank leaves it"),
        pytest.param({"seed": None, "mode": ""}, {}, id="null is the default"),
        pytest.param({"prompt": ""}, {"prompt": ""}, id="an empty text is one"),
        pytest.param({"weight": 1, "how": "sum", "on": False, "pair": [0, 10]}, {}, id="defaults are not said again"),
        pytest.param({"on": True, "how": "mean"}, {"on": True, "how": "mean"}, id="switch and choice"),
    ],
)
def test_what_is_entered_comes_back_as_a_spec_says_it(given, params):
    assert entered(**given) == {"must": "x", **params}


@pytest.mark.parametrize(
    ("given", "places"),
    [
        pytest.param({"weight": 3}, ["params.weight"], id="above its limit"),
        pytest.param({"weight": 0}, ["params.weight"], id="at a bound that is excluded"),
        pytest.param({"count": "many"}, ["params.count"], id="no number"),
        pytest.param({"count": 1.5}, ["params.count"], id="no whole number"),
        pytest.param({"how": "max"}, ["params.how"], id="no choice"),
        pytest.param({"inner": "{size: 5"}, ["params.inner line 1, column 9"], id="no YAML"),
        pytest.param({"inner": "size: big"}, ["params.inner.size"], id="wrong inside an object"),
        pytest.param({"pair": "1"}, ["params.pair[1]"], id="an item is missing"),
        pytest.param({"must": ""}, ["params.must"], id="what is required is empty"),
        pytest.param({"wieght": 1}, ["params.wieght"], id="no such field"),
        pytest.param({"weight": 3, "count": 0, "extra": "[1]"}, ["params.weight", "params.count", "params.extra"]),
    ],
)
def test_a_mistake_names_its_field(given, places):
    assert sorted(refused(**given)) == sorted(places)


def test_a_message_says_what_was_found_and_how_to_mend_it():
    with pytest.raises(UserError, match=r"params.weight: .*less than or equal to 2 \(found 3\)"):
        read(Toy, {"must": "x", "weight": 3})
    with pytest.raises(UserError, match="Did you mean 'weight'"):
        read(Toy, {"must": "x", "wieght": 3})


@REWARDS
def test_every_reward_has_a_form_whose_defaults_say_nothing(reward):
    required = REQUIRED.get(reward.name, {})
    form = values(reward.parameters, required)
    assert list(form) == list(reward.parameters.model_fields)
    assert read(reward.parameters, form) == required


def as_objects(reward, params):
    """Parameters in which an object given as JSON text is the object."""
    objects = {field.name for field in fields(reward.parameters) if field.kind == "object"}
    return {n: yaml.safe_load(v) if n in objects and isinstance(v, str) else v for n, v in params.items()}


@REWARDS
def test_every_example_of_a_reward_goes_through_the_form_and_back(reward):
    for example in reward.examples:
        params = {**REQUIRED.get(reward.name, {}), **example.params}
        back = read(reward.parameters, values(reward.parameters, params))
        assert reward.parameters(**back) == reward.parameters(**as_objects(reward, params))
        assert yaml.safe_load(yaml.safe_dump(back)) == back, "as a spec keeps it"


@pytest.mark.parametrize("name", REQUIRED)
def test_what_a_reward_needs_is_asked_for(name):
    blank = dict.fromkeys(REQUIRED[name], "")
    with pytest.raises(UserError) as error:
        read(registry()[name].parameters, blank)
    assert {(problem.where, problem.what) for problem in error.value.problems} == {
        (f"params.{field}", "this field is empty.") for field in blank
    }


@REWARDS
def test_a_number_out_of_its_limits_is_refused_by_its_name(reward):
    for field in fields(reward.parameters):
        if field.kind in ("number", "integer") and field.maximum is not None:
            with pytest.raises(UserError, match=field.name):
                read(reward.parameters, {**REQUIRED.get(reward.name, {}), field.name: field.maximum + 1})


@pytest.mark.parametrize("model", [DataSpec, Engine, HeldOut, Mixing, TaskSpec])
def test_parts_of_a_run_spec_have_forms_too(model):
    assert [field.name for field in fields(model)] == list(model.model_fields)


def test_code_is_drawn_as_code():
    assert kinds(registry()["custom"].parameters)["code"] == "code"
    assert kinds(registry()["llm_judge"].parameters)["rubric"] == "long_text"


@pytest.mark.parametrize(
    "given", [{"base_url": "https://user:hunter2@host/v1"}, {"api_key_env": "sk-hunter2"}], ids=["password", "key"]
)
def test_a_secret_in_the_wrong_field_is_not_shown(given):
    with pytest.raises(UserError) as error:
        read(registry()["llm_judge"].parameters, {**REQUIRED["llm_judge"], **given})
    assert [problem.where for problem in error.value.problems] == [f"params.{name}" for name in given]
    assert "hunter2" not in str(error.value)
