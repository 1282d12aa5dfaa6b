from pathlib import Path

import pytest

from core.documents import parse_yaml
from core.errors import UserError
from core.spec import Draft, RunSpec, parse_spec, read_plan, read_spec

SMALLEST = {"data": {"path": "rows.jsonl"}, "rewards": {"math": [{"name": "math_answer"}]}}


def changed(**parts):
    return {**SMALLEST, **parts}


def complaints(document):
    with pytest.raises(UserError) as caught:
        parse_spec(document, "run.yaml")
    return [str(problem) for problem in caught.value.problems]


def test_the_smallest_spec_has_a_model_equal_shares_and_masked_errors():
    spec = parse_spec(SMALLEST, "run.yaml")
    assert (spec.model, spec.mixing.strategy, spec.on_reward_error) == ("embedded", "equal", "mask")
    assert spec.rewards["math"][0].weight == 1.0


def test_a_spec_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        parse_spec(SMALLEST, "run.yaml").name = "another"


@pytest.mark.parametrize(
    ("document", "field", "says"),
    [
        # the document as a whole
        (None, "run.yaml:", "empty"),
        ([1], "run.yaml:", "a list"),
        ("text", "run.yaml:", "a str"),
        ({}, "run.yaml: data:", "missing"),
        ({"data": {"path": "x"}}, "run.yaml: rewards:", "missing"),
        # names with a slip
        (changed(reward={}), "run.yaml: reward:", "Did you mean 'rewards'?"),
        (changed(data={"pth": "x"}), "run.yaml: data.pth:", "Did you mean 'path'?"),
        (changed(data={"path": "x", "held_out": {"rows_per_tsk": 1}}), "data.held_out.rows_per_tsk", "'rows_per_task'"),
        (changed(data={"reasoning_gym": {"tasks": [{"nme": "x"}]}}), "reasoning_gym.tasks[0].nme", "Did you mean"),
        (changed(rewards={"a": [{"nam": "x"}]}), "rewards.a[0].nam:", "Did you mean 'name'?"),
        (changed(rewards={"a": [{"name": "x"}, {"weight": 1}]}), "rewards.a[1].name:", "missing"),
        (changed(tasks={"math": {"shar": 0.5}}), "tasks.math.shar:", "Did you mean 'share'?"),
        (changed(mixing={"strtegy": "equal"}), "mixing.strtegy:", "Did you mean 'strategy'?"),
        (
            changed(normalisation={"scale_reward": "group"}),
            "normalisation.scale_reward:",
            "Did you mean 'scale_rewards'?",
        ),
        # values of the wrong kind
        (changed(data=None), "run.yaml: data:", "None"),
        (changed(rewards={}), "run.yaml: rewards:", "at least 1"),
        (changed(rewards={"a": {"name": "x"}}), "run.yaml: rewards.a:", "not a list"),
        (changed(rewards={"a": ["math_answer"]}), "run.yaml: rewards.a[0]:", "'math_answer'"),
        (changed(rewards={"a": [{"name": "x", "weight": "heavy"}]}), "rewards.a[0].weight:", "'heavy'"),
        (changed(rewards={"a": [{"name": "x", "weight": float("nan")}]}), "rewards.a[0].weight:", "finite"),
        (changed(tasks={"math": None}), "tasks.math:", "None"),
        (changed(tasks={"math": {"share": 0}}), "tasks.math.share:", "greater than 0"),
        (changed(tasks={"math": {"share": 1.5}}), "tasks.math.share:", "1.5"),
        (changed(mixing={"strategy": "round"}), "mixing.strategy:", "'natural' or 'temperature'"),
        (changed(normalisation={"scale_rewards": "all"}), "normalisation.scale_rewards:", "'batch'"),
        (changed(name="two words"), "run.yaml: name:", "'two words'"),
        (changed(name=""), "run.yaml: name:", "''"),
        (changed(name="../up"), "run.yaml: name:", "'../up'"),
        (changed(lora=3), "run.yaml: lora:", "found 3"),
        (changed(on_reward_error="zero"), "on_reward_error:", "'mask' or 'stop'"),
        # where rows come from
        (changed(data={}), "run.yaml: data:", "0 sources"),
        (changed(data={"path": "x", "hub": "y"}), "run.yaml: data:", "2 sources"),
        (changed(data={"path": 3}), "data.path", "found 3"),
        (changed(data={"path": ["a", 3]}), "data.path", "[1]"),
        (changed(data={"reasoning_gym": {"tasks": []}}), "data.reasoning_gym.tasks:", "at least 1"),
        # what YAML 1.1 makes of a tag without quotes
        (changed(rewards={1: [{"name": "x"}]}), "run.yaml: rewards:", "1 is not text. Put quotes"),
        (changed(rewards={False: [{"name": "x"}]}), "run.yaml: rewards:", "False is not text. Put quotes"),
        (changed(grpo={3: 4}), "run.yaml: grpo:", "3 is not text"),
        ({**SMALLEST, 7: 8}, "run.yaml:", "7 is not text"),
    ],
)
def test_a_wrong_document_is_named_by_file_field_and_value(document, field, says):
    assert any(field in line and says in line for line in complaints(document)), complaints(document)


