"""The model card: what was trained, by what, how it went, and how to load it; nothing of this machine."""

import os
import struct

import pytest
import yaml
from toys import spec_document, tagged_rows, write_rows

from core.curve_image import write_curves
from core.evaluation import Evaluation, EvaluationSettings, Row, SideAnswers, write_evaluation
from core.model_card import _value, base_model, model_card, public_spec, write_card
from core.options import check_options
from core.run_adapters import RESULT, RunAdapter, find_adapter
from core.runs import create_run
from core.spec import parse_spec


def metadata(card):
    return yaml.safe_load(card.split("---\n")[1])


def test_it_tells_tasks_rewards_weights_data_settings_and_before_and_after(run):
    card = model_card(find_adapter(run))
    for text in (
        "| short | `length(unit='characters', maximum=4, margin=8)` | 1 |",
        "Files: `rows.jsonl`.",
        "| short | 0.000 | 0.200 | +0.200 | 4 |",
        "| GRPO | learning_rate | 0.01 |",
        "| LoRA | r | 4 |",
        "after 2 steps",
        "PeftModel.from_pretrained(model, here)",
    ):
        assert text in card
    assert "More Information Needed" not in card


def test_it_names_the_embedded_model_by_its_id_and_a_folder_by_its_name_alone(run, model):
    assert base_model("embedded") == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert base_model(str(model)) == model.name
    assert base_model("org/name") == "org/name"
    own = metadata(model_card(find_adapter(run)))
    assert "base_model" not in own
    assert own["library_name"] == "peft"
    run.spec_path.write_text(run.spec_path.read_text().replace(str(model), "embedded"))
    known = metadata(model_card(find_adapter(run)))
    assert known["base_model"] == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert known["base_model_relation"] == "adapter"


def test_files_are_named_without_their_places(run, tmp_path):
    text = public_spec(run.spec()).to_yaml()
    assert "path: rows.jsonl" in text
    assert str(tmp_path) not in text
    assert str(tmp_path) not in model_card(find_adapter(run))


def test_an_evaluation_of_this_adapter_is_told_with_its_intervals(run):
    rows = tuple(
        Row("short", str(n), SideAnswers(("a",), (0.0,), (None,)), SideAnswers(("b",), (float(n % 4 > 0),), (None,)))
        for n in range(8)
    )
    settings = EvaluationSettings(num_generations=1)
    for adapter in ("checkpoint-2", "adapter"):
        write_evaluation(run, Evaluation(adapter, 2, "toy", 1.0, 1.0, settings, {"short": 1.0}, rows))
    card = model_card(find_adapter(run))
    assert "| short | 8 | 0.000 | 0.750 [" in card
    assert "95 % intervals over prompts" in card
    assert "pass@1, base" in card


def test_marks_in_names_do_not_break_the_table(model, tmp_path):
    rows = write_rows(tmp_path / "r.jsonl", tagged_rows(10))
    document = spec_document(model, rows)
    document["rewards"]["a|b"] = document["rewards"].pop("short")
    run = create_run(parse_spec(document, "toy"), tmp_path / "odd")
    assert "| a\\|b | `length(" in model_card(RunAdapter(run, RESULT, run.adapter, 6))


def test_names_of_tasks_are_text_and_weights_say_how_they_come_about(model, tmp_path):
    document = spec_document(model, write_rows(tmp_path / "r.jsonl", tagged_rows(10)))
    gate = {"kind": "gate", "reward": "length", "above": 0.8}
    line = {"kind": "linear", "begin": 5, "end": 9, "start": 0.5}
    more = [{"name": "number", "weight": 2, "schedule": gate}, {"name": "repetition", "schedule": line}]
    document["rewards"] = {"<b>x</b> & `y`": [*document["rewards"]["short"], *more], "default": [{"name": "number"}]}
    document["mixing"] = {"adapt": "worst"}
    run = create_run(parse_spec(document, "toy"), tmp_path / "odd")
    card = model_card(RunAdapter(run, RESULT, run.adapter, 6))
    assert "| &lt;b&gt;x&lt;/b&gt; &amp; &#96;y&#96; | `length(" in card
    assert "| `number()` | 0, 2 once `length` reaches 0.8 |" in card
    assert "| `repetition()` | 0.5 to 1 from step 5 to 9 |" in card
    assert "| mixing | adapt | worst |" in card


def test_curves_are_a_picture_and_a_run_without_steps_has_none(run, model, tmp_path):
    path = tmp_path / "curves.png"
    assert write_curves(run, path)
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG")
    wide, high = struct.unpack(">II", data[16:24])
    assert wide > 800
    assert high > 300
    os.truncate(run.metrics_path, 0)
    assert not write_curves(run, tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()


def test_a_folder_gets_card_curves_and_spec(run, tmp_path):
    (tmp_path / "out").mkdir()
    write_card(find_adapter(run), tmp_path / "out")
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["README.md", "curves.png", "spec.yaml"]
    assert "](curves.png)" in (tmp_path / "out" / "README.md").read_text()


def test_what_may_be_secret_and_places_of_this_machine_are_in_no_spec_for_others(run, model, tmp_path):
    document = spec_document(model, tmp_path / "rows.jsonl")
    document["grpo"]["model_init_kwargs"] = {"token": "hf_Secret", "dtype": "float32"}
    document["rewards"]["short"][0]["params"]["pattern"] = str(tmp_path)
    told = parse_spec(document, "toy")
    shown = public_spec(told).to_yaml()
    assert "hf_Secret" not in shown
    assert str(tmp_path) not in shown
    assert "dtype: float32" in shown


def test_no_token_for_the_hub_is_taken_into_a_run():
    (problem,) = check_options("grpo", {"hub_token": "hf_Secret"})
    assert "no token is kept" in problem.mend


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("short", "'short'"),
        (
            "def score(completion, row):\n    text = completion.lower()\n    return len(text)",
            "(3 lines, see spec.yaml)",
        ),
        (list(range(40)), "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 1…"),
    ],
)
def test_a_parameter_is_told_in_a_line(value, said):
    assert _value(value) == said
