import pytest
from pydantic import ValidationError

from core.data import batches, tagging, task_counts
from core.data.mapping import HIDDEN
from core.data.raw import untagged
from core.spec import DataSpec, Tags

ROWS = [
    {"source": "gsm8k", "prompt": "2+2?"},
    {"source": "apps", "prompt": "Write f."},
    {"source": None, "prompt": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi there"}]},
]


@pytest.fixture
def tags_of(write, load):
    """The tag of each row of a file, in order."""

    def _tags_of(rows, tags, **fields):
        return load(write("a.jsonl", rows), tags=tags, **fields).train["task"][:]

    return _tags_of


@pytest.mark.parametrize(
    ("tags", "given", "why"),
    [
        ({"default": "m"}, ["m", "m", "m"], "one tag for all"),
        ({"files": {"a.jsonl": "m"}}, ["m", "m", "m"], "the tag of the file"),
        ({"rules": [{"column": "source", "equals": "gsm8k", "task": "m"}], "default": "o"}, ["m", "o", "o"], "equals"),
        ({"rules": [{"column": "source", "contains": "pp", "task": "m"}], "default": "o"}, ["o", "m", "o"], "contains"),
        ({"rules": [{"column": "source", "contains": "p.", "task": "m"}], "default": "o"}, ["o"] * 3, "a dot is a dot"),
        ({"rules": [{"column": "source", "matches": r"\d", "task": "m"}], "default": "o"}, ["m", "o", "o"], "matches"),
        (
            {"rules": [{"column": "prompt", "contains": "brief.\n\nHi", "task": "m"}], "default": "o"},
            ["o", "o", "m"],
            "chat messages are seen as text",
        ),
        (
            {"rules": [{"column": "prompt", "equals": "2+2?", "task": "m"}], "default": "o"},
            ["m", "o", "o"],
            "text among chat messages is seen as it is",
        ),
        (
            {"rules": [{"column": "prompt", "contains": "f", "task": c} for c in "mn"], "default": "o"},
            ["o", "m", "m"],
            "the first rule that holds decides",
        ),
        ({"rows": {"a.jsonl line 2": "m"}, "default": "o"}, ["o", "m", "o"], "by hand"),
        (
            {"files": {"a.jsonl": "o"}, "rules": [{"column": "source", "equals": "apps", "task": "m"}]},
            ["o", "m", "o"],
            "a rule comes after the file",
        ),
        (
            {"rules": [{"column": "source", "equals": "apps", "task": "m"}], "rows": {"a.jsonl line 2": "n"}}
            | {"default": "o"},
            ["o", "n", "o"],
            "the hand comes after the rules",
        ),
        ({"files": {"a.jsonl": "m"}, "default": "o"}, ["m", "m", "m"], "the default fills gaps only"),
        ({"default": "m", "rename": {"m": "n"}}, ["n", "n", "n"], "new names come last"),
    ],
)
def test_rows_without_a_task_column_get_tags(tags_of, tags, given, why):
    assert tags_of(ROWS, tags) == given, why


TAGGED = [{"task": tag, "prompt": str(n), "n": n} for n, tag in enumerate(["maths", "math", "code", " code ", 7])]


@pytest.mark.parametrize(
    ("tags", "given", "why"),
    [
        ({"rename": {"maths": "math"}}, ["math", "math", "code", "code", "7"], "two tasks merged"),
        ({"rename": {"maths": "math", "math": "code"}}, ["math", "code", "code", "code", "7"], "names do not chain"),
        ({"drop": ["code", "7"]}, ["maths", "math"], "rows leave the data"),
        ({"rename": {"maths": "math"}, "drop": ["math"]}, ["code", "code", "7"], "dropped under the new name"),
        (
            {"rules": [{"column": "n", "equals": "3", "task": "sql", "within": "code"}]},
            ["maths", "math", "code", "sql", "7"],
            "a task is split; numbers are seen as text",
        ),
        (
            {"rules": [{"column": "prompt", "matches": ".", "task": "x", "within": "maths"}]},
            ["x", "math", "code", "code", "7"],
            "within leaves the others alone",
        ),
    ],
)
def test_tags_of_the_column_can_be_changed(tags_of, tags, given, why):
    assert tags_of(TAGGED, tags) == given, why


def test_a_rule_within_a_task_asks_for_the_tag_before_all_rules(tags_of):
    first = {"column": "n", "equals": "2", "task": "x", "within": "code"}
    then = {"column": "n", "matches": ".", "task": "y", "within": "code"}
    assert tags_of(TAGGED, {"rules": [first, then]}) == ["maths", "math", "x", "y", "7"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param({"default": "rest"}, ["rest", "seven", "rest"], id="of the default"),
        pytest.param(
            {"rows": {"a.jsonl line 1": "rest", "a.jsonl line 2": "rest"}, "default": "x"},
            ["rest", "seven", "x"],
            id="of the hand",
        ),
        pytest.param({"files": {"a.jsonl": "rest"}}, ["rest", "seven", "rest"], id="of a file"),
        pytest.param(
            {"default": "x", "first": {"column": "prompt", "contains": "is", "task": "rest"}},
            ["rest", "seven", "x"],
            id="of another rule",
        ),
    ],
)
def test_a_task_is_split_whatever_gave_its_rows_their_tag(tags_of, given, expected):
    first = [given.pop("first")] if "first" in given else []
    rows = [{"prompt": text} for text in ("5 is odd", "7 is odd", "7?")]
    split = {"column": "prompt", "contains": "7 is", "task": "seven", "within": "rest"}
    assert tags_of(rows, {**given, "rules": [*first, split]}) == expected


