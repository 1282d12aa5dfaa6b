import json

import pytest
from toys import make_model

from core.errors import UserError
from core.model_facts import ask_hub, local_file, model_facts, read_facts

LLAMA = {
    "model_type": "llama",
    "num_hidden_layers": 2,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 260,
    "max_position_embeddings": 512,
    "tie_word_embeddings": False,
}


def test_the_weights_of_a_model_are_counted_from_its_config(tmp_path):
    from transformers import AutoModelForCausalLM

    folder = make_model(tmp_path / "model", num_key_value_heads=2, head_dim=16)
    model = AutoModelForCausalLM.from_pretrained(folder)
    facts = model_facts(str(folder))
    assert facts.parameters == sum(p.numel() for p in model.parameters())
    assert (facts.layers, facts.hidden, facts.head_size, facts.context) == (2, 32, 16, 512)


def test_what_a_config_leaves_out_is_what_transformers_takes_for_it():
    facts = read_facts({name: LLAMA[name] for name in LLAMA if name != "num_key_value_heads"})
    assert (facts.kv_heads, facts.head_size, facts.experts) == (4, 8, 1)
    assert facts.source_dtype == ""


def test_every_expert_of_a_mixture_counts():
    one = read_facts(LLAMA)
    four = read_facts({**LLAMA, "num_local_experts": 4, "num_experts_per_tok": 2})
    mlp = 2 * 3 * 32 * 64
    assert four.parameters == one.parameters + 3 * mlp
    assert (four.experts, four.active) == (4, 2)


@pytest.mark.parametrize("config", [{}, {"model_type": "t5", "d_model": 512}, {**LLAMA, "hidden_size": None}])
def test_of_another_make_nothing_is_said(config):
    assert read_facts(config) is None


@pytest.mark.parametrize("text", ["", "[1]", "{broken"])
def test_a_config_that_does_not_read_says_nothing(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    assert model_facts(str(tmp_path)) is None


def test_a_config_is_found_in_a_folder_and_nothing_is_fetched_for_an_id(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(LLAMA))
    assert local_file(str(tmp_path), "config.json") == tmp_path / "config.json"
    assert local_file(str(tmp_path), "tokenizer.json") is None
    assert model_facts("nobody/has-this-model") is None
    assert model_facts("no id, no folder!") is None


@pytest.mark.parametrize(
    ("failure", "severity", "words"),
    [
        ("gone", "error", "the Hub has no model 'nobody/nothing' for this user"),
        ("away", "warning", "it cannot be looked up: no route to the Hub"),
    ],
)
def test_a_model_that_the_hub_does_not_have_is_an_error_and_a_hub_out_of_reach_none(
    monkeypatch, failure, severity, words
):
    from httpx import Request, Response
    from huggingface_hub.errors import RepositoryNotFoundError

    answer = Response(404, request=Request("GET", "https://hub.test/nobody/nothing"))
    failures = {"gone": RepositoryNotFoundError("404", response=answer), "away": ConnectionError("no route to the Hub")}

    def fetch(name, file):
        raise failures[failure]

    monkeypatch.setattr("huggingface_hub.hf_hub_download", fetch)
    with pytest.raises(UserError) as told:
        ask_hub("nobody/nothing")
    [problem] = told.value.problems
    assert (problem.where, problem.severity) == ("model", severity)
    assert words in problem.what
