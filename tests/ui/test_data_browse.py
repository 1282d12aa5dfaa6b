"""Which rows are looked for: what the filters say, as far as there are such tasks and so many pages."""

import pytest
from toys import write_rows

from core.check import Report
from core.data import load_data, task_counts
from core.projects import Project
from core.spec import DataSpec, Draft
from ui.data_browse import EVERY, Query, draw, fitted
from ui.data_reading import Look, Raw


@pytest.mark.parametrize(
    ("query", "total", "shown"),
    [
        pytest.param(Query(task="a", offset=20), 60, Query(task="a", offset=20), id="as it is"),
        pytest.param(Query(task="a", offset=90), 40, Query(task="a", offset=30), id="the last page"),
        pytest.param(Query(task="a", offset=90), 0, Query(task="a"), id="no rows"),
        pytest.param(Query(task="a", offset=90), None, Query(task="a", offset=90), id="not counted yet"),
        pytest.param(Query(task="gone", text="t", offset=20), 60, Query(text="t"), id="a task that is no more"),
    ],
)
def test_a_query_fits_the_rows(query, total, shown):
    assert fitted(query, ["a", "b"], total) == shown


@pytest.fixture
def found(tmp_path):
    path = write_rows(tmp_path / "rows.jsonl", [{"task": "ab"[n % 2], "prompt": f"{n}?"} for n in range(80)])
    draft = Draft(data=DataSpec(path=str(path)))
    return Look(Project(tmp_path), draft, Report((), load_data(draft.data)), None, (), (), Raw())


def settings(updates):
    """What the filters are set to: task, text, split; and the query."""
    _, html, query, task, text, split = updates
    return html, query, task._constructor_args[0], text, split


def test_the_filter_of_a_task_that_is_renamed_is_set_back_with_its_query(found):
    asked = Query(task="gone", split="train")
    updates, query = draw(found, asked, asked)
    html, stored, task, text, split = settings(updates)
    assert (query, stored, task["value"], text, split) == (Query(), Query(), EVERY, "", "train")
    assert html.count("<tr>") == 1 + 10


def test_filters_that_hold_are_left_alone_so_that_who_types_goes_on(found):
    asked = Query(task="a", text="1")
    updates, query = draw(found, asked, asked)
    _, stored, task, text, split = settings(updates)
    assert query == asked
    assert "value" not in task
    assert [part["__type__"] for part in (stored, text, split)] == ["update"] * 3


def test_past_the_end_is_the_last_page(found):
    asked, total = Query(task="a", offset=500), task_counts(found.found.data.train)["a"]
    (_, html, *_), query = draw(found, asked, asked)
    assert query.offset == (total - 1) // 10 * 10
    assert f"{query.offset + 1} to {total} of {total}" in html


def test_the_filters_of_another_project_are_set(found):
    updates, query = draw(found, Query(), None)
    assert (updates[2], updates[4], updates[5], query) == (Query(), "", "train", Query())