def test_a_rule_for_all_rows_leaves_alone_what_was_tagged_by_hand(tags_of):
    rule = {"column": "prompt", "matches": ".", "task": "all"}
    tags = {"rules": [rule], "rows": {"a.jsonl line 2": "mine"}}
    assert tags_of([{"prompt": "x"}, {"prompt": "y"}], tags) == ["all", "mine"]


def test_a_task_may_be_renamed_although_rules_have_taken_all_of_its_rows(tags_of):
    rule = {"column": "prompt", "matches": ".", "task": "new", "within": "old"}
    assert tags_of([{"task": "old", "prompt": "x"}], {"rules": [rule], "rename": {"old": "x"}}) == ["new"]


def test_a_task_called_default_in_the_file_can_be_renamed(tags_of):
    assert tags_of([{"task": "default", "prompt": "x"}], {"rename": {"default": "chat"}}) == ["chat"]


def test_blank_tags_are_filled_by_the_default(tags_of):
    assert tags_of([{"task": " ", "prompt": "x"}, {"task": None, "prompt": "y"}], {"default": "m"}) == ["m", "m"]


def test_a_tag_that_is_no_text_is_no_gap_for_the_default(write, complaints):
    (said,) = complaints(write("a.jsonl", [{"task": 1.5, "prompt": "x"}]), tags={"default": "m"})
    assert "the task tag '1.5' is not text" in said


def test_a_rule_names_columns_as_rewards_do_or_as_the_file_does(tags_of):
    for name in ("prompt", "question"):
        rule = {"column": name, "contains": "2", "task": "m"}
        assert tags_of([{"question": "2?"}], {"rules": [rule]}, prompt_column="question") == ["m"]


def test_values_that_are_no_text_are_seen_as_json(tags_of):
    rows = [{"prompt": "x", "meta": {"level": 3}, "ok": True}, {"prompt": "y", "meta": {"level": 4}, "ok": False}]
    by_meta = {"rules": [{"column": "meta", "contains": '"level":3', "task": "m"}], "default": "o"}
    by_flag = {"rules": [{"column": "ok", "equals": "true", "task": "m"}], "default": "o"}
    assert tags_of([{**row, "meta": {"level": row["meta"]["level"]}} for row in rows], by_flag) == ["m", "o"]
    spaced = [{**by_meta["rules"][0], "contains": None, "matches": r'"level":\s*3'}]
    assert tags_of(rows, {**by_meta, "rules": spaced}) == ["m", "o"]


