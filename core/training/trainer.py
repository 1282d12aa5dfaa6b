"""TRL's GRPO trainer with routed rewards: per-task scoring, our advantages, stratified batches, per-task records.

TRL keeps generation, loss, optimizer and checkpoints. Overridden are the places where a task matters: which rows come
(`_get_train_sampler`), how completions are scored (`_calculate_rewards`), what advantages they get
(`_generate_and_score_completions`) and what is logged (`log`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Sampler
from transformers import TrainerCallback
from trl import GRPOTrainer

from core.advantages import advantages
from core.errors import Problem, UserError
from core.metrics import ScoredBatch
from core.prompts import as_messages, as_text
from core.scoring import Scorer, Scores
from core.spec import COMPLETION_IDS, RunSpec
from core.training.recorder import Recorder

CHECKPOINT_COMPLETE = "complete.json"


class StoppedDuringEvaluation(Exception):
    """A stop was asked for while held-out rows were evaluated; the step before is whole."""


class RepeatedOrder(Sampler[int]):
    """A given order of rows as TRL consumes it: each row G times, each generation batch as often as it is used.

    Args:
        order: row indices, one a prompt.
        group_size: completions a prompt, G.
        batch_size: prompts sampled from at once.
        uses: micro-batches that use one generation.
        length: micro-batches in the whole run; the last generation may be used less often than the others.
    """

    def __init__(self, order: NDArray[np.int64], *, group_size: int, batch_size: int, uses: int, length: int) -> None:
        self._batches = order.reshape(-1, batch_size).repeat(group_size, axis=1)
        self._uses = uses
        self._length = length

    def __iter__(self) -> Iterator[int]:
        for n in range(self._length):
            yield from self._batches[n // self._uses].tolist()

    def __len__(self) -> int:
        return self._length * int(self._batches.shape[1])


def total(prompts: Sequence[Any], completions: Sequence[Any], **columns: Any) -> list[float]:
    """Stands in TRL's list of reward functions; `_calculate_rewards` below computes the totals."""
    raise AssertionError("rewards are computed by the routing table")


