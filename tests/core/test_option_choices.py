"""What options of words may be, against the installed libraries themselves."""

import typing
import warnings

import pytest

from core.option_choices import choices, wrong_choice
from core.options import grpo_options, lora_options


def found(option):
    return choices(option.annotation, option.default, option.help)


@pytest.mark.parametrize(
    ("name", "enumeration"),
    [
        ("lr_scheduler_type", "SchedulerType"),
        ("optim", "OptimizerNames"),
        ("hub_strategy", "HubStrategy"),
        ("save_strategy", "SaveStrategy"),
    ],
)
def test_an_enumeration_gives_its_values(name, enumeration):
    from transformers import trainer_utils, training_args

    members = getattr(training_args, enumeration, None) or getattr(trainer_utils, enumeration)
    assert set(found(grpo_options()[name])) == {member.value for member in members}


@pytest.mark.parametrize("name", ["bias", "init_lora_weights"])
def test_a_literal_gives_its_words(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from peft import LoraConfig
    hint = typing.get_type_hints(LoraConfig)[name]
    literals = [hint, *typing.get_args(hint)]
    words = {word for one in literals if typing.get_origin(one) is typing.Literal for word in typing.get_args(one)}
    assert words
    assert set(found(lora_options()[name])) == words


@pytest.mark.parametrize("name", ["grpo", "dr_grpo", "dapo", "bnpo", "cispo", "sapo", "luspo", "vespo"])
def test_every_loss_that_the_trainer_computes_is_a_choice(name):
    import inspect

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from trl import GRPOTrainer
    assert f'"{name}"' in inspect.getsource(GRPOTrainer._compute_loss)
    assert name in found(grpo_options()["loss_type"])


def test_no_default_of_theirs_is_refused():
    for options in (grpo_options(), lora_options()):
        for option in options.values():
            if option.default.startswith(("'", '"')):
                value = option.default.strip("'\"")
                assert wrong_choice(option.annotation, option.default, option.help, value) is None, option.name


@pytest.mark.parametrize(
    ("annotation", "default", "text", "words"),
    [
        ("str", "'a'", "Either `'a'` (default), `'b'`, or 'c'.", ("a", "b", "c")),
        ("str", "'a'", "Options: 'x', 'y'. How: 'a' or 'b'.", ("a", "b")),
        ("str", "'z'", "Options: 'x', 'y'.", ()),
        ("str", "'a'", "Such as 'a'.", ()),
        ("str | None", "None", "One of 'a', 'b'.", ()),
        ("str | list[str]", "'a'", "One of 'a', 'b'.", ()),
        ("int | str", "'a'", "One of 'a', 'b'.", ()),
        ("Optional[Literal['a', 'b']]", "None", "", ("a", "b")),
        ("str | None | Literal[False]", "None", "", ()),
        ("int", "1", "", ()),
    ],
)
def test_a_list_of_words_is_one_of_choices_where_the_default_is_among_them(annotation, default, text, words):
    assert choices(annotation, default, text) == words