def test_all_wrong_fields_are_named_at_once():
    assert len(complaints(changed(name="a b", lora=3, on_reward_error="zero"))) == 3


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        pytest.param("a: [1\nb: 2", "run.yaml line 2, column 2", "','", id="a bracket left open"),
        pytest.param("a: 1\n b: 2", "run.yaml line 2, column 3", "mapping values", id="wrong indentation"),
        pytest.param("a: 'x", "run.yaml line 1, column 6", "end of stream", id="a quote left open"),
        pytest.param("a: 1\n\tb: 2", "run.yaml line 2, column 1", "'\\t'", id="a tab"),
        pytest.param("a: *b", "run.yaml line 1, column 4", "undefined alias", id="an alias of nothing"),
        pytest.param("a: !!python/object:os.system {}", "run.yaml line 1, column 4", "constructor", id="no code runs"),
        pytest.param("? [a]\n: b", "run.yaml line 1, column 3", "unhashable", id="a list as a name"),
        pytest.param("r:\n  m: 1\n  m: 2", "run.yaml line 3, column 3", "'m' is given twice", id="lost without a word"),
        pytest.param("a: \0", "run.yaml:", "#x0000", id="a NUL"),
        pytest.param("name: 2024-13-45", "run.yaml:", "month", id="no date, though it looks like one"),
        pytest.param("a: !!bool maybe", "run.yaml:", "maybe", id="a tag that does not fit"),
        pytest.param("[" * 3000, "run.yaml:", "recursion", id="3000 brackets"),
    ],
)
def test_yaml_that_cannot_be_read_is_an_error_with_its_place(text, place, says):
    with pytest.raises(UserError) as caught:
        parse_yaml(text, "run.yaml")
    assert str(caught.value).startswith(place)
    assert says in str(caught.value)


def test_a_merged_key_may_be_overridden():
    assert parse_yaml("a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}", "run.yaml")["b"] == {"x": 3, "y": 2}


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(SMALLEST, id="the smallest"),
        pytest.param(changed(rewards={"no": [{"name": "x"}], "1": [{"name": "x"}], "1e3": [{"name": "x"}]}), id="tags"),
        pytest.param(
            changed(tasks={"math": {"system_prompt": "数学\n  é\t\u2028\x85\x07: # '\" {prompt}"}}), id="text"
        ),
        pytest.param(
            changed(grpo={"learning_rate": "3e-4", "beta": 1e-5, "max_grad_norm": float("inf")}), id="numbers"
        ),
        pytest.param(changed(data={"path": ["a.csv", "b.csv"], "columns": {"answer": "gold"}}), id="lists"),
        pytest.param(
            changed(data={"reasoning_gym": {"tasks": [{"name": "chain_sum", "config": {"x": [1]}}]}}), id="gym"
        ),
    ],
)
def test_to_yaml_reads_back_as_the_same_spec(document):
    spec = parse_spec(document, "run.yaml")
    assert parse_spec(parse_yaml(spec.to_yaml(), "again.yaml"), "again.yaml") == spec


def test_to_yaml_writes_what_was_set_and_no_more():
    assert parse_yaml(parse_spec(SMALLEST, "run.yaml").to_yaml(), "again.yaml") == SMALLEST


