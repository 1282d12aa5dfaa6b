import pytest
from toys import write_rows

from core.check import check, task_columns
from core.data import load_data
from core.spec import DataSpec, parse_spec

ROWS = [
    row
    for n in range(20)
    for row in (
        {"task": "math", "prompt": f"{n}+1?", "answer": str(n + 1)},
        {"task": "poetry", "prompt": f"Sing of {n}.", "mood": "glad" if n % 2 else None},
    )
]
ROUTES = {"math": [{"name": "math_answer"}], "poetry": [{"name": "length"}]}


@pytest.fixture
def report(tmp_path):
    """Checks a run over rows of two tasks, both covered, with the given parts changed."""

    def _report(rows=ROWS, rewards=None, data=None, **parts):
        path = write_rows(tmp_path / "rows.jsonl", rows)
        source = {"path": str(path), "held_out": {"rows_per_task": 2}, **(data or {})}
        return check(parse_spec({"data": source, "rewards": rewards or ROUTES, **parts}, "run.yaml"))

    return _report


def told(report):
    return [f"{problem.severity}: {problem}" for problem in report.problems]


def test_a_run_that_fits_has_no_problems_and_its_data(report):
    found = report()
    assert told(found) == []
    assert (len(found.data.train), len(found.data.held_out)) == (36, 4)


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        # routing
        ({"rewards": {**ROUTES, "math": [{"name": "math_anser"}]}}, "error: rewards.math[0].name: there is no reward"),
        ({"rewards": {**ROUTES, "math": [{"name": "length", "params": {"max": 1}}]}}, "error: rewards.math[0].params."),
        ({"rewards": {"math": ROUTES["math"]}}, "error: task 'poetry': no reward scores its 18 rows."),
        ({"rewards": {**ROUTES, "maths": ROUTES["math"]}}, "error: rewards.maths: the data has no task 'maths'. Did y"),
        ({"rewards": {**ROUTES, "math": [{"name": "python_tests"}]}}, "error: rewards.math[0]: python_tests needs a c"),
        ({"rewards": {"default": [{"name": "exact_match"}]}}, "error: rewards.default[0]: exact_match needs 'answer'"),
        ({"rewards": {**ROUTES, "math": [{"name": "length", "weight": 0}]}}, "warning: rewards.math: every weight is "),
        # options
        ({"grpo": {"learnin_rate": 1}}, "error: grpo.learnin_rate: there is no such field. Did you mean 'learning_rat"),
        ({"lora": {"r": "big"}}, "error: lora.r: found 'big'; the type is int."),
        # batches
        ({"grpo": {"num_generations": 1}}, "error: grpo.num_generations: a group of 1 has no spread."),
        ({"grpo": {"num_generations": None}}, "error: grpo.num_generations: a group of None has no spread."),
        ({"grpo": {"num_generations": 5}}, "error: grpo.num_generations: a generation batch of 32 completions is not"),
        ({"grpo": {"per_device_train_batch_size": 0}}, "error: grpo.per_device_train_batch_size: found 0; it must be "),
        ({"grpo": {"num_generations": "eight"}}, "error: grpo.num_generations: found 'eight'; the type is int | None."),
        ({"grpo": {"learning_rate": -1}}, "error: grpo.learning_rate: found -1; it must be at least 0."),
        ({"grpo": {"generation_batch_size": 12}}, "error: grpo.num_generations: a generation batch of 12 completions"),
        (
            {"grpo": {"num_generations_eval": 3}},
            "error: grpo.per_device_eval_batch_size: 32 completions are not made of whole groups of 3.",
        ),
        (
            {"grpo": {"per_device_train_batch_size": 8}},
            "warning: grpo.per_device_train_batch_size: 1 prompts at once for 2 tasks: each step ",
        ),
        # models
        ({"model": "embeded"}, "error: model: there is no model 'embeded'. Did you mean 'embedded'?"),
        ({"model": "./nowhere"}, "error: model: ./nowhere: there is no such folder."),
        # steps
        ({"grpo": {"max_steps": 0}}, "error: grpo.max_steps: 0 steps are none."),
        ({"grpo": {"save_total_limit": 1}}, "error: grpo.save_total_limit: only one checkpoint would be kept."),
        ({"grpo": {"eval_steps": 0}}, "error: grpo.eval_steps: found 0."),
        ({"grpo": {"disable_tqdm": True}}, "error: grpo.disable_tqdm: Signalbox sets this itself."),
        # shares
        ({"tasks": {"math": {"share": 0.7}, "poetry": {"share": 0.7}}}, "error: tasks: the shares add up to 140 %"),
        ({"tasks": {"math": {"share": 1}}}, "error: tasks: the shares leave nothing for poetry."),
        ({"tasks": {"math": {"share": 0.2}, "poetry": {"share": 0.2}}}, "warning: tasks: the shares add up to 40 %"),
        ({"tasks": {"maths": {"share": 0.2}}}, "error: tasks.maths: the data has no task 'maths'. Did you mean 'math'"),
        # templates
        ({"tasks": {"math": {"prompt_template": "Think."}}}, "error: tasks.math.prompt_template: it uses no column"),
        ({"tasks": {"math": {"prompt_template": "{promt}"}}}, "error: tasks.math.prompt_template: it uses no column"),
        ({"tasks": {"math": {"prompt_template": "{prompt} {anwer}"}}}, "warning: tasks.math.prompt_template: {anwer} "),
        # data
        ({"data": {"path": "gone.jsonl"}}, "error: gone.jsonl: there is no such file or folder."),
        ({"data": {"held_out": {"rows_per_task": 0}}}, "warning: data.held_out: no rows are held out"),
        ({"data": {"held_out": {"rows_per_task": 1}}}, "warning: data.held_out: task 'math' has one held-out row"),
        ({"grpo": {"learning_rate": 100}}, "warning: grpo.learning_rate: 100 moves the adapter so far at each step"),
        (
            {"data": {"held_out": {"rows_per_task": 0}}, "convergence": {"patience": 2}},
            "error: convergence.patience: no rows are held out: there are no evaluations.",
        ),
        (
            {
                "convergence": {"best": "weighted"},
                "tasks": {"math": {"evaluation_weight": 0}, "poetry": {"evaluation_weight": 0}},
            },
            "error: convergence.best: no task counts.",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_found_before_anything_runs(report, parts, says):
    assert any(line.startswith(says) for line in told(report(**parts))), told(report(**parts))


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param({"rewards": {"math": ROUTES["math"], "default": [{"name": "length"}]}}, id="a default route"),
        pytest.param({"grpo": {"learning_rate": "3e-4"}}, id="YAML's 3e-4"),
        pytest.param({"grpo": {"num_generations": 4, "steps_per_generation": 2}}, id="whole groups"),
        pytest.param({"tasks": {"math": {"share": 0.7}}}, id="a share that leaves some"),
        pytest.param({"tasks": {"math": {"prompt_template": 'Answer {"n": 1}: {prompt}'}}}, id="braces around no name"),
    ],
)
def test_what_is_right_passes(report, parts):
    assert told(report(**parts)) == []


