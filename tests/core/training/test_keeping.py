"""The adapter of the best evaluation is kept, whatever is broken off and done again; a run ends where it is told."""

import pytest
from toy_runs import append, record
from toys import bare_spec, make_model, spec_document, steps, tagged_rows, write_rows

from core.extension import extend
from core.launch import launch
from core.run_adapters import BEST, run_adapters
from core.runs import CHECKPOINT_COMPLETE, create_run, state
from core.spec import parse_spec
from core.training.keeping import Keeper, rewind_best
from core.training.recorder import rewind

ALWAYS_1 = {"default": [{"name": "length", "params": {"unit": "characters", "maximum": 1000}}]}


class Saved:
    """What saves a file that says which step it is of."""

    def __init__(self, step):
        self.step = step

    def save_pretrained(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "adapter_config.json").write_text(str(self.step))


@pytest.fixture
def run():
    return create_run(bare_spec())


@pytest.fixture
def keeper(run):
    return lambda **convergence: Keeper(
        run, parse_spec({**bare_spec().model_dump(exclude_unset=True), "convergence": convergence}, "toy"), ["a"]
    )


def evaluate(run, keeper, step, reward):
    append(run, record(step, {"a": reward}, split="held_out"))
    return keeper.evaluated(Saved(step), Saved(step))


def checkpoint(run, step):
    folder = run.checkpoints / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    (folder / CHECKPOINT_COMPLETE).write_text("{}")


def kept(run):
    """Steps of the adapters that are kept, the best first."""
    return [int(folder.name.removeprefix("step-")) for folder in sorted(run.best.iterdir(), reverse=True)]


def best_of(run):
    """The adapter of the best evaluation as it is listed; its one file is no adapter to load."""
    (found,) = [adapter for adapter in run_adapters(run) if adapter.name == BEST]
    return found


class TestKeeper:
    def test_only_an_evaluation_that_is_better_than_all_before_is_kept(self, run, keeper):
        for step, reward in [(0, 0.1), (1, 0.5), (2, 0.4), (3, 0.5), (4, 0.6)]:
            evaluate(run, keeper(), step, reward)
            checkpoint(run, step)
        assert best_of(run).step == 4
        assert (best_of(run).path / "adapter_config.json").read_text() == "4"
        assert kept(run) == [4, 1], "until a checkpoint stands behind it, a resume may need the one before"
        evaluate(run, keeper(), 5, 0.7)
        assert kept(run) == [5, 4]

    def test_a_resume_that_goes_back_has_the_best_of_what_is_left(self, run, keeper):
        for step, reward in [(1, 0.1), (2, 0.5)]:
            evaluate(run, keeper(), step, reward)
        checkpoint(run, 2)
        for step, reward in [(3, 0.6), (4, 0.7)]:
            evaluate(run, keeper(), step, reward)
        run.completions.mkdir()
        rewind(run, 2)
        rewind_best(run, 2)
        assert best_of(run).step == 2
        evaluate(run, keeper(), 3, 0.4)
        assert best_of(run).step == 2

    def test_an_evaluation_that_is_made_again_takes_the_place_of_the_first(self, run, keeper):
        for _ in range(2):
            evaluate(run, keeper(), 1, 0.5)
        assert kept(run) == [1]

    def test_a_run_ends_when_patience_is_used_up_and_goes_on_when_it_is_extended(self, run, keeper):
        rewards = [0.5, 0.4, 0.3, 0.2, 0.1]
        said = [evaluate(run, keeper(patience=2), step, reward) for step, reward in enumerate(rewards)]
        assert said[:2] + said[3:4] == ["", "", ""]
        assert said[2] == "2 evaluations without a better one since that of step 0"
        assert said[4] == "4 evaluations without a better one since that of step 0", "it is used up anew"

    def test_without_patience_it_never_ends(self, run, keeper):
        assert not any(evaluate(run, keeper(), step, 1.0 - step / 100) for step in range(50))

    def test_an_evaluation_in_which_nothing_could_be_scored_keeps_nothing(self, run, keeper):
        assert [evaluate(run, keeper(patience=1), step, None) for step in range(3)] == ["", "", ""]
        assert not run.best.exists()

    def test_a_task_that_is_only_watched_decides_nothing(self, run):
        document = {
            "data": {"path": "rows.jsonl"},
            "rewards": {"a": [{"name": "length"}], "b": [{"name": "length", "weight": 0}]},
            "convergence": {"freeze": True, "patience": 2},
        }
        keeper = Keeper(run, parse_spec(document, "toy"), ["a", "b"])
        for step in range(4):
            append(run, record(step, {"a": 0.1 * step, "b": None}, split="held_out"))
            assert keeper.evaluated(Saved(step), Saved(step)) == ""
        assert best_of(run).step == 3
        append(run, *[record(step, {"a": 1.0, "b": None}) for step in range(1, 30)])
        assert keeper.rested(set()) == ({"a"}, "every task has converged")

    def test_one_that_a_kill_left_unsaved_is_taken_from_the_checkpoint_of_its_step(self, run, keeper):
        append(run, record(2, {"a": 0.5}, split="held_out"))
        checkpoint(run, 2)
        Saved("checkpoint").save_pretrained(run.checkpoints / "checkpoint-2")
        (run.checkpoints / "checkpoint-2" / "optimizer.pt").write_text("large")
        keeper().recover(run.checkpoints / "checkpoint-2")
        assert best_of(run).step == 2
        assert [path.name for path in best_of(run).path.iterdir()] == ["adapter_config.json"]

    def test_nothing_is_frozen_unless_it_is_asked_for(self, run, keeper):
        append(run, *[record(step, {"a": 1.0}) for step in range(1, 30)])
        assert keeper().rested(set()) == (set(), "")
        assert keeper(freeze=True).rested(set()) == ({"a"}, "every task has converged")
        assert keeper(freeze=True).rested({"a"}) == ({"a"}, ""), "a run that is extended goes on"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("model"))


