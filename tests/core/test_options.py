import dataclasses
import warnings

import pytest

from core.options import (
    GRPO_DEFAULTS,
    GRPO_RESERVED,
    LORA_DEFAULTS,
    LORA_RESERVED,
    check_options,
    grpo_options,
    grpo_settings,
    lora_options,
    lora_settings,
)


@pytest.fixture(scope="module")
def classes():
    """The classes themselves, which a worker imports and the UI never does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from peft import LoraConfig
        from trl import GRPOConfig
    return {"grpo": (GRPOConfig, grpo_options()), "lora": (LoraConfig, lora_options())}


def inherited(config):
    """Fields that PEFT's file mix-in writes for itself, no setting of a user's."""
    return {"auto_mapping", "peft_version"} if config.__name__ == "LoraConfig" else set()


@pytest.mark.parametrize("part", ["grpo", "lora"])
def test_the_options_are_the_fields_of_the_installed_class(classes, part):
    config, options = classes[part]
    assert set(options) == {field.name for field in dataclasses.fields(config)} - inherited(config)


@pytest.mark.parametrize("part", ["grpo", "lora"])
def test_each_option_has_the_class_own_help(classes, part):
    config, options = classes[part]
    found = {name: option.help for name, option in options.items()}
    fields = [field for field in dataclasses.fields(config) if field.name in options]
    assert found == {f.name: " ".join(f.metadata.get("help", "").replace("%%", "%").split()) for f in fields}


@pytest.mark.parametrize("part", ["grpo", "lora"])
def test_each_option_has_the_class_own_type(classes, part):
    config, options = classes[part]
    plain = {f.name: f.type for f in dataclasses.fields(config) if f.type in (int, float, str, bool)}
    assert {name: options[name].annotation for name in plain} == {name: kind.__name__ for name, kind in plain.items()}


def test_each_scalar_default_is_the_class_own(classes):
    config, options = classes["grpo"]
    plain = {f.name: f.default for f in dataclasses.fields(config) if type(f.default) in (int, float, bool)}
    assert {name: options[name].default for name in plain} == {name: repr(value) for name, value in plain.items()}


@pytest.mark.parametrize(
    ("names", "options"),
    [
        (GRPO_DEFAULTS, grpo_options()),
        (GRPO_RESERVED, grpo_options()),
        (LORA_DEFAULTS, lora_options()),
        (LORA_RESERVED, lora_options()),
    ],
    ids=["grpo defaults", "grpo reserved", "lora defaults", "lora reserved"],
)
def test_every_name_of_ours_is_one_of_theirs(names, options):
    assert set(names) <= set(options)


def test_our_defaults_are_accepted_by_our_own_check_and_are_not_reserved():
    assert check_options("grpo", GRPO_DEFAULTS) == check_options("lora", LORA_DEFAULTS) == []


@pytest.mark.parametrize(
    ("part", "given", "says"),
    [
        ("grpo", {"learnin_rate": 1e-4}, "grpo.learnin_rate: there is no such field. Did you mean 'learning_rate'?"),
        ("lora", {"lora_alhpa": 8}, "lora.lora_alhpa: there is no such field. Did you mean 'lora_alpha'?"),
        ("grpo", {"max_steps": "many"}, "grpo.max_steps: found 'many'; the type is int."),
        ("grpo", {"max_steps": 10.5}, "grpo.max_steps: found 10.5; the type is int."),
        ("grpo", {"max_steps": True}, "grpo.max_steps: found True; the type is int."),
        ("grpo", {"max_steps": None}, "grpo.max_steps: found None; the type is int."),
        ("grpo", {"beta": "small"}, "grpo.beta: found 'small'; the type is float."),
        ("grpo", {"bf16": "yes"}, "grpo.bf16: found 'yes'; the type is bool | None."),
        ("grpo", {"use_vllm": 1}, "grpo.use_vllm: found 1; the type is bool."),
        ("grpo", {"loss_type": 3}, "grpo.loss_type: found 3; the type is str."),
        ("lora", {"r": "16"}, "lora.r: found '16'; the type is int."),
        ("lora", {"lora_dropout": [0.1]}, "lora.lora_dropout: found [0.1]; the type is float."),
        ("grpo", {"loss_type": "dopa"}, "grpo.loss_type: 'dopa' is no choice here. Did you mean 'dapo'?"),
        (
            "grpo",
            {"lr_scheduler_type": "cosin"},
            "grpo.lr_scheduler_type: 'cosin' is no choice here. Did you mean",
        ),
        ("grpo", {"lr_scheduler_type": 3}, "grpo.lr_scheduler_type: 3 is no choice here. Known: constant,"),
        ("grpo", {"optim": "adamw"}, "grpo.optim: 'adamw' is no choice here. Did you mean"),
        (
            "grpo",
            {"importance_sampling_level": "group"},
            "grpo.importance_sampling_level: 'group' is no choice",
        ),
        ("lora", {"bias": "lora"}, "lora.bias: 'lora' is no choice here. Did you mean 'lora_only'?"),
        ("lora", {"init_lora_weights": "gausian"}, "lora.init_lora_weights: 'gausian' is no choice here. Did you mean"),
        ("grpo", {"output_dir": "x"}, "grpo.output_dir: Signalbox sets this itself. The run folder"),
        ("grpo", {"reward_weights": [1.0]}, "grpo.reward_weights: Signalbox sets this itself. Give each route"),
        ("lora", {"task_type": "CAUSAL_LM"}, "lora.task_type: Signalbox sets this itself."),
    ],
)
def test_a_wrong_option_is_named_with_its_type_or_its_mend(part, given, says):
    (problem,) = check_options(part, given)
    assert str(problem).startswith(says)


@pytest.mark.parametrize(
    ("part", "given"),
    [
        ("grpo", {"beta": 0}),
        ("grpo", {"learning_rate": "3e-4"}),
        ("grpo", {"bf16": None}),
        ("grpo", {"num_generations_eval": None}),
        ("grpo", {"lr_scheduler_kwargs": {"num_cycles": 2}}),
        ("lora", {"target_modules": ["q_proj", "v_proj"]}),
        ("lora", {"target_modules": "all-linear"}),
        ("grpo", {"loss_type": "dr_grpo"}),
        ("grpo", {"optim": "adamw_torch_fused"}),
        ("grpo", {"include_num_input_tokens_seen": True}),
        ("grpo", {"report_to": "trackio"}),
        ("grpo", {"pad_to_multiple_of": "auto"}),
        ("lora", {"bias": "none"}),
        ("lora", {"init_lora_weights": False}),
        ("lora", {"init_lora_weights": "pissa_niter_16"}),
        ("lora", {"rank_pattern": {"q_proj": 4}}),
    ],
    ids=str,
)
def test_a_right_option_passes(part, given):
    assert check_options(part, given) == []


def test_a_number_that_yaml_reads_as_text_is_the_number_that_was_meant():
    assert grpo_settings({"learning_rate": "3e-4"})["learning_rate"] == 3e-4
    assert lora_settings({"lora_dropout": "1e-2"})["lora_dropout"] == 0.01


def test_text_that_is_meant_as_text_stays_text():
    assert grpo_settings({"run_name": "3e-4"})["run_name"] == "3e-4"


def test_settings_are_our_defaults_under_what_was_given():
    assert grpo_settings({"max_steps": 5}) == {**GRPO_DEFAULTS, "max_steps": 5}
    assert lora_settings({}) == LORA_DEFAULTS