def test_an_optional_column_that_some_rows_lack_is_no_problem_and_a_needed_one_is_a_warning(report):
    rows = [{**row, "answer": row.get("answer") if n % 8 else None} for n, row in enumerate(ROWS)]
    (line,) = told(report(rows=rows))
    assert line.startswith("warning: rewards.math[0]: math_answer needs 'answer', which is empty in ")


def test_problems_in_spec_and_data_are_told_together(report):
    found = report(rows=[{"task": "math", "prompt": ""}], rewards={"math": [{"name": "nope"}]}, lora={"q": 1})
    assert found.data is None
    assert len(found.errors) == 3


def test_an_error_blocks_and_a_warning_does_not(report):
    found = report(rewards={**ROUTES, "poetry": [{"name": "length", "weight": 0}], "x": [{"name": "length"}]})
    assert [problem.where for problem in found.errors] == ["rewards.x"]
    assert [problem.where for problem in found.warnings] == ["rewards.poetry"]


def test_a_held_out_task_that_is_not_trained_on_is_an_error(report, tmp_path):
    held_out = write_rows(tmp_path / "held.jsonl", [{"task": "code", "prompt": "x"}, {"task": "math", "prompt": "?"}])
    lines = told(report(data={"held_out": {"path": str(held_out), "rows_per_task": 2}}))
    assert any("task 'code' has no rows to train on" in line for line in lines)
    assert any("task 'poetry' has no held-out rows" in line for line in lines)


def test_empty_cells_are_counted_for_each_task_and_column(tmp_path):
    path = write_rows(tmp_path / "rows.jsonl", ROWS)
    spec = DataSpec.model_validate({"path": str(path), "held_out": {"rows_per_task": 0}})
    found = task_columns(load_data(spec).train)
    assert {task: (columns.rows, dict(columns.empty)) for task, columns in found.items()} == {
        "math": (20, {"prompt": 0, "answer": 0, "mood": 20}),
        "poetry": (20, {"prompt": 0, "answer": 20, "mood": 10}),
    }