def test_json_is_read_like_yaml(tmp_path):
    file = tmp_path / "run.json"
    file.write_text('{"data": {"path": "x"}, "rewards": {"a": [{"name": "length"}]}}')
    assert read_spec(file).rewards["a"][0].name == "length"


def write(folder: Path, data: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "run.yaml"
    file.write_text(f"data: {data}\nrewards: {{a: [{{name: length}}]}}\n")
    return file


def test_a_path_that_exists_in_the_working_folder_starts_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.jsonl").touch()
    file = write(tmp_path / "specs", "{path: rows.jsonl}")
    (tmp_path / "specs" / "rows.jsonl").touch()
    assert read_spec(file).data.path == str(tmp_path / "rows.jsonl")


@pytest.mark.parametrize("place", ["specs", "."], ids=["beside the spec", "above it"])
def test_another_path_starts_at_the_spec(tmp_path, monkeypatch, place):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    file = write(tmp_path / "specs", "{path: [rows.jsonl], held_out: {path: held.jsonl}}")
    for name in ("rows.jsonl", "held.jsonl"):
        (tmp_path / place / name).touch()
    data = read_spec(file).data
    assert data.path == (str((tmp_path / place / "rows.jsonl").resolve()),)
    assert data.held_out.path == str((tmp_path / place / "held.jsonl").resolve())


def test_a_path_that_is_nowhere_stays_the_working_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert read_spec(write(tmp_path / "specs", "{path: gone.jsonl}")).data.path == str(tmp_path / "gone.jsonl")


def test_a_spec_that_is_not_from_a_file_keeps_its_paths():
    assert parse_spec(SMALLEST, "run.yaml").data.path == "rows.jsonl"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.mkdir(), "a folder"),
        (lambda path: path.write_bytes(b"name: \xff"), "not UTF-8 at byte 6"),
        (lambda path: path.touch(), "empty"),
    ],
    ids=["missing", "folder", "latin-1", "empty"],
)
def test_a_file_that_is_no_spec_is_named(tmp_path, make, says):
    make(tmp_path / "run.yaml")
    with pytest.raises(UserError, match=says) as caught:
        read_spec(tmp_path / "run.yaml")
    assert caught.value.problems[0].where == str(tmp_path / "run.yaml")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("data: {path: x}\nmodel: m\nrewards: {a: [{name: length}]}\nlora: {r: 4}", id="a whole run spec"),
        pytest.param("rewards: {a: [{name: length}]}\nmodel: m", id="its rewards part"),
    ],
)
def test_a_plan_needs_only_the_rewards_of_a_spec(tmp_path, text):
    (tmp_path / "plan.yaml").write_text(text)
    plan = read_plan(tmp_path / "plan.yaml")
    assert (plan.rewards["a"][0].name, plan.model) == ("length", "m")


def test_a_plan_may_be_nothing_but_a_routing_table(tmp_path):
    (tmp_path / "plan.yaml").write_text("math: [{name: math_answer}]\ndefault: [{name: length, weight: 0.1}]")
    assert list(read_plan(tmp_path / "plan.yaml").rewards) == ["math", "default"]


def test_a_wrong_plan_is_named_by_file_and_field(tmp_path):
    (tmp_path / "plan.yaml").write_text("math: [{nam: math_answer}]")
    with pytest.raises(UserError, match=r"plan\.yaml: rewards\.math\[0\]\.nam"):
        read_plan(tmp_path / "plan.yaml")


class TestDraft:
    def test_one_without_data_and_rewards_says_what_is_missing(self):
        with pytest.raises(UserError) as caught:
            Draft().finished()
        assert [problem.where for problem in caught.value.problems] == ["data", "rewards"]

    def test_one_that_has_both_is_a_run_spec_with_what_was_set(self):
        document = {"model": "m", "data": {"path": "rows.jsonl"}, "rewards": {"default": [{"name": "length"}]}}
        spec = Draft.model_validate(document).finished()
        assert spec == RunSpec.model_validate(document)
        assert spec.to_yaml() == RunSpec.model_validate(document).to_yaml()
