"""The worker process: `python -m core.training.worker RUN_FOLDER` trains one run to its end, or to a stop.

Whatever happens is written to exit.json: finished, stopped (SIGINT or SIGTERM: the step is finished and a checkpoint
written), or failed with its reason. Only a SIGKILL leaves nothing; whoever looks next then writes `lost`. An attendant
that the worker starts (core.queue) outlives it, whatever becomes of it, and starts the next run.
"""

from __future__ import annotations

import fcntl
import gc
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from core.alert_log import AlertLog
from core.check import check
from core.checkpoint_check import damage
from core.data import Data, column, task_counts
from core.errors import Problem, UserError
from core.extension import wants_more, working_spec
from core.gates import schedules_of
from core.mixing import shares
from core.mixture import Mixture
from core.models import load_tokenizer, model_source
from core.prompts import as_text, render
from core.queue import attend
from core.records import last_record
from core.routing import RoutingTable
from core.run_adapters import RESULT, RunAdapter, save_step
from core.run_data import note_rows
from core.runs import Exit, RunFolder, checkpoint_step, free_path, record_worker, write_exit
from core.scoring import Scorer
from core.spec import RunSpec
from core.task_states import goals
from core.training.endings import check_still_there, failure
from core.training.keeping import Keeper, rewind_best
from core.training.recorder import Recorder, rewind

if TYPE_CHECKING:
    from datasets import Dataset

    from core.training.trainer import MultiTaskGRPOTrainer

LOCK_TRIES, LOCK_WAIT_S = 20, 0.05  # whoever asks whether a run is at work holds its lock for an instant
RESERVE = 1 << 16  # bytes


