import pytest

from core.documents import parse_yaml
from core.errors import UserError
from core.run_fields import field_at, task_fields
from core.run_form import edit
from core.spec import Draft, TaskSpec, parse_draft


@pytest.mark.parametrize(
    ("place", "entered", "written"),
    [
        ("name", "my-run", {"name": "my-run"}),
        ("grpo.learning_rate", "3e-4", {"grpo": {"learning_rate": 3e-4}}),
        ("grpo.max_steps", "20", {"grpo": {"max_steps": 20}}),
        ("grpo.eval_steps", "5", {"grpo": {"eval_steps": 5}}),
        ("grpo.eval_steps", "0.5", {"grpo": {"eval_steps": 0.5}}),
        ("grpo.fp16", True, {"grpo": {"fp16": True}}),
        ("grpo.bf16", "false", {"grpo": {"bf16": False}}),
        ("grpo.save_total_limit", "null", {"grpo": {"save_total_limit": None}}),
        ("grpo.num_train_epochs", "3", {"grpo": {"num_train_epochs": 3}}),
        ("lora.target_modules", "[q_proj, v_proj]", {"lora": {"target_modules": ["q_proj", "v_proj"]}}),
        ("grpo.model_init_kwargs", "{dtype: float32}", {"grpo": {"model_init_kwargs": {"dtype": "float32"}}}),
        ("mixing.strategy", "natural", {"mixing": {"strategy": "natural"}}),
        ("engine.memory_gb", "2", {"engine": {"memory_gb": 2.0}}),
        ("on_reward_error", "stop", {"on_reward_error": "stop"}),
    ],
)
def test_an_entry_is_written_as_what_the_field_is(place, entered, written):
    assert parse_yaml(edit(Draft(), place, entered).to_yaml(), "test") == written


@pytest.mark.parametrize(
    ("place", "entered"),
    [
        ("grpo.learning_rate", "1e-4"),
        ("grpo.learning_rate", ""),
        ("grpo.max_steps", " 100 "),
        ("grpo.fp16", False),
        ("mixing.strategy", "equal"),
        ("lora.target_modules", "all-linear"),
        ("name", "run"),
    ],
)
def test_a_default_and_a_blank_are_not_written_and_take_back_what_was(place, entered):
    other = {"grpo": {"learning_rate": 0.5, "max_steps": 7, "fp16": True}, "mixing": {"strategy": "natural"}}
    draft = parse_draft({**other, "lora": {"target_modules": ["q_proj"]}, "name": "x"}, "test")
    changed = edit(draft, place, entered)
    assert field_at(changed, place).given is False
    assert edit(changed, place, entered) == changed


def test_a_part_in_which_nothing_is_left_is_gone():
    draft = edit(Draft(), "grpo.max_steps", "20")
    assert edit(draft, "grpo.max_steps", "").to_yaml() == Draft().to_yaml()


def test_other_fields_and_parts_stay_as_they_are():
    draft = parse_draft({"name": "x", "grpo": {"beta": 0.1, "max_steps": 5}, "rewards": {"a": [{"name": "n"}]}}, "test")
    changed = edit(draft, "grpo.max_steps", "6")
    assert changed.grpo == {"beta": 0.1, "max_steps": 6}
    assert (changed.name, changed.rewards) == (draft.name, draft.rewards)


@pytest.mark.parametrize(
    ("place", "entered", "said"),
    [
        ("grpo.learning_rate", "fast", "'fast' is not a number. Write a number, such as 0.0001."),
        ("grpo.learning_rate", "-1", "it must be at least 0"),
        ("grpo.learning_rate", "nan", "it must be a finite number"),
        ("grpo.num_generations", "2.5", "'2.5' is not a whole number"),
        ("grpo.temperature", "0", "it must be above 0"),
        ("grpo.top_p", "1.5", "it must be at most 1"),
        ("grpo.max_completion_length", "null", "it must be a number of tokens"),
        ("lora.r", "0", "it must be at least 1"),
        ("grpo.model_init_kwargs", "{a", "not valid YAML"),
        ("mixing.strategy", "naturl", "Did you mean 'natural'?"),
        ("engine.memory_gb", "-1", "greater than 0"),
        ("name", "two words", "letters, digits, dots, dashes and underscores"),
        ("grpo.max_step", "1", "Did you mean 'grpo.max_steps'?"),
    ],
)
def test_an_entry_that_cannot_be_taken_is_refused_with_its_place(place, entered, said):
    with pytest.raises(UserError, match=place) as raised:
        edit(Draft(), place, entered)
    assert said in str(raised.value)


def test_an_entry_that_cannot_be_taken_says_nothing_of_other_fields():
    draft = Draft(grpo={"max_steps": "many"})
    with pytest.raises(UserError) as raised:
        edit(draft, "grpo.beta", "much")
    assert [problem.where for problem in raised.value.problems] == ["grpo.beta"]


def test_a_field_can_be_mended_while_another_is_wrong():
    assert edit(Draft(grpo={"max_steps": "many"}), "grpo.beta", "0.1").grpo == {"max_steps": "many", "beta": 0.1}


def test_a_task_has_its_share_and_prompts_whatever_it_is_called():
    draft = edit(Draft(), "system_prompt", "Be brief.\n", task="a.b c")
    assert draft.tasks == {"a.b c": TaskSpec(system_prompt="Be brief.")}
    shown = {field.name: field.text for field in task_fields(draft, "a.b c")}
    assert shown == {"share": "", "evaluation_weight": "1", "system_prompt": "Be brief.", "prompt_template": ""}
    assert edit(draft, "system_prompt", "", task="a.b c").tasks == {}


def test_a_share_above_one_is_refused():
    with pytest.raises(UserError, match=r"tasks\.math\.share"):
        edit(Draft(), "share", "40", task="math")
