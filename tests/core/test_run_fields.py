import pytest

from core.options import GRPO_RESERVED, LORA_RESERVED, grpo_options, lora_options
from core.run_fields import FIRST_GROUPS, HIDDEN, HIDDEN_SECTIONS, SIMPLE, by_group, matching, run_fields
from core.spec import Draft


def placed(draft=None):
    return {field.place: field for field in run_fields(draft or Draft())}


def test_the_simple_fields_come_first_and_exist():
    assert [field.place for field in run_fields(Draft())][: len(SIMPLE)] == list(SIMPLE)


def test_each_field_stands_once():
    places = [field.place for field in run_fields(Draft())]
    assert len(places) == len(set(places))


@pytest.mark.parametrize(
    ("part", "options", "reserved"), [("grpo", grpo_options, GRPO_RESERVED), ("lora", lora_options, LORA_RESERVED)]
)
def test_what_signalbox_sets_itself_is_no_field_and_what_is_hidden_is_an_option(part, options, reserved):
    shown = {place.partition(".")[2] for place in placed() if place.startswith(f"{part}.")}
    assert not shown & set(reserved)
    assert shown <= set(options())
    assert set(options()) >= HIDDEN[part]


def test_hidden_headings_are_headings_of_the_libraries():
    assert {option.section for option in grpo_options().values()} >= set(HIDDEN_SECTIONS)


def test_a_hidden_option_that_a_spec_names_is_shown():
    assert "grpo.ddp_timeout" not in placed()
    assert placed(Draft(grpo={"ddp_timeout": 60}))["grpo.ddp_timeout"].value == 60


def test_a_field_has_the_library_s_help_and_default_and_ours_where_it_is_another():
    rate = placed()["grpo.learning_rate"]
    assert (rate.default, rate.library) == (1e-4, "1e-06")
    assert rate.help == grpo_options()["learning_rate"].help
    assert placed()["grpo.temperature"].library == ""


@pytest.mark.parametrize(
    ("place", "kind", "choices"),
    [
        ("grpo.learning_rate", "number", ()),
        ("grpo.max_steps", "integer", ()),
        ("grpo.optim_args", "text", ()),
        ("grpo.fp16", "switch", (True, False)),
        ("grpo.bf16", "choice", (True, False)),
        ("lora.bias", "choice", ("none", "all", "lora_only")),
        ("lora.target_modules", "yaml", ()),
        ("grpo.model_init_kwargs", "yaml", ()),
        ("mixing.strategy", "choice", ("equal", "natural", "temperature")),
        ("engine.memory_gb", "number", ()),
    ],
)
def test_what_is_drawn_follows_from_the_type(place, kind, choices):
    field = placed()[place]
    assert (field.kind, field.choices) == (kind, choices)


def test_a_scheduler_is_one_of_those_that_transformers_has():
    assert {"linear", "cosine", "constant"} <= set(placed()["grpo.lr_scheduler_type"].choices)


def test_a_loss_is_one_of_those_that_its_help_lists():
    assert (placed()["grpo.loss_type"].kind, "dr_grpo" in placed()["grpo.loss_type"].choices) == ("choice", True)


def test_options_are_found_by_name_heading_and_help():
    fields = run_fields(Draft())
    assert "grpo.learning_rate" in {field.place for field in matching(fields, "learning rate")}
    assert "grpo.beta" in {field.place for field in matching(fields, "KL coefficient")}
    assert matching(fields, "lora rank") != []
    assert matching(fields, "no such words") == []
    assert matching(fields, "  ") == fields


def test_epochs_and_steps_decide_in_turn_and_neither_has_a_default_beside_the_other():
    assert placed()["grpo.max_steps"].default == 100
    assert placed(Draft(grpo={"num_train_epochs": 2}))["grpo.max_steps"].default is None


def test_headings_that_matter_to_most_runs_come_first_and_every_field_has_one():
    fields = run_fields(Draft())
    groups = by_group(fields)
    assert tuple(groups)[: len(FIRST_GROUPS)] == FIRST_GROUPS
    assert sum(map(len, groups.values())) == len(fields)