def test_a_folder_that_is_nearly_named_so_is_pointed_out(report, tmp_path, monkeypatch):
    (tmp_path / "mistral").mkdir()
    (tmp_path / "mistral" / "config.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    assert any("Did you mean './mistral'?" in line for line in told(report(model="misstral")))
    assert not any("Did you mean" in line for line in told(report(model="gpt2")))


BAD_ROWS = {
    "json_schema": ("schema", '{"type": "object"}', '{"type": "objekt"}', "is no JSON Schema that can be used"),
    "python_tests": ("tests", ["assert f() == 1"], ["assert f( == 1"], "is not valid Python"),
    "tool_calls": ("tool_calls", '[{"name": "f", "arguments": {}}]', '[{"nam": "f"}]', "tool_calls"),
    "math_answer": ("answer", "42", "the moon", "cannot be read as mathematics"),
}


@pytest.mark.parametrize("reward", BAD_ROWS)
def test_rows_that_a_reward_cannot_score_are_named(report, reward):
    column, good, bad, reason = BAD_ROWS[reward]
    rows = [{"task": "a", "prompt": f"Question {n}", column: bad} for n in range(6)]
    (told,) = [str(problem) for problem in report(rows, {"a": [{"name": reward}]}).errors]
    assert told.startswith(f"rewards.a[0]: {reward} cannot score 5 of 5 rows of task 'a' that were tried")
    assert "the prompt 'Question " in told
    assert reason in told
    rows = [{**row, column: bad if n % 2 else good} for n, row in enumerate(rows)]
    found = report(rows, {"a": [{"name": reward}]})
    assert not found.errors
    assert any(reason in str(warning) for warning in found.warnings)


def test_a_reward_that_fails_on_any_empty_completion_blocks_no_run(report):
    parts = {"half": {"reward": "exact_match"}}
    rewards = {"a": [{"name": "formula", "params": {"expression": "1 / half", "parts": parts}}]}
    rows = [{"task": "a", "prompt": "?", "answer": str(n)} for n in range(6)]
    found = report(rows, rewards)
    assert [problem.severity for problem in found.problems if "formula" in problem.what] == ["warning"]


@pytest.mark.parametrize(
    ("loss_type", "says"),
    [
        ("grpo", "warning: normalisation.task_tokens: loss_type 'grpo' takes the mean of each completion, so this"),
        ("vespo", "error: normalisation.task_tokens: loss_type 'vespo' cannot be weighted by task."),
        ("dapo", ""),
    ],
)
def test_tasks_count_alike_only_in_a_loss_that_adds_up_tokens(report, loss_type, says):
    found = told(report(normalisation={"task_tokens": "equal"}, grpo={"loss_type": loss_type}))
    assert [line for line in found if "task_tokens" in line and line.startswith(says)] == ([found[0]] if says else [])
    assert len(found) == bool(says)


@pytest.mark.parametrize(
    ("schedule", "warned"),
    [
        ({"kind": "step", "at": 21}, True),
        ({"kind": "step", "at": 20}, False),
        ({"kind": "linear", "begin": 5, "end": 30}, True),
        ({"kind": "linear", "begin": 5, "end": 20}, False),
    ],
)
def test_a_weight_that_comes_after_the_last_step_is_a_warning(report, schedule, warned):
    rewards = {"default": [{"name": "exact_match"}, {"name": "length", "schedule": schedule}]}
    found = told(report(rewards=rewards, grpo={"max_steps": 20}))
    assert any(line.startswith("warning: rewards.default[1].schedule: its weight is whole") for line in found) == warned
    assert not any("its weight is whole" in line for line in told(report(rewards=rewards, grpo={"max_steps": 40})))


@pytest.mark.parametrize(("resample", "warned"), [(0, False), (0.2, True), (0.25, False), (8, False)])
def test_a_budget_of_less_than_a_prompt_is_a_warning(report, resample, warned):
    batches = {"per_device_train_batch_size": 8, "num_generations": 2}
    found = told(report(mixing={"resample": resample}, grpo=batches))
    assert any("0.2 times the 4 prompts of a batch is less than one prompt" in line for line in found) == warned


def test_a_budget_that_is_said_to_do_does(report):
    def found(resample):
        return told(
            report(mixing={"resample": resample}, grpo={"per_device_train_batch_size": 6, "num_generations": 2})
        )

    assert any("Set it to 0.34 or more" in line for line in found(0.1))
    assert not any("mixing.resample" in line for line in found(0.34))


@pytest.mark.parametrize("grpo", [{"trust_remote_code": True}, {"model_init_kwargs": {"trust_remote_code": True}}])
def test_code_of_a_models_repository_runs_only_where_whoever_runs_the_app_says_so(report, monkeypatch, grpo):
    (problem,) = [one for one in report(grpo=grpo).errors if one.where == f"grpo.{next(iter(grpo))}"]
    assert "SIGNALBOX_TRUST_REMOTE_CODE=1" in problem.mend
    monkeypatch.setenv("SIGNALBOX_TRUST_REMOTE_CODE", "1")
    assert report(grpo=grpo).errors == ()
