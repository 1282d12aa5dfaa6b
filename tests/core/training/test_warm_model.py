"""A model that samples for pages: our way and transformers' give the same, adapters count, it can be broken off."""

import shutil

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from toys import make_model
from transformers import AutoModelForCausalLM

from core.errors import UserError
from core.sampling import ModelChoice, SamplingSettings
from core.training import warm_model
from core.training.texts import Texts
from core.training.warm_model import WarmModel

PROMPTS = [[40, 41, 42], [50, 51, 52, 53, 54, 55], [60]]
GREEDY = SamplingSettings(temperature=0, num_generations=2, max_completion_length=20)
DRAWN = SamplingSettings(num_generations=4, max_completion_length=20)


@pytest.fixture(autouse=True)
def float32(monkeypatch):
    """Rounding must not decide between two tokens of a random model."""
    way = {"use_cpu": True, "bf16": False, "model_init_kwargs": {"dtype": "float32"}}
    monkeypatch.setattr(warm_model, "precision", lambda: way)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(make_model(tmp_path_factory.mktemp("model")))


@pytest.fixture(scope="module")
def adapter(folder, tmp_path_factory):
    """An adapter that does something."""
    path = tmp_path_factory.mktemp("adapter")
    torch.manual_seed(1)
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(folder), LoraConfig(r=4, target_modules="all-linear"))
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(path)
    return str(path)


def warm(folder, adapter=None):
    return WarmModel(ModelChoice(folder, adapter), Texts(folder))


def sampled(model, settings=GREEDY, prompts=PROMPTS, watch=lambda done: None):
    return list(model.sample(prompts, settings, watch))


def test_our_way_and_transformers_take_the_same_likeliest_tokens(folder, monkeypatch):
    ours = warm(folder)
    monkeypatch.setattr(warm_model, "unsupported_model", lambda *_: "it is to be compared")
    theirs = warm(folder)
    assert (ours.reason, theirs.reason) == ("", "it is to be compared")
    assert sampled(ours) == sampled(theirs)


def test_transformers_way_draws_the_same_for_the_same_seed_and_ends_at_the_end_token(folder, monkeypatch):
    monkeypatch.setattr(warm_model, "unsupported_model", lambda *_: "for a test")
    model = warm(folder)
    long = DRAWN.model_copy(update={"max_completion_length": 200})
    one, again = sampled(model, long), sampled(model, long)
    assert one == again
    completions = [ids for group in one for ids in group]
    ended = [ids for ids in completions if not model.clipped(ids)]
    assert ended
    assert all(model._eos[0] not in ids[:-1] for ids in completions)
    assert all(len(ids) == 200 for ids in completions if model.clipped(ids))


def test_a_model_that_the_engine_does_not_know_is_left_to_transformers(tmp_path):
    folder = str(make_model(tmp_path, "gemma2", head_dim=8))
    model = warm(folder)
    assert "not all its layers" in model.reason
    assert list(map(len, sampled(model))) == [2, 2, 2]


def test_a_model_whose_trial_fails_is_left_to_transformers(folder, monkeypatch):
    monkeypatch.setattr(warm_model.trial, "TOLERANCE", {torch.float32: -1.0})
    model = warm(folder)
    assert model.reason.startswith("a trial failed: ArithmeticError")
    assert list(map(len, sampled(model))) == [2, 2, 2]


def test_an_adapter_changes_what_is_sampled(folder, adapter):
    base = AutoModelForCausalLM.from_pretrained(folder, dtype="float32")
    peft = warm_model.PeftModel.from_pretrained(base, adapter)
    wanted = peft.generate(torch.tensor([PROMPTS[1]]), do_sample=False, max_new_tokens=20)[0, len(PROMPTS[1]) :]
    with_adapter = sampled(warm(folder, adapter))
    assert with_adapter[1][0] == wanted.tolist()
    assert with_adapter != sampled(warm(folder))


def test_a_folder_without_an_adapter_is_said_to_be_one(folder, tmp_path):
    with pytest.raises(UserError, match="holds no adapter"):
        warm(folder, str(tmp_path))


def test_an_adapter_of_another_model_cannot_be_loaded(adapter, tmp_path):
    other = str(make_model(tmp_path, hidden_size=64))
    with pytest.raises(UserError, match=r"adapter: .* it cannot be loaded.*that the adapter was trained on"):
        warm(other, adapter)


@pytest.mark.parametrize("ours", [True, False])
def test_it_is_broken_off_between_two_tokens_and_samples_on_afterwards(folder, monkeypatch, ours):
    if not ours:
        monkeypatch.setattr(warm_model, "unsupported_model", lambda *_: "for a test")
    model = warm(folder)
    wanted = sampled(model, DRAWN)

    def stop(done):
        if done >= 3 * 4 * 5:
            raise InterruptedError(done)

    with pytest.raises(InterruptedError) as broken_off:
        sampled(model, DRAWN, watch=stop)
    assert 3 * 4 * 5 <= broken_off.value.args[0] < 3 * 4 * 20
    assert sampled(model, DRAWN) == wanted


