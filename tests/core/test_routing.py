import pytest

from core.routing import RoutingTable, TaskColumns, check_coverage, check_routes
from core.spec import Route


def routes(**tables):
    return {task: tuple(Route(**line) for line in lines) for task, lines in tables.items()}


MATH = {"name": "math_answer"}
LENGTH = {"name": "length"}


def test_a_task_has_its_own_routes_and_another_the_default_ones():
    table = RoutingTable(routes(math=[MATH], default=[LENGTH]))
    assert [route.name for route in table.of("math")] == ["math_answer"]
    assert [route.name for route in table.of("poetry")] == ["length"]


def test_without_a_default_route_nothing_scores_an_unnamed_task():
    assert RoutingTable(routes(math=[MATH])).of("poetry") == ()


def test_score_columns_come_once_each_in_the_tables_order():
    short = {**LENGTH, "label": "short"}
    table = RoutingTable(routes(math=[MATH, short], code=[LENGTH, MATH]))
    assert table.keys == ("math_answer", "short", "length")


@pytest.mark.parametrize(
    ("lines", "where", "says"),
    [
        pytest.param([{"name": "math_anser"}], "rewards.t[0].name", "Did you mean 'math_answer'?", id="a slip"),
        pytest.param([LENGTH, {"name": "qqqqq"}], "rewards.t[1].name", "Known: ", id="nothing like it"),
        pytest.param([], "rewards.t", "empty", id="no rewards"),
        pytest.param([{**LENGTH, "params": {"maximum": 0}}], "rewards.t[0].params.maximum", "found 0", id="range"),
        pytest.param([{**LENGTH, "params": {"margin": "wide"}}], "rewards.t[0].params.margin", "'wide'", id="type"),
        pytest.param([{**LENGTH, "params": {"unit": "miles"}}], "rewards.t[0].params.unit", "'miles'", id="choice"),
        pytest.param(
            [{**LENGTH, "params": {"max": 3}}], "rewards.t[0].params.max", "'maximum'", id="unknown parameter"
        ),
        pytest.param(
            [{"name": "get_cosine_scaled_reward"}], "rewards.t[0].params.max_len", "needs this", id="missing parameter"
        ),
        pytest.param([LENGTH, LENGTH], "rewards.t[1]", "twice under one name", id="one reward twice"),
        pytest.param(
            [MATH, {**LENGTH, "label": "math_answer"}],
            "rewards.t[1]",
            "twice under one name",
            id="a label that is taken",
        ),
    ],
)
def test_a_wrong_route_is_named_by_its_place(lines, where, says):
    problems = check_routes(routes(t=lines))
    assert [(problem.where, problem.severity) for problem in problems] == [(where, "error")]
    assert says in str(problems[0])


def test_a_reward_twice_with_a_label_is_fine():
    assert check_routes(routes(t=[LENGTH, {**LENGTH, "label": "short", "params": {"maximum": 5}}])) == []


def test_two_tasks_may_share_a_reward():
    assert check_routes(routes(a=[LENGTH], b=[LENGTH])) == []


def test_every_wrong_parameter_is_named():
    wrong = {"maximum": 0, "unit": "miles", "max": 3}
    assert len(check_routes(routes(t=[{**LENGTH, "params": wrong}]))) == 3


def test_a_task_that_is_only_watched_learns_nothing_which_is_a_warning():
    (problem,) = check_routes(routes(t=[{**LENGTH, "weight": 0}]))
    assert (problem.severity, problem.where) == ("warning", "rewards.t")


def columns(rows=10, **empty):
    return TaskColumns(rows, {"prompt": 0, **empty})


def test_a_table_that_covers_the_data_has_no_problems():
    assert check_coverage(routes(math=[MATH]), {"math": columns(answer=0)}) == []


def test_a_task_without_a_route_is_an_error_that_names_its_rows():
    (problem,) = check_coverage(routes(math=[MATH]), {"math": columns(answer=0), "poetry": columns(rows=7)})
    assert str(problem).startswith("task 'poetry': no reward scores its 7 rows. Add rewards.poetry")


def test_a_default_route_covers_what_has_no_route():
    assert check_coverage(routes(default=[LENGTH]), {"poetry": columns()}) == []


@pytest.mark.parametrize("part", ["rewards", "tasks"])
def test_a_mistyped_task_gets_the_nearest_of_the_data(part):
    named = {"maths": [LENGTH]} if part == "rewards" else {}
    found = check_coverage(routes(math=[LENGTH], **named), {"math": columns()}, named=["maths"] * (part == "tasks"))
    assert [str(problem) for problem in found] == [
        f"{part}.maths: the data has no task 'maths'. Did you mean 'math'?",
    ]


def test_a_column_that_the_data_lacks_is_an_error_with_the_nearest_column():
    (problem,) = check_coverage(routes(math=[MATH]), {"math": columns(answers=0)})
    assert (problem.where, problem.severity) == ("rewards.math[0]", "error")
    assert "Did you mean 'answers'?" in problem.mend
    assert "data.columns: {answer: <column>}" in problem.mend


def test_a_column_that_some_rows_lack_is_a_warning_that_counts_them():
    (problem,) = check_coverage(routes(math=[MATH]), {"math": columns(answer=3)})
    assert (problem.severity, "3 of 10 rows" in problem.what) == ("warning", True)


def test_a_column_that_every_row_of_the_task_lacks_is_an_error():
    (problem,) = check_coverage(routes(default=[MATH]), {"math": columns(answer=10)})
    assert (problem.where, problem.severity) == ("rewards.default[0]", "error")


def test_token_ids_come_with_the_completion_and_not_from_the_data():
    assert check_coverage(routes(t=[{"name": "get_repetition_penalty_reward"}]), {"t": columns()}) == []