def test_files_with_and_without_a_task_column_make_one_dataset(write, load):
    paths = [write("a.jsonl", [{"task": "code", "prompt": "x"}]), write("b.jsonl", [{"prompt": "y"}])]
    assert load(paths, tags={"files": {"b.jsonl": "math"}}).train["task"][:] == ["code", "math"]


def test_parquet_rows_are_tagged_by_their_numbers(tmp_path, load):
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"prompt": ["a", "b", "c"], "level": [1, 2, 3], "junk": [None, "j", "j"]})
    pq.write_table(table, tmp_path / "a.parquet")
    rules = [{"column": "level", "equals": "3", "task": "hard"}, {"column": "level", "equals": "2", "task": "bad"}]
    tags = {"rules": rules, "rows": {"a.parquet row 1": "easy"}, "drop": ["bad"]}
    data = load(str(tmp_path / "a.parquet"), tags=tags)
    assert data.train["task"][:] == ["easy", "hard"]
    assert data.traced_train["__place__"][:] == ["a.parquet row 1", "a.parquet row 3"]


def test_rows_of_a_dropped_task_are_not_checked(tags_of):
    rows = [{"task": "junk", "prompt": ""}, {"task": "m", "prompt": "x"}]
    assert tags_of(rows, {"drop": ["junk"]}) == ["m"]


def test_whole_batches_may_be_dropped(tags_of, monkeypatch):
    monkeypatch.setattr(batches, "BATCH_ROWS", 1)
    assert tags_of(TAGGED, {"drop": ["maths", "code"]}) == ["math", "7"]


def test_held_out_rows_are_tagged_alike(write, load):
    path = write("a.jsonl", [{"prompt": str(n), "kind": "sum"} for n in range(9)])
    held_out = {"path": write("test.jsonl", [{"prompt": "t", "kind": "sum"}, {"prompt": "u"}]), "rows_per_task": 5}
    tags = {"rules": [{"column": "kind", "equals": "sum", "task": "m"}], "rows": {"test.jsonl line 2": "m"}}
    assert task_counts(load(path, tags=tags, held_out=held_out).held_out) == {"m": 2}


def test_other_tags_are_read_anew(tags_of):
    assert tags_of(ROWS, {"default": "m"}) != tags_of(ROWS, {"default": "n"})


@pytest.mark.parametrize(
    ("tags", "said", "why"),
    [
        ({"files": {"b.jsonl": "m"}}, "files.b.jsonl: there is no file 'b.jsonl'. Did you mean 'a.jsonl'?", "file"),
        ({"rows": {"c.csv line 2": "m"}}, "data.tags.rows.c.csv line 2: there is no file 'c.csv'.", "file of a row"),
        ({"rows": {"a.jsonl line 9": "m"}}, "data.tags.rows.a.jsonl line 9: there is no such row.", "no such line"),
        ({"rules": [{"column": "promt", "equals": "x", "task": "m"}]}, "rules[0].column: there is no column", "column"),
        ({"rename": {"mathss": "m"}}, "rename.mathss: no row has the tag 'mathss'. Did you mean 'maths'?", "rename"),
        ({"drop": ["codes"]}, "data.tags.drop: no row has the tag 'codes'. Did you mean 'code'?", "drop"),
        (
            {"rules": [{"column": "n", "equals": "1", "task": "m", "within": "cod"}]},
            "rules[0].within: no row has the tag 'cod' before the rules. Did you mean 'code'?",
            "within",
        ),
        (
            {"rules": [{"column": "n", "equals": "1", "task": "m", "within": "new"}], "rename": {"code": "new"}},
            "Tasks are renamed after the rules: write 'code'.",
            "within a task under its new name",
        ),
    ],
)
def test_tags_that_name_what_is_not_there_are_named(write, complaints, tags, said, why):
    (complaint,) = complaints(write("a.jsonl", TAGGED), tags=tags)
    assert said in complaint, why