class TestRuns:
    @pytest.fixture
    def trained(self, model, tmp_path):
        def train(convergence, **grpo):
            rows = write_rows(tmp_path / "rows.jsonl", tagged_rows(20))
            document = {**spec_document(model, rows, **grpo), "rewards": ALWAYS_1, "convergence": convergence}
            run = create_run(parse_spec(document, "toy"))
            assert launch(run).wait(timeout=120) == 0, run.log_path.read_text()
            return run

        return train

    def test_one_that_does_not_get_better_ends_early_and_can_be_extended(self, trained):
        run = trained({"patience": 2, "best": "worst"}, max_steps=9, eval_steps=2, save_steps=100)
        assert state(run) == "finished"
        assert run.exit().message == (
            "Ended after step 4 of 9: 2 evaluations without a better one since that of step 0."
        )
        assert steps(run) == [1, 2, 3, 4]
        assert [(one.name, one.step) for one in run_adapters(run)] == [("adapter", 4), ("checkpoint-4", 4), ("best", 0)]
        assert extend(run, 2) == 6
        assert launch(run).wait(timeout=120) == 0, run.log_path.read_text()
        assert steps(run) == [1, 2, 3, 4, 5, 6]
        assert run.exit().message == "All 6 steps done."

    def test_one_whose_tasks_have_all_converged_ends(self, trained):
        run = trained({"freeze": True}, max_steps=40, eval_steps=1000, save_steps=100)
        assert run.exit().message == "Ended after step 20 of 40: every task has converged."
        assert steps(run, "held_out") == [0, 20]
        assert [one.name for one in run_adapters(run)] == ["adapter", "checkpoint-20", "best"]

        run.exit_path.unlink()  # as a kill in the last evaluation leaves it
        lines = run.metrics_path.read_text().splitlines(keepends=True)
        run.metrics_path.write_text(
            "".join(line for line in lines if '"step": 20, "steps": 40, "split": "held' not in line)
        )
        assert steps(run, "held_out") == [0]
        assert launch(run).wait(timeout=120) == 0, run.log_path.read_text()
        assert run.exit().message == "Ended after step 20 of 40: every task has converged."
        assert (steps(run), steps(run, "held_out")) == (list(range(1, 21)), [0, 20])

        assert extend(run, 1) == 21
        assert launch(run).wait(timeout=120) == 0, run.log_path.read_text()
        assert (steps(run)[-1], run.exit().message) == (21, "All 21 steps done.")