class Stop:
    """Remembers a request to stop; asking again changes nothing, since a step may take long."""

    def __init__(self) -> None:
        self.requested = False

    def listen(self) -> None:
        """Take SIGINT and SIGTERM as requests to stop."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._hear)

    def _hear(self, number: int, frame: object) -> None:
        self.requested = True


def main(path: str) -> int:
    """Train the run in a folder; the exit status is 0 when it finished or stopped."""
    run = RunFolder(Path(path).absolute())
    stop = Stop()
    stop.listen()
    with run.lock_path.open("w") as lock:
        if not _take(lock):  # two processes would write every step twice
            print("Another process works on this run already.", flush=True)
            return 1
        return _work(run, stop)


def _take(lock: IO[str]) -> bool:
    for _ in range(LOCK_TRIES):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(LOCK_WAIT_S)
    return False


def _work(run: RunFolder, stop: Stop) -> int:
    worker = record_worker(run, os.getpid())
    run.exit_path.unlink(missing_ok=True)
    try:
        attend(run)
        run.reserve_path.write_bytes(bytes(RESERVE))
        end = train(run, stop)
    except BaseException as error:  # the boundary: every ending is recorded, whatever ended it
        end = failure(run, error)
    _record(run, replace(end, attempt=worker.attempt))
    return 0 if end.reason in ("finished", "stopped") else 1


def _record(run: RunFolder, end: Exit) -> None:
    """Write and print an ending; where the disk is full, the reserve makes room for it."""
    with suppress(OSError):  # what cannot be written down any more is `lost` to whoever looks next
        run.reserve_path.unlink(missing_ok=True)
        if run.spec_path.exists():  # what is left of a deleted folder is no run
            write_exit(run, end)
    with suppress(OSError):
        print(end.traceback or f"{end.reason}: {end.message}", flush=True)


def train(run: RunFolder, stop: Stop) -> Exit:
    """One run, from its spec or its last checkpoint to its end."""
    spec = working_spec(run)
    report = check(spec)
    if report.errors or report.data is None:
        raise UserError(report.errors)
    if report.sandbox is not None:
        print(report.sandbox, flush=True)
    note_rows(run, report.data)
    checkpoint = last_checkpoint(run)
    step = checkpoint_step(checkpoint) if checkpoint else 0
    # Without a checkpoint the evaluation before the first step is made again, too: chance goes on from it.
    evaluated = rewind(run, step if checkpoint else -1)
    rewind_best(run, step)
    if stop.requested:
        return Exit("stopped", "Stopped before the first step.", step)
    load_libraries()
    from core.training.arguments import evaluation_due
    from core.training.stopping import why_ended

    with Scorer(RoutingTable(spec.rewards)) as scorer:
        trainer = build_trainer(run, spec, report.data, scorer, stop, checkpoint)
        trainer.engine.report(run)
        if checkpoint:
            trainer.keeper.recover(checkpoint)
        # TRL counts micro-batches from 0 even on a resume; in the middle of a generation's uses it would sample anew.
        trainer._step = step * trainer.args.gradient_accumulation_steps
        missing = not evaluated and evaluation_due(trainer.args, step)  # an evaluation that a stop broke off, too
        trainer.args.eval_on_start = trainer.eval_dataset is not None and missing
        steps = trainer.args.max_steps
        if checkpoint and not wants_more(run) and (ended := why_ended(checkpoint)):
            trainer.ended, trainer.args.max_steps = ended, step  # what is left is to evaluate and to save
        return _fit(run, trainer, checkpoint, stop, steps)


def load_libraries() -> None:
    """Import torch, TRL and PEFT without collecting garbage: they make a million objects, and all of them stay.

    Looking through them again and again is a sixth of a worker's start.
    """
    gc.disable()
    import core.training.trainer  # noqa: F401

    gc.freeze()
    gc.enable()


def build_trainer(
    run: RunFolder, spec: RunSpec, data: Data, scorer: Scorer, stop: Stop, checkpoint: Path | None = None
) -> MultiTaskGRPOTrainer:
    """Model, adapter, data and rewards put together; the mixture as a checkpoint has it."""
    from core.training.arguments import adapter_config, trainer_arguments
    from core.training.stopping import StopAndMark
    from core.training.trainer import MultiTaskGRPOTrainer

    tokenizer = load_tokenizer(spec.model)
    arguments = trainer_arguments(run, spec, rows=len(data.train), evaluate=len(data.held_out) > 0)
    prompts = arguments.generation_batch_size // arguments.num_generations
    share = shares(task_counts(data.train), spec.mixing, spec.tasks)
    schedules = schedules_of(RoutingTable(spec.rewards), share)
    mixture = Mixture(column(data.train, "task"), share, spec.mixing, spec.normalisation, arguments.seed, schedules)
    if checkpoint:
        mixture.go_on(checkpoint)
    chat = tokenizer.chat_template is not None
    print(f"{arguments.max_steps} steps, {prompts} prompts at once, shares {share}", flush=True)
    try:
        return MultiTaskGRPOTrainer(
            spec=spec,
            scorer=scorer,
            recorder=Recorder(run, tasks=tuple(share), alerts=AlertLog(run, goals(spec, share))),
            mixture=mixture,
            keeper=Keeper(run, spec, tuple(share)),
            model=model_source(spec.model),
            args=arguments,
            train_dataset=rendered(data.train, spec, chat),
            eval_dataset=rendered(data.held_out, spec, chat) if len(data.held_out) else None,
            processing_class=tokenizer,
            peft_config=adapter_config(spec),
            callbacks=[StopAndMark(run, lambda: stop.requested)],
        )
    except OSError as error:
        mend = "Check the id, the network, or name a folder."
        raise UserError(Problem(f"model: {spec.model}", f"it cannot be loaded: {error}", mend)) from error


def rendered(dataset: Dataset, spec: RunSpec, chat: bool) -> Dataset:
    """Rows whose prompt is what the model reads, made when they are read; text where there is no chat template."""

    def prompts(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        rows = [dict(zip(batch, values, strict=True)) for values in zip(*batch.values(), strict=True)]
        messages = [render(row, spec.tasks.get(row["task"])) for row in rows]
        return {**batch, "prompt": messages if chat else [as_text(turns) for turns in messages]}

    return dataset.with_transform(prompts)


def last_checkpoint(run: RunFolder) -> Path | None:
    """The newest checkpoint that can be gone on from; None where there is none at all.

    Torn ones, left by a kill in the middle of a save, are removed. One that was whole and is damaged gives way to the
    one before it and is kept under `superseded/`. Where none is left, all stay and a `UserError` names the file:
    beginning anew costs all steps, and is for the user to say.
    """
    whole = run.whole_checkpoints()
    for folder in set(run.all_checkpoints()) - set(whole):
        shutil.rmtree(folder)
    damaged: dict[Path, str] = {}
    for folder in reversed(whole):
        if not (fault := damage(folder)):
            _put_aside(run, damaged)
            return folder
        damaged[folder] = fault
    if damaged:
        mend = "Put the file back from a copy; or remove the checkpoints, and the run begins anew."
        raise UserError(Problem(str(whole[-1]), f"{damaged[whole[-1]]}.", mend))
    return None


def _put_aside(run: RunFolder, damaged: Mapping[Path, str]) -> None:
    for folder, fault in damaged.items():
        print(f"{folder.name} is damaged: {fault}. The run goes on from the one before.", flush=True)
        aside = free_path(run.path / "superseded" / f"damaged-{folder.name}")
        aside.parent.mkdir(exist_ok=True)
        folder.rename(aside)


def _fit(run: RunFolder, trainer: MultiTaskGRPOTrainer, checkpoint: Path | None, stop: Stop, steps: int) -> Exit:
    from core.training.stopping import EndedAtEvaluation, StoppedDuringEvaluation

    try:
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        missing = trainer.eval_dataset is not None and not _evaluated(run, trainer.state.global_step)
        if missing and not stop.requested:
            trainer.evaluate()
    except StoppedDuringEvaluation:
        # One that is whole is never written over: a kill in the middle of that would leave it torn and marked whole.
        if trainer.state.global_step > max(map(checkpoint_step, run.whole_checkpoints()), default=0):
            trainer._save_checkpoint(trainer.model, trial=None)
            trainer.callback_handler.on_save(trainer.args, trainer.state, trainer.control)
    except EndedAtEvaluation:
        pass  # at the step of the checkpoint that it was resumed from
    check_still_there(run)
    step = trainer.state.global_step
    _save_result(run, trainer, step)
    _write_card(run, step)
    if stop.requested:
        return Exit("stopped", f"Stopped on request after step {step} of {steps}.", step)
    if step < steps:
        return Exit("finished", f"Ended after step {step} of {steps}: {trainer.ended}.", step)
    return Exit("finished", f"All {steps} steps done.", step)


def _save_result(run: RunFolder, trainer: MultiTaskGRPOTrainer, step: int) -> None:
    """Save the adapter whole before it takes the place of that of an earlier end, which a full disk must not cost."""
    scratch, earlier = run.path / ".adapter.tmp", run.path / ".adapter.old"
    for folder in (scratch, earlier):
        shutil.rmtree(folder, ignore_errors=True)
    trainer.model.save_pretrained(scratch)
    trainer.processing_class.save_pretrained(scratch)
    save_step(scratch, step)
    if run.adapter.exists():
        run.adapter.rename(earlier)
    scratch.rename(run.adapter)
    shutil.rmtree(earlier, ignore_errors=True)


def _write_card(run: RunFolder, step: int) -> None:
    """Put a model card in the place of PEFT's blank one."""
    from core.model_card import write_card

    try:
        write_card(RunAdapter(run, RESULT, run.adapter, step), run.adapter)
    except Exception:  # the boundary: a run whose adapter is saved has not failed for want of a text about it
        traceback.print_exc()


def _evaluated(run: RunFolder, step: int) -> bool:
    last = last_record(run.metrics_path, "held_out")
    return last is not None and last["step"] == step


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
