import io
import json

import pytest

from core.errors import UserError
from core.scored_file import Tally, needs_tokens, score_file
from core.spec import Normalisation, Plan, Route

PLAN = Plan.model_validate(
    {
        "rewards": {
            "math": [{"name": "math_answer"}],
            "city": [{"name": "exact_match"}, {"name": "length", "label": "short", "weight": 0.5}],
            "tokens": [{"name": "length", "label": "tokens", "params": {"unit": "tokens", "maximum": 3, "margin": 0}}],
            "repeats": [{"name": "get_repetition_penalty_reward", "params": {"ngram_size": 2}}],
        }
    }
)
HUGE = "word " * 1_000_000  # 5 MB
DEEP = b"[" * 100_000 + b"]" * 100_000


def line(task="city", **fields):
    return json.dumps({"task": task, **fields}).encode()


# name -> (line of the file, what its `rewards`, `errors` and `total` must be)
CASES = {
    "right": (line(completion="Paris", answer="Paris"), {"exact_match": 1.0, "short": 1.0}, {}, 1.5),
    "wrong": (line(completion="Lyon", answer="Paris"), {"exact_match": 0.0, "short": 1.0}, {}, 0.5),
    "empty": (line(completion="", answer="Paris"), {"exact_match": 0.0, "short": 0.0}, {}, 0.0),
    "huge": (line(completion=HUGE, answer="Paris"), {"exact_match": 0.0, "short": 0.0}, {}, 0.0),
    "huge math": (line("math", completion=f"{HUGE} 42", answer="42"), {"math_answer": 1.0}, {}, 1.0),
    "no answer": (line(completion="Paris"), {"exact_match": None, "short": 1.0}, {"exact_match": "no 'answer'"}, None),
    "number": (line("math", completion=5, answer="5"), {"math_answer": None}, {"math_answer": "int, not text"}, None),
    "null": (line("math", completion=None), {"math_answer": None}, {"math_answer": "NoneType, not text"}, None),
    "object": (line("math", completion={"a": 1}), {"math_answer": None}, {"math_answer": "dict, not text"}, None),
    "NUL": (line(completion="Par\0is", answer="Par\0is"), {"exact_match": 1.0, "short": 1.0}, {}, 1.5),
    "half a pair": (line(completion="\ud800", answer="\ud800"), {"exact_match": 1.0, "short": 1.0}, {}, 1.5),
    "the text NaN": (line(completion="NaN", answer="NaN"), {"exact_match": 1.0, "short": 1.0}, {}, 1.5),
    "markup": (line(completion="<|im_end|>\u2028{}", answer="x"), {"exact_match": 0.0, "short": 1.0}, {}, 0.5),
    "chat prompt": (
        line(completion="Paris", answer="Paris", prompt=[{"role": "user", "content": "?"}]),
        {"exact_match": 1.0, "short": 1.0}, {}, 1.5,
    ),
    "odd prompt": (line(completion="P", answer="P", prompt=[1, {}]), {"exact_match": 1.0, "short": 1.0}, {}, 1.5),
    "given tokens": (line("tokens", completion="a b", completion_ids=[1, 2, 3, 4]), {"tokens": 0.0}, {}, 0.0),
    "counted tokens": (line("tokens", completion="ab\ud800"), {"tokens": 1.0}, {}, 1.0),
    "taken name": (
        line("repeats", completion="x", completion_ids=[5, 5, 5], prompts="mine", completions=[]),
        {"get_repetition_penalty_reward": -0.5}, {}, -0.5,
    ),
    "a message": (line(completion=[{"role": "assistant", "content": "Paris"}], answer="Paris"),
        {"exact_match": 1.0, "short": 1.0}, {}, 1.5,
    ),
    "a message of parts": (
        line(completion={"role": "assistant", "content": [{"type": "text", "text": "Paris"}]}, answer="Paris"),
        {"exact_match": 1.0, "short": 1.0}, {}, 1.5,
    ),
    "a conversation": (
        line("math", completion=[{"role": "user", "content": "?"}, {"role": "assistant", "content": "4"}], answer="4"),
        {"math_answer": None}, {"math_answer": "a list of 2 messages; give its text, or one message"}, None,
    ),
    "no completion": (line(answer="Paris"), {}, {"row": "no 'completion'"}, None),
    "empty group": (line(completion=[], answer="Paris"), {}, {"row": "group under 'completion' is empty"}, None),
    "unknown task": (line("poetry", completion="x"), {}, {"row": "no reward scores task 'poetry'"}, None),
    "no task": (b'{"completion": "x"}', {}, {"row": "no reward scores task None"}, None),
    "a number as task": (b'{"task": 3, "completion": "x"}', {}, {"row": "3, not text"}, None),
    "a list as task": (b'{"task": ["city"], "completion": "x"}', {}, {"row": "['city'], not text"}, None),
    "NaN": (b'{"task": "city", "completion": "x", "answer": NaN}', {}, {"row": "NaN is no JSON value"}, None),
    "infinite": (b'{"task": "city", "completion": "x", "answer": 1e999}', {}, {"row": "1e999 is too large"}, None),
    "many digits": (b'{"task": "city", "n": ' + b"9" * 5000 + b"}", {}, {"row": "not valid JSON"}, None),
    "deep": (b'{"task": "city", "completion": ' + DEEP + b"}", {}, {"row": "not valid JSON"}, None),
    "deep, yet JSON": (
        line(completion="Paris", answer=json.loads("[" * 600 + "]" * 600)),
        {"exact_match": None, "short": 1.0}, {"exact_match": "handed to a reward"}, None,
    ),
    "not UTF-8": (b'{"task": "city", "completion": "\xff"}', {}, {"row": "not valid JSON"}, None),
    "torn": (b'{"task": "city", "comple', {}, {"row": "not valid JSON"}, None),
    "a list": (b"[1, 2]", {}, {"row": "no JSON object"}, None),
    "last": (line(completion="Paris", answer="Paris"), {"exact_match": 1.0, "short": 1.0}, {}, 1.5),
}  # fmt: skip

