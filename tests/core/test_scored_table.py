"""A preview taken away as a table: what is in it, and that it comes back."""

import io
import json

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from core.errors import UserError
from core.preview import Group, preview, read_groups, write_groups
from core.routing import RoutingTable
from core.scored_file import score_file
from core.scored_table import table, write_table
from core.scoring import Scorer
from core.spec import Normalisation, Plan

PLAN = Plan.model_validate(
    {
        "rewards": {
            "city": [{"name": "exact_match"}],
            "sums": [{"name": "math_answer"}, {"name": "length", "label": "short", "weight": 0.5}],
        }
    }
)
GROUPS = (
    Group({"task": "city", "prompt": 'Where,\n"now"?', "answer": "Paris"}, ("Paris", '=HYPERLINK("x")', "-Lyon")),
    Group({"task": "poetry", "prompt": "Write."}, ("Roses",)),
    Group({"task": "sums", "prompt": [{"role": "user", "content": "1 + 1?"}], "answer": "2"}, ("2", "\ud8003\r\n4")),
    Group({"task": "city", "prompt": "Where?"}, ("Rome",)),
)
NORMALISATION = Normalisation()


@pytest.fixture(scope="module")
def found():
    with Scorer(RoutingTable({})) as scorer:
        yield preview(GROUPS, PLAN, scorer)


@pytest.fixture
def rows(found):
    return table(found, NORMALISATION).to_pylist()


def test_there_is_one_row_a_completion_that_could_be_scored_with_its_group(rows):
    assert [(row["group"], row["task"], row["completion"]) for row in rows] == [
        (0, "city", "Paris"),
        (0, "city", '=HYPERLINK("x")'),
        (0, "city", "-Lyon"),
        (2, "sums", "2"),
        (2, "sums", "?3\r\n4"),
        (3, "city", "Rome"),
    ]
    assert rows[3]["prompt"] == '[{"role": "user", "content": "1 + 1?"}]'


def test_scores_errors_and_what_does_not_apply_stay_apart(rows):
    assert (rows[1]["reward/exact_match"], rows[1]["error/exact_match"]) == (0.0, None)
    assert (rows[5]["reward/exact_match"], rows[5]["error/exact_match"]) == (None, "the row has no 'answer'")
    assert (rows[0]["reward/short"], rows[0]["error/short"], rows[0]["seconds/short"]) == (None, None, None)
    assert (rows[5]["total"], rows[5]["advantage"]) == (None, None)
    assert rows[3]["total"] == 1.5


def test_advantages_are_those_of_the_preview(found, rows):
    strength = [row["advantage"] for row in rows[:5]]
    assert strength == found.advantages(NORMALISATION)[:5].tolist()
    assert strength[0] > 0 > strength[1]


def test_parquet_comes_back_as_it_was(found, tmp_path):
    write_table(tmp_path / "preview.parquet", found, NORMALISATION)
    assert pq.read_table(tmp_path / "preview.parquet").equals(table(found, NORMALISATION))


def test_csv_comes_back_but_for_a_quote_before_what_a_spreadsheet_would_run(found, tmp_path, rows):
    write_table(tmp_path / "preview.csv", found, NORMALISATION)
    schema = table(found, NORMALISATION).schema
    options = pa.csv.ConvertOptions(column_types=schema, strings_can_be_null=True, quoted_strings_can_be_null=False)
    back = pa.csv.read_csv(
        tmp_path / "preview.csv", convert_options=options, parse_options=pa.csv.ParseOptions(newlines_in_values=True)
    ).to_pylist()
    texts = {1: '\'=HYPERLINK("x")', 2: "'-Lyon"}
    assert back == [{**row, "completion": texts.get(n, row["completion"])} for n, row in enumerate(rows)]


@pytest.mark.parametrize("start", ["=1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1"])
def test_no_text_of_a_csv_starts_as_a_formula_does(tmp_path, start):
    with Scorer(RoutingTable({})) as scorer:
        group = Group({"task": "city", "prompt": start, "answer": start}, (start, "fine = 1"))
        write_table(tmp_path / "preview.csv", preview([group], PLAN, scorer), NORMALISATION)
    text = (tmp_path / "preview.csv").read_bytes().decode()
    assert text.count(f'"\'{start}"') == 3, "prompt of both rows, completion of one"
    assert '"fine = 1"' in text


def test_json_lines_are_what_the_command_score_writes(found, tmp_path):
    write_groups(tmp_path / "groups.jsonl", GROUPS)
    out = io.StringIO()
    score_file(tmp_path / "groups.jsonl", PLAN, out)
    write_table(tmp_path / "preview.jsonl", found, NORMALISATION)
    assert (tmp_path / "preview.jsonl").read_text() == out.getvalue()
    assert "no reward scores" in json.loads(out.getvalue().splitlines()[1])["errors"]["row"]


def test_groups_come_back_from_json_lines(found, tmp_path):
    write_table(tmp_path / "preview.jsonl", found, NORMALISATION)
    back = read_groups(tmp_path / "preview.jsonl")
    assert [group.completions for group in back] == [group.completions for group in GROUPS]


def test_another_ending_is_an_error(found, tmp_path):
    with pytest.raises(UserError, match=r"'\.xlsx'"):
        write_table(tmp_path / "preview.xlsx", found, NORMALISATION)
