import pytest

from core.data.raw import raw_columns, raw_rows
from core.errors import UserError
from core.spec import DataSpec

ROWS = [{"kind": "a", "Question": f"{n}?", "gold": n, "more": {"x": n}} for n in range(30)]


def test_columns_are_shown_as_the_files_have_them_whatever_the_mapping_says(write):
    path = write("a.jsonl", ROWS)
    wrong = DataSpec(path=path, task_column="no", prompt_column="such", columns={"x": "column"}, tags={"default": "m"})
    for spec in (DataSpec(path=path), wrong):
        columns = {column.name: column for column in raw_columns(spec)}
        assert list(columns) == ["kind", "Question", "gold", "more"]
        assert [column.role for column in columns.values()] == ["task", "prompt", "answer", None]
        assert [column.kind for column in columns.values()] == ["text", "text", "a number", "an object"]
        assert columns["kind"].examples == ("a",)
        assert columns["gold"].examples == (0, 1, 2, 3, 4)


def test_columns_of_all_files_are_shown_with_their_files(write):
    paths = (write("a.jsonl", [{"prompt": "x", "task": "m"}]), write("b.jsonl", [{"prompt": "y"}]))
    columns = {column.name: column for column in raw_columns(DataSpec(path=paths))}
    assert columns["prompt"].files == ("a.jsonl", "b.jsonl")
    assert columns["task"].files == ("a.jsonl",)


def test_a_column_with_a_value_of_its_own_in_every_row_is_no_tag(write):
    rows = [{"source": f"https://example.org/{n}", "type": "math", "prompt": "x"} for n in range(300)]
    roles = {column.name: column.role for column in raw_columns(DataSpec(path=write("a.jsonl", rows)))}
    assert roles == {"source": None, "type": "task", "prompt": "prompt"}


@pytest.mark.parametrize(
    ("task", "prompt", "answer"),
    [
        ("Kategorie", "Frage", "Antwort"),
        ("Task type", "User prompt", "Correct-Answer"),
        ("task", "Aufgabe ", "final_answer"),
        ("类别", "问题", "答案"),
    ],
)
def test_columns_are_known_by_names_in_other_words(write, task, prompt, answer):
    rows = [{"answer_type": "number", task: "m", prompt: f"{n}?", answer: str(n)} for n in range(20)]
    roles = {column.role: column.name for column in raw_columns(DataSpec(path=write("a.jsonl", rows)))}
    assert roles == {None: "answer_type", "task": task, "prompt": prompt, "answer": answer}


def test_a_column_of_lists_is_no_tag(write):
    rows = [{"tag": ["a", "b"], "prompt": "x"}]
    assert raw_columns(DataSpec(path=write("a.jsonl", rows)))[0].role is None


def test_the_first_rows_of_every_file_are_shown(write):
    paths = (write("a.jsonl", ROWS), write("b.csv", "q,w\n1,\n2,x\n"))
    rows = raw_rows(DataSpec(path=paths), n=4)
    assert [row.place for row in rows] == ["a.jsonl line 1", "a.jsonl line 2", "b.csv line 2", "b.csv line 3"]
    assert rows[2].fields == {"q": "1", "w": None}


def test_rows_of_parquet_are_shown(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"q": ["a", "b", "c"]}), tmp_path / "a.parquet")
    assert [row.fields for row in raw_rows(DataSpec(path=str(tmp_path / "a.parquet")), n=2)] == [{"q": "a"}, {"q": "b"}]


def test_generated_rows_are_shown():
    gym = {"tasks": [{"name": "chain_sum", "size": 3}]}
    columns = raw_columns(DataSpec.model_validate({"reasoning_gym": gym}))
    assert {column.name: column.role for column in columns} == {
        "task": "task",
        "prompt": "prompt",
        "answer": "answer",
        "entry": None,
    }


def test_broken_lines_are_passed_over_unless_there_are_no_others(write):
    assert len(raw_rows(DataSpec(path=write("a.jsonl", "{\n" * 50 + '{"a": 1}')))) == 1
    with pytest.raises(UserError, match="broken JSON"):
        raw_rows(DataSpec(path=write("b.jsonl", "{\n")))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        raw_columns(DataSpec(path=str(tmp_path / "a.jsonl")))