GROUPS = {
    "spread": line(completion=["Paris", "Lyon", "Paris is"], answer="Paris", prompt="?"),
    "one not text": line(completion=["Paris", 7, "Lyon"], answer="Paris"),
    "all the same": line(completion=["Paris", "Paris"], answer="Paris"),
    "one": line(completion=["Paris"], answer="Paris"),
    "all failed": line(completion=["Paris", "Lyon"]),
    "messages": line(completion=[[{"role": "assistant", "content": c}] for c in ("Paris", "Lyon")], answer="Paris"),
    "tokens": line("tokens", completion=["a", "b"], completion_ids=[[1], [1, 2, 3, 4]]),
    "tokens cut short": line("repeats", completion=["a", "b"], completion_ids=[[1]]),
}


def tokenize(texts):
    """Token ids as a strict tokenizer gives them: it refuses half a surrogate pair."""
    return [list(text.encode()) for text in texts]


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """All cases in one file, scored once: the text that was written, the tally, and rows by case."""
    source = tmp_path_factory.mktemp("scored") / "rows.jsonl"
    lines = [line for line, *_ in CASES.values()] + list(GROUPS.values())
    source.write_bytes(b"\n\n".join(lines) + b"\n")
    out = io.StringIO()
    tally = score_file(source, PLAN, out, tokenize)
    rows = [json.loads(text) for text in out.getvalue().split("\n") if text]
    return out.getvalue(), tally, dict(zip([*CASES, *GROUPS], rows, strict=True))


def test_every_line_comes_back_as_one_line_of_strict_json_in_utf8(scored):
    text, _, rows = scored

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    lines = text.encode("utf-8").split(b"\n")
    assert lines.pop() == b""
    assert [json.loads(line, parse_constant=refuse) for line in lines] == list(rows.values())
    assert len(lines) == len(CASES) + len(GROUPS)


@pytest.mark.parametrize("case", CASES)
def test_a_row_comes_back_in_its_place_with_its_scores(scored, case):
    _, rewards, errors, total = CASES[case]
    row = scored[2][case]
    assert (row["rewards"], row["total"]) == (rewards, total)
    assert row["errors"].keys() >= errors.keys()
    assert all(part in row["errors"][name] for name, part in errors.items())
    assert bool(row["errors"]) == bool(errors)
    assert "advantages" not in row


@pytest.mark.parametrize("case", [*CASES, *GROUPS])
def test_a_row_keeps_its_own_fields_and_a_line_that_is_no_row_its_text(scored, case):
    given = CASES[case][0] if case in CASES else GROUPS[case]
    row = scored[2][case]
    added = {"rewards", "errors", "total", "advantages"}
    kept = {name: value for name, value in row.items() if name not in added}
    if "line" in kept:
        text = kept.pop("line")
        assert kept == {}
        assert text == (json.loads(given) if case == "a list" else given.decode("utf-8", "replace"))
    else:
        assert kept == json.loads(given)


def test_a_group_gets_lists_and_advantages(scored):
    row = scored[2]["spread"]
    assert row["rewards"] == {"exact_match": [1.0, 0.0, 0.0], "short": [1.0, 1.0, 1.0]}
    assert (row["total"], row["errors"]) == ([1.5, 0.5, 0.5], {})
    spread = (1 / 3) ** 0.5 + 1e-4  # of 1.5, 0.5, 0.5 around 5/6
    assert row["advantages"] == pytest.approx([2 / 3 / spread, -1 / 3 / spread, -1 / 3 / spread])


def test_a_completion_that_is_no_text_leaves_its_group(scored):
    row = scored[2]["one not text"]
    assert row["rewards"]["exact_match"] == [1.0, None, 0.0]
    assert row["errors"] == {key: [None, "the completion is int, not text", None] for key in ("exact_match", "short")}
    assert (row["total"][1], row["advantages"][1]) == (None, None)
    assert row["advantages"][0] == -row["advantages"][2] > 0.7


