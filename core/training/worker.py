"""The worker process: `python -m core.training.worker RUN_FOLDER` trains one run to its end, or to a stop.

Whatever happens is written to exit.json: finished, stopped (SIGINT or SIGTERM: the step is finished and a checkpoint
written), or failed with its reason. Only a SIGKILL leaves nothing; whoever looks next then writes `lost`.
"""

from __future__ import annotations

import fcntl
import gc
import json
import os
import shutil
import signal
import sys
import traceback
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.check import check
from core.data import Data, column, task_counts
from core.errors import Problem, UserError
from core.mixing import row_order, shares
from core.models import load_tokenizer, model_source
from core.prompts import as_text, render
from core.routing import RoutingTable
from core.runs import Exit, RunFolder, record_worker, write_atomically, write_exit
from core.scoring import Scorer
from core.spec import RunSpec
from core.training.recorder import Recorder, rewind

if TYPE_CHECKING:
    from datasets import Dataset

    from core.training.trainer import MultiTaskGRPOTrainer


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
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # two processes would write every step twice
        except BlockingIOError:
            print("Another process works on this run already.", flush=True)
            return 1
        return _work(run, stop)


def _work(run: RunFolder, stop: Stop) -> int:
    worker = record_worker(run, os.getpid())
    run.exit_path.unlink(missing_ok=True)
    try:
        end = train(run, stop)
    except UserError as error:
        end = Exit("failed", str(error), run.last_step())
    except BaseException as error:  # the boundary: every ending is recorded, whatever ended it
        end = Exit("failed", f"{type(error).__name__}: {error}", run.last_step(), traceback.format_exc())
    print(end.traceback or f"{end.reason}: {end.message}", flush=True)
    write_exit(run, replace(end, attempt=worker.attempt))
    return 0 if end.reason in ("finished", "stopped") else 1


def train(run: RunFolder, stop: Stop) -> Exit:
    """One run, from its spec or its last checkpoint to its end."""
    spec = run.spec()
    report = check(spec)
    if report.errors or report.data is None:
        raise UserError(report.errors)
    if report.sandbox is not None:
        print(report.sandbox, flush=True)
    check_same_data(run, report.data)
    checkpoint = last_checkpoint(run)
    step = int(checkpoint.name.rpartition("-")[2]) if checkpoint else 0
    evaluated = rewind(run, step)
    if stop.requested:
        return Exit("stopped", "Stopped before the first step.", step)
    load_libraries()
    from core.training.arguments import evaluation_due

    with Scorer(RoutingTable(spec.rewards)) as scorer:
        trainer = build_trainer(run, spec, report.data, scorer, stop)
        trainer.engine.report(run)
        # TRL counts micro-batches from 0 even on a resume; in the middle of a generation's uses it would sample anew.
        trainer._step = step * trainer.args.gradient_accumulation_steps
        missing = not evaluated and evaluation_due(trainer.args, step)  # an evaluation that a stop broke off, too
        trainer.args.eval_on_start = trainer.eval_dataset is not None and missing
        return _fit(run, trainer, checkpoint, stop)


def load_libraries() -> None:
    """Import torch, TRL and PEFT without collecting garbage: they make a million objects, and all of them stay.

    Looking through them again and again is a sixth of a worker's start.
    """
    gc.disable()
    import core.training.trainer  # noqa: F401

    gc.freeze()
    gc.enable()


def check_same_data(run: RunFolder, data: Data) -> None:
    """Refuse to go on with other rows than the run was started with: their order would be another."""
    rows = {"train": task_counts(data.train), "held_out": task_counts(data.held_out)}
    if not run.data_path.exists():
        write_atomically(run.data_path, json.dumps(rows, ensure_ascii=False, indent=2))
        return
    before = json.loads(run.data_path.read_text(encoding="utf-8"))
    if before != rows:
        what = f"the data has changed since the run was started: {before} then, {rows} now."
        raise UserError(Problem(run.id, what, "Put the old rows back, or start a new run."))


def build_trainer(run: RunFolder, spec: RunSpec, data: Data, scorer: Scorer, stop: Stop) -> MultiTaskGRPOTrainer:
    """Model, adapter, data and rewards put together."""
    from core.training.arguments import adapter_config, schedule, trainer_arguments
    from core.training.trainer import MultiTaskGRPOTrainer, StopAndMark

    tokenizer = load_tokenizer(spec.model)
    arguments = trainer_arguments(run, spec, rows=len(data.train), evaluate=len(data.held_out) > 0)
    plan = schedule(arguments)
    share = shares(task_counts(data.train), spec.mixing, spec.tasks)
    order = row_order(column(data.train, "task"), share, plan.prompts, arguments.seed)
    chat = tokenizer.chat_template is not None
    print(f"{plan.steps} steps, {plan.prompts_per_generation} prompts at once, shares {share}", flush=True)
    try:
        return MultiTaskGRPOTrainer(
            spec=spec,
            scorer=scorer,
            recorder=Recorder(run, tasks=tuple(share)),
            order=order,
            model=model_source(spec.model),
            args=arguments,
            train_dataset=rendered(data.train, spec, chat),
            eval_dataset=rendered(data.held_out, spec, chat) if len(data.held_out) else None,
            processing_class=tokenizer,
            peft_config=adapter_config(spec),
            callbacks=[StopAndMark(lambda: stop.requested)],
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
    """The newest whole checkpoint; torn ones, left by a kill in the middle of a save, are removed."""
    from core.training.trainer import CHECKPOINT_COMPLETE

    found = sorted(run.checkpoints.glob("checkpoint-*"), key=lambda folder: int(folder.name.rpartition("-")[2]))
    for folder in [folder for folder in found if not (folder / CHECKPOINT_COMPLETE).exists()]:
        shutil.rmtree(folder)
        found.remove(folder)
    return found[-1] if found else None


def _fit(run: RunFolder, trainer: MultiTaskGRPOTrainer, checkpoint: Path | None, stop: Stop) -> Exit:
    from core.training.trainer import StoppedDuringEvaluation

    steps = trainer.args.max_steps
    try:
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        if trainer.eval_dataset is not None and not stop.requested and not _evaluated(run, steps):
            trainer.evaluate()
    except StoppedDuringEvaluation:
        if trainer.state.global_step:
            trainer._save_checkpoint(trainer.model, trial=None)
            trainer.callback_handler.on_save(trainer.args, trainer.state, trainer.control)
    trainer.model.save_pretrained(run.adapter)
    trainer.processing_class.save_pretrained(run.adapter)
    step = trainer.state.global_step
    if stop.requested:
        return Exit("stopped", f"Stopped on request after step {step} of {steps}.", step)
    return Exit("finished", f"All {steps} steps done.", step)


def _evaluated(run: RunFolder, step: int) -> bool:
    return any(record["split"] == "held_out" and record["step"] == step for record in run.records())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
