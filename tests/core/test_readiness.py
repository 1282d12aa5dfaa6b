"""How far a project is: each problem on the page where it is mended, whatever files and tasks are called."""

import pytest
from toys import write_rows

from core.errors import Problem, UserError
from core.projects import create_project
from core.readiness import page_states, report
from core.spec import DataSpec, Draft, Route

ROWS = [{"task": "math", "prompt": f"{n} + 1?", "answer": str(n + 1)} for n in range(20)]
REWARDS = {"math": (Route(name="math_answer"),)}


def states(draft):
    return page_states(create_project("p", draft))


def draft(path, **fields):
    return Draft(name="p", data=DataSpec(path=str(path)), **{"rewards": REWARDS, **fields})


def test_nothing_is_done_yet():
    found = states(Draft(name="p"))
    assert [page for page, state in found.items() if state.todo] == ["data", "rewards", "preview", "train"]


def test_all_is_well(tmp_path):
    found = states(draft(write_rows(tmp_path / "rows.jsonl", ROWS)))
    assert [state.errors for state in found.values()] == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("fields", "page"),
    [
        ({"rewards": {"other": (Route(name="length"),)}}, "rewards"),
        ({"rewards": {"math": (Route(name="lenght"),)}}, "rewards"),
        ({"rewards": {"math": (Route(name="python_tests"),)}}, "rewards"),
        ({"grpo": {"num_generations": 1}}, "train"),
        ({"model": "./nowhere"}, "train"),
        ({"lora": {"rank": 3}}, "train"),
        ({"tasks": {"math": {"share": 0.7}, "more": {"share": 0.7}}}, "data"),
    ],
)
def test_an_error_is_on_the_page_where_it_is_mended(tmp_path, fields, page):
    more = [{**row, "task": "more"} for row in ROWS] if "tasks" in fields else []
    rewards = {"rewards": {**REWARDS, "more": REWARDS["math"]}} if more else {}
    found = states(draft(write_rows(tmp_path / "rows.jsonl", [*ROWS, *more]), **rewards, **fields))
    assert {name for name, state in found.items() if state.errors} == {page}


@pytest.mark.parametrize("name", ["tasks.jsonl", "model.jsonl", "rewards.jsonl", "grpo.csv"])
def test_a_broken_row_is_the_datas_whatever_its_file_is_called(tmp_path, name):
    path = write_rows(tmp_path / name, [*ROWS, {"task": "math"}]) if name.endswith("l") else tmp_path / name
    if name.endswith("csv"):
        path.write_text("task,prompt\nmath,\n")
    found = states(draft(path))
    assert {page for page, state in found.items() if state.errors} == {"data"}


def test_a_file_that_is_mended_is_read_again(tmp_path):
    path = write_rows(tmp_path / "rows.jsonl", [{"task": "math"}])
    assert report(draft(path)).errors
    write_rows(path, ROWS)
    assert not report(draft(path)).errors


def test_what_the_hub_refused_is_asked_for_again_after_a_while(monkeypatch):
    asked, now = [], [0.0]

    def refuse(spec):
        asked.append(spec)
        raise UserError("no answer")

    monkeypatch.setattr("core.readiness.load_data", refuse)
    monkeypatch.setattr("core.readiness.time.monotonic", lambda: now[0])
    hub = Draft(name="p", data=DataSpec(hub="a/b"))
    for now[0] in (1.0, 2.0, 100.0):
        assert report(hub).data is None
    assert len(asked) == 2


def test_what_is_known_beside_the_check_marks_its_page_once(tmp_path):
    project = create_project("p", draft(write_rows(tmp_path / "rows.jsonl", ROWS), grpo={"num_generations": 1}))
    (known,) = page_states(project)["train"].problems
    memory = Problem("engine.memory_gb", "too much.")
    found = page_states(project, [("train", memory), ("train", known)])
    assert found["train"].problems == (known, memory)
