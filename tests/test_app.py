"""The command line as a user types it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from toys import make_model, spec_document, tagged_rows, write_rows

from core.runs import RunFolder, checkpoint_step

PROJECT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def spec(model, tmp_path):
    """Writes the toy run spec, changed as the test asks, and gives its path."""

    def write(rewards=None, **grpo):
        document = spec_document(model, write_rows(tmp_path / "rows.jsonl", tagged_rows(20)), **grpo)
        document["rewards"] = rewards or document["rewards"]
        path = tmp_path / "run.yaml"
        path.write_text(yaml.safe_dump(document))
        return path

    return write


def app(*arguments, cwd):
    command = [sys.executable, str(PROJECT / "app.py"), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=180)


@pytest.mark.parametrize("route", ["{name: math_anwser}", "{name: number, params: {relative: -1}}", "{name: custom}"])
def test_score_says_what_is_wrong_with_a_plan(route, tmp_path):
    (tmp_path / "plan.yaml").write_text(f"default: [{route}]")
    (tmp_path / "rows.jsonl").write_text('{"completion": "x"}\n')
    found = app("score", "rows.jsonl", "--plan", "plan.yaml", cwd=tmp_path)
    assert found.returncode == 1
    assert found.stderr.startswith("error: rewards.default[0]")
    assert "Traceback" not in found.stderr


class TestCheck:
    def test_a_good_spec_passes_and_every_task_is_listed(self, spec, tmp_path):
        found = app("check", spec(), cwd=tmp_path)
        assert found.returncode == 0, found.stderr
        assert "short: 18 rows, 2 held out, scored by length" in found.stdout
        assert "0 errors, 0 warnings" in found.stdout

    def test_a_mistyped_reward_is_named_with_the_nearest_and_the_exit_status_is_1(self, spec, tmp_path):
        found = app("check", spec({"default": [{"name": "lenght"}]}), cwd=tmp_path)
        assert found.returncode == 1
        assert (
            "error: rewards.default[0].name: there is no reward called 'lenght'. Did you mean 'length'?" in found.stderr
        )

    def test_a_missing_file_is_said_in_words(self, tmp_path):
        found = app("check", "nowhere.yaml", cwd=tmp_path)
        assert (found.returncode, found.stderr) == (1, "error: nowhere.yaml: there is no such file. Check the path.\n")

    @pytest.mark.parametrize("example", sorted((PROJECT / "examples").glob("*.yaml")), ids=lambda path: path.stem)
    def test_every_example_is_without_a_flaw_from_any_folder(self, example, tmp_path):
        found = app("check", example, cwd=tmp_path)
        assert found.returncode == 0, found.stderr
        assert "0 errors, 0 warnings" in found.stdout


def hears_ctrl_c():
    """Whoever runs the tests in a shell's background has Ctrl-C ignored, and all that it starts inherits that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class TestTrain:
    def test_it_prints_every_tasks_reward_as_it_goes_and_the_table_at_the_end(self, spec, tmp_path):
        found = app("train", spec(), "--out", "here", cwd=tmp_path)
        assert found.returncode == 0, found.stdout + found.stderr
        assert [line.split()[1] for line in found.stdout.splitlines() if line.startswith("step")] == [
            f"{n}/6" for n in range(1, 7)
        ]
        table = found.stdout[found.stdout.index("Held-out reward, before and after") :]
        assert all(task in table for task in ("short", "long", "before", "after", "change"))
        assert "finished: All 6 steps done." in found.stdout
        listed = app("runs", cwd=tmp_path)
        assert "No runs yet" in listed.stdout, "--out here is outside the root that `runs` lists"
        assert json.loads((tmp_path / "here" / "exit.json").read_text())["reason"] == "finished"

    def test_ctrl_c_stops_it_at_a_checkpoint_and_resume_goes_on(self, spec, tmp_path):
        command = [sys.executable, str(PROJECT / "app.py"), "train", str(spec(max_steps=240, eval_steps=1000))]
        process = subprocess.Popen(
            [*command, "--out", "here"],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=hears_ctrl_c,
        )
        for line in process.stdout:
            if line.startswith("step    2"):
                os.kill(process.pid, signal.SIGINT)
                break
        rest, _ = process.communicate(timeout=60)
        assert process.returncode == 0, rest
        assert "Stopping after this step" in rest
        assert "stopped: Stopped on request after step" in rest
        resumed = app("resume", "here", cwd=tmp_path)
        assert resumed.returncode == 0, resumed.stdout + resumed.stderr
        assert "finished: All 240 steps done." in resumed.stdout
        lines = (tmp_path / "here" / "metrics.jsonl").read_text().splitlines()
        steps = [record["step"] for record in map(json.loads, lines) if record["split"] == "train"]
        assert steps == list(range(1, 241))

    def test_resume_after_a_kill_prints_only_what_is_new(self, spec, tmp_path):
        command = [sys.executable, str(PROJECT / "app.py"), "train", str(spec(max_steps=60, save_steps=5))]
        process = subprocess.Popen(
            [*command, "--out", "here"], cwd=tmp_path, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        run = RunFolder(tmp_path / "here")
        for line in process.stdout:
            if line.startswith("step    8"):
                os.kill(json.loads((run.path / "worker.json").read_text())["pid"], signal.SIGKILL)
                break
        rest, _ = process.communicate(timeout=60)
        assert process.returncode == 1
        assert "lost: The worker vanished without a word" in rest
        kept = checkpoint_step(run.whole_checkpoints()[-1])
        resumed = app("resume", "here", cwd=tmp_path)
        assert resumed.returncode == 0, resumed.stdout + resumed.stderr
        printed = [int(line.split()[1].split("/")[0]) for line in resumed.stdout.splitlines() if line[:4] == "step"]
        assert printed == list(range(kept + 1, 61))

    def test_an_error_in_the_spec_starts_nothing(self, spec, tmp_path):
        found = app("train", spec(num_generations=3), "--out", "here", cwd=tmp_path)
        assert found.returncode == 1
        assert "not made of whole groups of 3" in found.stderr
        assert not (tmp_path / "here").exists()

    def test_a_folder_that_exists_is_not_written_into(self, spec, tmp_path):
        (tmp_path / "here").mkdir()
        found = app("train", spec(), "--out", "here", cwd=tmp_path)
        assert found.returncode == 1
        assert "this folder exists already" in found.stderr
        assert list((tmp_path / "here").iterdir()) == []


class TestExtend:
    def test_a_finished_run_goes_on_with_more_steps_and_prints_only_those(self, spec, tmp_path):
        assert app("train", spec(max_steps=2), "--out", "here", cwd=tmp_path).returncode == 0
        found = app("extend", "here", "2", cwd=tmp_path)
        assert found.returncode == 0, found.stdout + found.stderr
        assert "here has 4 steps in all now." in found.stdout
        assert [line.split()[1] for line in found.stdout.splitlines() if line[:4] == "step"] == ["3/4", "4/4"]
        assert "finished: All 4 steps done." in found.stdout


class TestQueue:
    def test_a_second_run_waits_is_taken_out_and_the_first_is_killed(self, spec, tmp_path):
        document = spec(max_steps=5000, save_steps=5000, eval_steps=10000)
        first, second = (app("train", document, "--queue", cwd=tmp_path).stdout.splitlines() for _ in range(2))
        assert (first[-1], second[-1]) == ("It is running.", "Place 1 in the queue.")
        running, waiting = (lines[0].removeprefix("Run folder: ") for lines in (first, second))
        assert app("queue", "--place", "1", waiting, cwd=tmp_path).stdout.splitlines() == [
            f"  1   {waiting}",
            "At once: 1",
        ]
        assert {line.split()[0] for line in app("runs", cwd=tmp_path).stdout.splitlines()} == {"running", "queued"}
        assert "waits no longer" in app("cancel", waiting, cwd=tmp_path).stdout
        assert "was ended; it has no checkpoint yet" in app("kill", running, cwd=tmp_path).stdout
        assert {line.split()[0] for line in app("runs", cwd=tmp_path).stdout.splitlines()} == {"lost", "created"}
        again = app("cancel", waiting, cwd=tmp_path)
        assert (again.returncode, "it is created, not queued" in again.stderr) == (1, True)


class TestProbe:
    def test_each_task_is_probed_and_what_can_be_gamed_is_a_warning(self, tmp_path):
        rows = [
            {"task": "city", "prompt": f"Capital of {n}?", "answer": name}
            for n, name in enumerate(("Paris", "Rome", "Bonn"))
        ]
        write_rows(tmp_path / "rows.jsonl", rows)
        contains = {"name": "text_match", "params": {"how": "contains"}}
        document = {"data": {"path": "rows.jsonl"}, "rewards": {"city": [contains]}}
        (tmp_path / "run.yaml").write_text(yaml.safe_dump(document))
        found = app("probe", "run.yaml", "--rows", "3", cwd=tmp_path)
        assert found.returncode == 0, found.stderr
        assert "city: gold is the reference as it is; highest total 1.000" in found.stdout
        assert "gold        1.000   text_match 1.000" in found.stdout
        assert "empty       0.000   text_match 0.000" in found.stdout
        assert "warning: task 'city': in 3 of 3 rows the probe 'keywords' earns 1" in found.stderr

    def test_a_spec_with_errors_is_not_probed(self, tmp_path):
        write_rows(tmp_path / "rows.jsonl", [{"task": "a", "prompt": "?"}])
        document = {"data": {"path": "rows.jsonl"}, "rewards": {"a": [{"name": "exact_match"}]}}
        (tmp_path / "run.yaml").write_text(yaml.safe_dump(document))
        found = app("probe", "run.yaml", cwd=tmp_path)
        assert found.returncode == 1
        assert "exact_match needs a column 'answer'" in found.stderr


def test_the_examples_of_a_reward_are_shown_with_their_parameters(tmp_path):
    found = app("rewards", "number", cwd=tmp_path)
    assert "'About 41 km.' {'answer': 40} with {'relative': 0.05}  within 5 %" in found.stdout


class TestScore:
    def test_rows_go_to_standard_output_and_the_summary_to_standard_error(self, tmp_path):
        rows = write_rows(
            tmp_path / "rows.jsonl",
            [
                {"task": "math", "answer": "42", "completion": "The answer is 42"},
                {"task": "math", "answer": "42", "completion": ["41", "$42$"]},
                {"task": "math", "completion": "42"},
            ],
        )
        (tmp_path / "plan.yaml").write_text("math: [{name: math_answer}]")
        found = app("score", rows, "--plan", "plan.yaml", cwd=tmp_path)
        assert found.returncode == 0, found.stderr
        right, group, failed = map(json.loads, found.stdout.splitlines())
        assert (right["rewards"], right["total"]) == ({"math_answer": 1.0}, 1.0)
        assert group["rewards"] == {"math_answer": [0.0, 1.0]}
        assert group["advantages"] == pytest.approx([-0.707, 0.707], abs=1e-3)
        assert failed["rewards"] == {"math_answer": None}
        assert failed["errors"] == {"math_answer": "the row has no 'answer'"}
        assert failed["total"] is None
        assert "3 rows, 4 completions, 0 not scored" in found.stderr
        assert "1 x the row has no 'answer'" in found.stderr
        assert "math  100% of the signal; 0 of 1 groups without spread; by reward: math_answer 100%" in found.stderr

    def test_the_file_being_read_is_never_written_over(self, tmp_path):
        rows = write_rows(tmp_path / "rows.jsonl", [{"task": "a", "completion": "x"}])
        (tmp_path / "plan.yaml").write_text("default: [{name: length}]")
        before = rows.read_text()
        assert app("score", rows, "--plan", "plan.yaml", "--out", rows, cwd=tmp_path).returncode == 1
        assert rows.read_text() == before

    def test_an_older_result_stays_where_the_input_cannot_be_read(self, tmp_path):
        (tmp_path / "plan.yaml").write_text("default: [{name: length}]")
        (tmp_path / "scored.jsonl").write_text("older\n")
        found = app("score", "nowhere.jsonl", "--plan", "plan.yaml", "--out", "scored.jsonl", cwd=tmp_path)
        assert (found.returncode, found.stderr) == (1, "error: nowhere.jsonl: there is no such file. Check the path.\n")
        assert (tmp_path / "scored.jsonl").read_text() == "older\n"

    def test_token_counting_rewards_use_the_plans_tokenizer(self, model, tmp_path):
        rows = write_rows(tmp_path / "rows.jsonl", [{"task": "a", "completion": "abcd"}])
        plan = {"model": str(model), "rewards": {"a": [{"name": "length", "params": {"unit": "tokens", "maximum": 4}}]}}
        (tmp_path / "plan.yaml").write_text(json.dumps(plan))
        found = app("score", rows, "--plan", "plan.yaml", cwd=tmp_path)
        assert json.loads(found.stdout)["total"] == 1.0, found.stderr
        assert "names no model" not in found.stderr

    def test_token_ids_that_are_there_load_no_tokenizer_and_a_row_that_is_no_row_is_told_of(self, tmp_path):
        rows = [{"task": "a", "completion": "abcd", "completion_ids": [1, 2]}, {"task": "a"}]
        path = write_rows(tmp_path / "rows.jsonl", rows)
        plan = {"rewards": {"a": [{"name": "length", "params": {"unit": "tokens", "maximum": 4}}]}}
        (tmp_path / "plan.yaml").write_text(json.dumps(plan))
        found = app("score", path, "--plan", "plan.yaml", cwd=tmp_path)
        assert json.loads(found.stdout.splitlines()[0])["total"] == 1.0
        assert "names no model" not in found.stderr
        assert "1 x the row has no 'completion'" in found.stderr


class TestServe:
    def test_a_port_in_use_is_said_in_words(self, tmp_path):
        import socket

        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            found = app("--port", port, cwd=tmp_path)
        assert found.returncode == 1
        assert f"127.0.0.1:{port}: something else listens there already. Name another with --port." in found.stderr