def test_rows_beyond_a_batch_are_sampled_in_several(folder, monkeypatch):
    monkeypatch.setattr(warm_model, "BATCH", 4)
    model, told = warm(folder), []
    groups = model.sample(PROMPTS, DRAWN, told.append)
    next(groups)
    assert told[-1] == 4 * 20
    assert len(list(groups)) == 2
    assert told[-1] == 3 * 4 * 20


def test_another_template_needs_no_other_weights_and_another_adapter_does(folder):
    model = warm(folder)
    assert model.holds(ModelChoice(folder, chat_template_kwargs={"enable_thinking": False}))
    assert not model.holds(ModelChoice(folder, "adapter"))


class TestWear:
    """Another adapter on the model that is warm already."""

    @pytest.mark.parametrize("ours", [True, False])
    def test_base_and_adapter_on_one_model_sample_what_they_sample_when_loaded_alone(
        self, folder, adapter, monkeypatch, ours
    ):
        if not ours:
            monkeypatch.setattr(warm_model, "unsupported_model", lambda *_: "for a test")
        base, adapted = ModelChoice(folder), ModelChoice(folder, adapter)
        alone = {False: sampled(warm(folder), DRAWN), True: sampled(warm(folder, adapter), DRAWN)}
        model = warm(folder)
        for choice in (adapted, base, adapted, base):
            assert model.wear(choice)
            assert model.holds(choice)
            assert sampled(model, DRAWN) == alone[choice.adapter is not None]

    def test_changing_back_loads_nothing(self, folder, adapter, monkeypatch):
        model = warm(folder, adapter)
        assert model.wear(ModelChoice(folder))
        monkeypatch.setattr(warm_model, "_loaded", None)
        assert model.wear(ModelChoice(folder, adapter))

    def test_an_adapter_that_was_written_anew_is_another_one(self, folder, adapter, tmp_path):
        copy = shutil.copytree(adapter, tmp_path / "adapter")
        model = warm(folder, str(copy))
        before = sampled(model)
        weights = load_file(copy / "adapter_model.safetensors")
        save_file(
            {name: -weight if "lora_B" in name else weight for name, weight in weights.items()},
            copy / "adapter_model.safetensors",
        )
        choice = ModelChoice(folder, str(copy))
        assert not model.holds(choice)
        assert model.wear(choice)
        assert sampled(model) == sampled(warm(folder, str(copy))) != before

    def test_an_adapter_that_cannot_be_loaded_leaves_the_model_as_it_was(self, folder, tmp_path):
        model = warm(folder)
        before = sampled(model)
        with pytest.raises(UserError, match="holds no adapter"):
            model.wear(ModelChoice(folder, str(tmp_path)))
        assert model.holds(ModelChoice(folder))
        assert sampled(model) == before

    def test_what_cannot_be_written_in_place_is_left_to_a_loading(self, folder, tmp_path, monkeypatch):
        model = warm(folder)
        assert not model.wear(ModelChoice("another"))
        torch.manual_seed(1)
        head = get_peft_model(
            AutoModelForCausalLM.from_pretrained(folder, tie_word_embeddings=False),
            LoraConfig(r=4, target_modules="all-linear", modules_to_save=["lm_head"]),
        )
        torch.nn.init.normal_(head.base_model.model.lm_head.modules_to_save["default"].weight)
        head.save_pretrained(tmp_path)
        assert not model.wear(ModelChoice(folder, str(tmp_path)))
        monkeypatch.setattr(warm_model, "SWITCHED_BYTES", 1)
        assert not model.wear(ModelChoice(folder))


@pytest.mark.parametrize("ours", [True, False])
def test_what_is_being_sampled_can_be_watched_token_by_token(folder, monkeypatch, ours):
    if not ours:
        monkeypatch.setattr(warm_model, "unsupported_model", lambda *_: "for a test")
    monkeypatch.setattr(warm_model, "BATCH", 8)
    model, seen = warm(folder), []
    found = list(model.sample(PROMPTS, DRAWN, lambda done: None, lambda so_far: seen.append(so_far())))
    assert [set(look) for look in (seen[0], seen[-1])] == [{0, 1}, {2}]
    lengths = [sum(map(len, look[0])) for look in seen if 0 in look]
    assert lengths[0] == 4
    assert lengths == sorted(lengths)
    for look in seen:
        for prompt, group in look.items():
            assert all(found[prompt][n][: len(ids)] == ids for n, ids in enumerate(group))
    assert seen[-1][2] == found[2]


def test_a_build_for_cuda_without_a_gpu_samples_on_the_processor(folder, monkeypatch):
    def named(check_available=False):
        return None if check_available else torch.device("cuda")

    monkeypatch.setattr(torch.accelerator, "current_accelerator", named)
    assert sampled(warm(folder))