def test_rows_still_without_a_tag_are_named(write, complaints):
    tags = {"rules": [{"column": "source", "equals": "apps", "task": "code"}]}
    said = complaints(write("a.jsonl", ROWS), tags=tags)
    assert [line.split(",")[0] for line in said] == ["a.jsonl line 1", "a.jsonl line 3"]
    assert "has no task tag" in said[0]


def test_a_file_that_nothing_gives_a_tag_needs_its_column(write, complaints):
    (said,) = complaints(write("a.jsonl", ROWS), tags={"rename": {"a": "b"}})
    assert "there is no column 'task'" in said


def test_a_task_column_that_is_named_must_be_there_whatever_the_default(write, complaints):
    (said,) = complaints(write("a.jsonl", ROWS), task_column="knid", tags={"default": "m"})
    assert "there is no column 'knid'" in said


def test_an_expression_that_runs_away_is_named(write, complaints, monkeypatch):
    monkeypatch.setattr(tagging, "MATCH_SECONDS", 0.1)
    rules = [{"column": "prompt", "matches": "(a|aa|a?a)+$", "task": "m"}]
    (said,) = complaints(write("a.jsonl", [{"prompt": "a" * 60 + "b"}]), tags={"rules": rules})
    assert said.startswith("data.tags.rules[0].matches: ")
    assert "too slow" in said


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ({"rules": [{"column": "a", "task": "m"}]}, "0 conditions are given"),
        ({"rules": [{"column": "a", "task": "m", "equals": "x", "matches": "x"}]}, "2 conditions are given"),
        ({"rules": [{"column": "a", "task": "m", "matches": "("}]}, "no regular expression"),
        ({"default": "default"}, "a task cannot be called 'default'"),
        ({"files": {"a.jsonl": " "}}, "the name of a task is blank"),
        ({"files": {"a.jsonl": "a" * 201}}, "one line of at most 200 characters, not 201"),
        ({"rows": {"line 17": "m"}}, "no place of a row"),
    ],
)
def test_tags_that_mean_nothing_are_refused(tags, said):
    with pytest.raises(ValidationError, match=said):
        Tags.model_validate(tags)


def test_hidden_columns_stay_away_from_what_rewards_and_trl_get(write, load):
    rows = [{"task": "m", "prompt": f"p{n}"} for n in range(20)]
    data = load(write("a.jsonl", rows), held_out={"rows_per_task": 2})
    for shown, traced in ((data.train, data.traced_train), (data.held_out, data.traced_held_out)):
        assert shown.column_names == ["task", "prompt"]
        assert set(traced.column_names) == {"task", "prompt", *HIDDEN}
        assert [f"a.jsonl line {int(row['prompt'][1:]) + 1}" for row in shown] == traced["__place__"][:]


def test_rows_without_a_tag_are_listed_past_the_twentieth_and_past_broken_lines(write):
    rows = "\n".join([*(f'{{"prompt": "{n}"}}' for n in range(30)), "{", '{"task": "m", "prompt": "x"}'])
    spec = DataSpec(path=write("a.jsonl", rows))
    found = untagged(spec)
    assert [row.place for row in found] == [f"a.jsonl line {n}" for n in range(1, 31)]
    assert found[4].fields == {"prompt": "4", "task": None}
    assert len(untagged(spec, most=7)) == 7


def test_rows_that_the_tags_reach_are_not_listed(write):
    path = write("a.jsonl", [*ROWS, {"task": 1.5, "prompt": "a tag that is no text"}])
    tags = {"rules": [{"column": "source", "contains": "a", "task": "m"}], "rows": {"a.jsonl line 1": "n"}}
    spec = DataSpec.model_validate({"path": path, "tags": tags})
    assert [row.place for row in untagged(spec)] == ["a.jsonl line 3", "a.jsonl line 4"]