@pytest.mark.parametrize(
    ("case", "advantages"), [("all the same", [0.0, 0.0]), ("one", [0.0]), ("all failed", [None, None])]
)
def test_a_group_without_spread_has_no_signal_and_one_without_totals_no_advantage(scored, case, advantages):
    assert scored[2][case]["advantages"] == advantages


def test_the_token_ids_of_a_group_are_a_list_for_each_completion(scored):
    assert scored[2]["tokens"]["total"] == [1.0, 0.0]
    assert scored[2]["tokens cut short"]["total"] == [0.0, None]


def test_the_tally_counts_rows_completions_and_what_was_refused(scored):
    _, tally, rows = scored
    whole = sum(len(row["total"]) if isinstance(row["total"], list) else 1 for row in rows.values())
    refused = [case for case in CASES if "row" in CASES[case][2]]
    assert tally.rows == len(rows)
    assert tally.completions == whole - len(refused)
    assert tally.refused == len(refused) + 5, "four single completions and one in a group are no text"


def test_the_tally_sums_up_each_task_and_reward(scored):
    records = {(task, record["reward"]): record for task, record in scored[1].table()}
    assert list(records) == [
        ("city", "exact_match"),
        ("city", "short"),
        ("math", "math_answer"),
        ("tokens", "tokens"),
        ("repeats", "get_repetition_penalty_reward"),
    ]
    assert records["math", "math_answer"]["mean"] == 1.0
    assert records["city", "exact_match"]["reasons"]["the row has no 'answer'"] == 3


def test_the_tally_says_what_the_groups_would_teach_and_leaves_single_completions_out(scored):
    signals = {task.task: task for task in scored[1].signals(Normalisation())}
    groups = [row for row in scored[2].values() if isinstance(row["total"], list) and row["task"] == "city"]
    assert signals["city"].groups == sum(
        len([text for text in row["completion"] if isinstance(text, str | list)]) > 1 for row in groups
    )
    assert sum(task.share or 0 for task in signals.values()) == pytest.approx(1)


def test_a_file_of_single_completions_would_teach_nothing():
    assert Tally(groups=[]).signals(Normalisation()) == []
    assert Tally(groups=[0, 1, 2]).signals(Normalisation()) == []


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.mkdir(), "a folder"),
        (lambda path: path.touch(), "no rows"),
        (lambda path: path.write_text("\n \n"), "no rows"),
    ],
    ids=["missing", "folder", "empty", "blank"],
)
def test_a_file_without_rows_is_an_error(tmp_path, make, says):
    make(tmp_path / "rows.jsonl")
    with pytest.raises(UserError, match=says):
        score_file(tmp_path / "rows.jsonl", PLAN, io.StringIO())


def test_a_plan_that_cannot_score_is_an_error_before_anything_is_read(tmp_path):
    plan = Plan.model_validate({"rewards": {"math": [{"name": "math_anser"}]}})
    with pytest.raises(UserError, match="Did you mean 'math_answer'"):
        score_file(tmp_path / "missing.jsonl", plan, io.StringIO())


def test_a_default_route_takes_rows_without_a_task_and_more_rows_than_a_batch(tmp_path):
    plan = Plan.model_validate({"rewards": {"default": [{"name": "exact_match"}]}})
    source = tmp_path / "rows.jsonl"
    source.write_text("".join(json.dumps({"completion": str(n), "answer": str(n % 300)}) + "\n" for n in range(600)))
    out = io.StringIO()
    score_file(source, plan, out)
    totals = [json.loads(line)["total"] for line in out.getvalue().splitlines()]
    assert totals == [1.0] * 300 + [0.0] * 300


@pytest.mark.parametrize(
    ("route", "needed"),
    [
        ({"name": "get_repetition_penalty_reward"}, True),
        ({"name": "length", "params": {"unit": "tokens"}}, True),
        ({"name": "length"}, False),
        (
            {
                "name": "formula",
                "params": {"expression": "a", "parts": {"a": {"reward": "length", "params": {"unit": "tokens"}}}},
            },
            True,
        ),
        ({"name": "exact_match"}, False),
    ],
)
def test_token_ids_are_needed_only_where_a_reward_counts_them(route, needed):
    assert needs_tokens(Plan.model_validate({"rewards": {"t": [route]}})) is needed


def test_progress_is_told_by_rows(tmp_path):
    source = tmp_path / "rows.jsonl"
    row = {"task": "a", "prompt": "?", "answer": "x", "completion": "x"}
    source.write_text("".join(json.dumps(row) + "\n" for _ in range(600)), encoding="utf-8")
    told = []
    score_file(source, Plan(rewards={"a": (Route(name="exact_match"),)}), io.StringIO(), progress=told.append)
    assert told == [256, 512, 600]


def test_a_group_of_messages_is_read_as_a_group_of_texts(scored):
    assert scored[2]["messages"]["rewards"]["exact_match"] == [1.0, 0.0]


def test_the_tally_says_why_rows_were_not_scored(scored):
    reasons = scored[1].reasons
    assert reasons["the row has no 'completion'"] == 1
    assert reasons["the completion is int, not text"] == 2
    assert sum(reasons.values()) == scored[1].refused