class MultiTaskGRPOTrainer(GRPOTrainer):
    """GRPO over rows of several tasks, each scored by its own rewards; in one process, on one device.

    Args:
        spec: the run spec (normalisation, what to do on reward errors).
        scorer: scores completions by the routing table.
        recorder: writes metrics and completions.
        order: row indices of the whole run, one a prompt.
        **arguments: TRL's own.
    """

    def __init__(
        self, *, spec: RunSpec, scorer: Scorer, recorder: Recorder, order: NDArray[np.int64], **arguments: Any
    ) -> None:
        self._spec = spec
        self._scorer = scorer
        self._recorder = recorder
        self._order = order
        self._batch: ScoredBatch | None = None
        self._seconds: dict[str, float] = {}
        self._began = time.perf_counter()
        super().__init__(reward_funcs=[total], **arguments)

    @property
    def _split(self) -> Any:
        return "train" if self.model.training else "held_out"

    def _get_train_sampler(self, dataset: Any = None) -> Sampler[int]:
        return RepeatedOrder(
            self._order,
            group_size=self.num_generations,
            batch_size=self.args.generation_batch_size // self.num_generations,
            uses=self.num_iterations * self.args.steps_per_generation,
            length=self.args.max_steps * self.args.gradient_accumulation_steps,
        )

    def train(self, *arguments: Any, **keywords: Any) -> Any:
        """TRL's; the first step's time does not include the loading of the model."""
        self._began = time.perf_counter()
        return super().train(*arguments, **keywords)

    def _generate(self, prompts: list[Any]) -> Any:
        with self._timed("generate"):
            return super()._generate(prompts)

    def _calculate_rewards(self, inputs: Any, prompts: Any, completions: Any, completion_ids_list: Any) -> torch.Tensor:
        """Score the completions, keep them with their advantages, return their totals (N, 1)."""
        texts = [completion if isinstance(completion, str) else completion[0]["content"] for completion in completions]
        rows = [{**row, COMPLETION_IDS: ids} for row, ids in zip(inputs, completion_ids_list, strict=True)]
        with self._timed("score"):
            scores = self._scorer.score(rows, texts)
        self._refuse_errors(scores)
        self._batch = self._scored_batch(scores, prompts, texts, completion_ids_list)
        return torch.tensor(self._batch.scores.totals, dtype=torch.float32, device=self.accelerator.device)[:, None]

    def _scored_batch(self, scores: Scores, prompts: Any, texts: list[str], ids: Any) -> ScoredBatch:
        group_size = self.num_generations if self.model.training else self.num_generations_eval
        ends = {*self.eos_token_ids, self._tokenizer.pad_token_id}
        groups = np.arange(len(texts)) // group_size
        return ScoredBatch(
            prompts=tuple(as_text(as_messages(prompt)) for prompt in prompts),
            completions=tuple(texts),
            scores=scores,
            groups=groups,
            advantages=advantages(scores, groups, self._spec.normalisation),
            lengths=np.array([len(tokens) for tokens in ids]),
            clipped=np.array([tokens[-1] not in ends for tokens in ids]),
        )

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        output: dict[str, Any] = super()._generate_and_score_completions(inputs)
        assert self._batch is not None
        found = self._batch.advantages
        output["advantages"] = torch.tensor(found, dtype=torch.float32, device=self.accelerator.device)
        step = self.state.global_step + (1 if self.model.training else 0)
        self._recorder.add(self._split, step, self._batch)
        return output

    def prediction_step(self, model: Any, inputs: Any, *_: Any, **__: Any) -> tuple[None, None, None]:
        """Evaluation samples and scores; TRL would also compute a loss, which says nothing about held-out reward."""
        self._prepare_inputs(inputs)
        return None, None, None

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """TRL's log, and the record of this step or evaluation; the summary at the end of training is no step."""
        summary = "train_runtime" in logs
        super().log(logs, start_time)
        if not summary:
            self._recorder.write(self._split, self.state, self._phase_times(), logs)

    def _refuse_errors(self, scores: Scores) -> None:
        """End the run where it asks for that: only an error that makes a total unknown counts."""
        counting = {cell: reason for cell, reason in scores.errors.items() if scores.weights[cell] != 0}
        if self._spec.on_reward_error == "stop" and counting:
            (i, k), reason = next(iter(counting.items()))
            place = f"reward {scores.keys[k]!r}, task {scores.tasks[i]!r}, after step {self.state.global_step}"
            mend = "Mend the reward or its columns, or set on_reward_error: mask."
            raise UserError(Problem(place, f"{reason} ({len(counting)} such).", mend))

    def _timed(self, phase: str) -> _Timer:
        return _Timer(self._seconds, phase)

    def _phase_times(self) -> dict[str, float]:
        """Seconds since the last record: all of them, and those spent generating and scoring; the rest is training."""
        now = time.perf_counter()
        times = {"all": now - self._began, **self._seconds}
        self._began, self._seconds = now, {}
        return {phase: round(seconds, 3) for phase, seconds in times.items()}


class _Timer:
    """Adds the wall time of a block to a phase."""

    def __init__(self, seconds: dict[str, float], phase: str) -> None:
        self._seconds = seconds
        self._phase = phase

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        spent = time.perf_counter() - self._start
        self._seconds[self._phase] = self._seconds.get(self._phase, 0.0) + spent


class StopAndMark(TrainerCallback):
    """Ends training at a checkpoint when asked to, and marks every checkpoint that is whole."""

    def __init__(self, stop_requested: Callable[[], bool]) -> None:
        self._stop_requested = stop_requested

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        if self._stop_requested():
            control.should_save = control.should_training_stop = True
            control.should_evaluate = False
        return control

    def on_prediction_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self._stop_requested():
            raise StoppedDuringEvaluation

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """A kill in the middle of a save leaves a folder without this mark, which resume then passes over."""
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        (folder / CHECKPOINT_COMPLETE).write_text(json.dumps({"step": state.global_step}), encoding="utf-8")
