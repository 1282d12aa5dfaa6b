"""TRL's GRPO trainer with routed rewards: per-task scoring, our advantages, stratified batches, per-task records.

TRL keeps loss, optimizer and checkpoints. Overridden are the places where a task matters: which rows come
(`_get_train_sampler`, `_prepare_inputs`), how completions are scored (`_calculate_rewards`), what advantages they get
(`_generate_and_score_completions`), which of them make a micro-batch (`_prepare_inputs`), what a checkpoint keeps
(`_save_checkpoint`) and what is logged (`log`); and, where core.training.engine finds that they can be faster, sampling
(`_generate_single_turn`) and the training pass (`_get_per_token_logps_and_entropies`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Sampler
from trl import GRPOTrainer
from trl.trainer.utils import split_tensor_dict

from core.advantages import Floats, Ints, advantages, unscaled
from core.errors import Problem, UserError
from core.metrics import ScoredBatch
from core.mixture import Mixture, save_state
from core.prompts import as_messages, as_text
from core.resampling import Choice
from core.scores import Scores
from core.scoring import Scorer, Scoring
from core.spec import COMPLETION_IDS, RunSpec
from core.task_scale import TOKEN_SUMS, token_factors
from core.training.clock import Clock
from core.training.engine import build_engine
from core.training.keeping import Keeper
from core.training.merging import merged
from core.training.packed_pass import per_token_logprobs
from core.training.recorder import Recorder
from core.training.rollout import Rollout
from core.training.stopping import EndedAtEvaluation, note_end


class Places(Sampler[int]):
    """As many rows as a run has places for, all of them the first: which rows come is decided when they are needed.

    The library fetches a batch before the one at work has been scored, which is too early where the next depends on it.
    """

    def __init__(self, count: int) -> None:
        self._count = count

    def __iter__(self) -> Iterator[int]:
        return repeat(0, self._count)

    def __len__(self) -> int:
        return self._count


def total(prompts: Sequence[Any], completions: Sequence[Any], **columns: Any) -> list[float]:
    """Stands in TRL's list of reward functions; `_calculate_rewards` below computes the totals."""
    raise AssertionError("rewards are computed by the routing table")


class MultiTaskGRPOTrainer(GRPOTrainer):
    """GRPO over rows of several tasks, each scored by its own rewards; in one process, on one device.

    Args:
        spec: the run spec (normalisation, what to do on reward errors).
        scorer: scores completions by the routing table.
        recorder: writes metrics and completions.
        mixture: draws rows and makes advantages.
        keeper: keeps the best adapter, and says which tasks have converged and when the run has had enough.
        **arguments: TRL's own.

    Attributes:
        keeper: as given.
        ended: why training ended before its last step; empty where it did not.
    """

    def __init__(
        self,
        *,
        spec: RunSpec,
        scorer: Scorer,
        recorder: Recorder,
        mixture: Mixture,
        keeper: Keeper,
        **arguments: Any,
    ) -> None:
        self._spec, self._scorer, self._recorder = spec, scorer, recorder
        self._mixture = mixture
        self.keeper = keeper
        self.ended = ""
        self._has_drawn = False
        self._mixture_before = mixture.state  # as it was before the generation that is in use
        self._batch: ScoredBatch | None = None
        self._clock = Clock()
        self._rows: list[dict[str, Any]] = []
        self._scoring: Scoring | None = None
        self._rollout: Rollout | None = None
        self._sampled_at = -1  # the step whose weights the sampler has
        self._buffered_inputs: list[dict[str, Any]] | None = None  # TRL's: a generation, cut into micro-batches
        self._micro_batch: Mapping[str, torch.Tensor] = {}  # what the loss is being computed of
        super().__init__(reward_funcs=[total], **arguments)
        self.engine = build_engine(
            self.accelerator.unwrap_model(self.model),
            self.args,
            spec.engine,
            self.eos_token_ids,
            self._tokenize_prompts([self.train_dataset[row]["prompt"] for row in self._spread_rows()])[0],
            trl=lambda ids, mask, length: super(MultiTaskGRPOTrainer, self)._get_per_token_logps_and_entropies(
                self.model, ids, mask, length
            )[0],
            autocast=self.accelerator.autocast,
        )

    def _spread_rows(self) -> list[int]:
        """Some rows from all over the dataset, to try the model on."""
        return sorted({round(n * (len(self.train_dataset) - 1) / 7) for n in range(8)})

    @property
    def _split(self) -> Any:
        return "train" if self.model.training else "held_out"

    def _get_train_sampler(self, dataset: Any = None) -> Sampler[int]:
        return Places(self.args.max_steps * self.args.gradient_accumulation_steps * self.args.generation_batch_size)

    @property
    def _uses(self) -> int:
        """Micro-batches that use one generation."""
        uses: int = self.num_iterations * self.args.steps_per_generation
        return uses

    @property
    def _used_up(self) -> bool:
        """Whether the next step samples anew."""
        micro_batches: int = self.state.global_step * self.args.gradient_accumulation_steps
        return micro_batches % self._uses == 0

    def _draw(self) -> list[dict[str, Any]]:
        """The rows of the next generation, each G times."""
        self._mixture_before, self._has_drawn = self._mixture.state, True
        drawn = self._mixture.draw(self.args.generation_batch_size // self.num_generations)
        return [row for row in (self.train_dataset[index] for index in drawn) for _ in range(self.num_generations)]

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """TRL's, and what the mixture knows; a generation that is not used up is sampled anew after a resume."""
        super()._save_checkpoint(model, trial)
        state = self._mixture.state if self._used_up else self._mixture_before
        folder = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
        save_state(state, folder)
        note_end(folder, self.ended)

    def train(self, *arguments: Any, **keywords: Any) -> Any:
        """TRL's; the first step's time does not include the loading of the model."""
        self._clock.start()
        return super().train(*arguments, **keywords)

    def _prepare_inputs(self, generation_batch: Any) -> Any:
        """TRL's, with rows of the mixture, unshuffled: a micro-batch keeps whole groups, and each task in its share."""
        if not self.model.training:
            return super()._prepare_inputs(generation_batch)
        if self._step % self._uses == 0 or self._buffered_inputs is None:
            batch = self._generate_and_score_completions(self._draw())
            self._buffered_inputs = split_tensor_dict(batch, self.args.steps_per_generation)
        return self._buffered_inputs[self._step % self.args.steps_per_generation]

    def _generate(self, prompts: list[Any]) -> Any:
        with self._clock.phase("generate"):
            return super()._generate(prompts)

    def _generate_single_turn(
        self, prompt_ids: list[list[int]], images: Any, multimodal_fields: Any, *rest: Any, **options: Any
    ) -> Any:
        """Sample with shared prompts, and score completions while others are still sampled; else TRL's."""
        self._rollout = None
        busy = self.accelerator.device.type == "cpu"
        self._scoring = self._scorer.begin([str(row["task"]) for row in self._rows], busy)
        engine = self.engine
        if engine.sampler is None or images is not None or multimodal_fields:
            return super()._generate_single_turn(prompt_ids, images, multimodal_fields, *rest, **options)
        if self._sampled_at != self.state.global_step:
            engine.refresh()
            self._sampled_at = self.state.global_step
        self._rollout = engine.sampler.sample(prompt_ids, None if self._parses else self._score_finished)
        return self._rollout.ids, None

    def _score_finished(self, finished: Mapping[int, list[int]]) -> None:
        """Hand completions over to the scoring processes."""
        assert self._scoring is not None
        texts = self._texts(list(finished.values()))
        rows = [{**self._rows[i], COMPLETION_IDS: ids} for i, ids in finished.items()]
        self._scoring.add(dict(zip(finished, zip(rows, texts, strict=True), strict=True)))

    @property
    def _parses(self) -> bool:
        """Whether TRL makes more of a completion than its text, by the tokenizer's own template."""
        return any(getattr(self._tokenizer, f"response_{kind}", None) is not None for kind in ("template", "schema"))

    def _texts(self, ids: list[list[int]]) -> list[str]:
        texts: list[str] = self.processing_class.batch_decode(ids, skip_special_tokens=True)
        return texts

    def _get_per_token_logps_and_entropies(
        self, model: Any, input_ids: Any, attention_mask: Any, logits_to_keep: int, *rest: Any, **options: Any
    ) -> Any:
        """Every group's prompt computed once, completions without an advantage left out; else TRL's.

        Evaluation has no loss: nobody reads what TRL would compute for it.
        """
        if not self.model.training:
            nothing = torch.zeros(len(input_ids), logits_to_keep, device=input_ids.device)
            return nothing, nothing, None
        if not self.engine.training.ours:
            return super()._get_per_token_logps_and_entropies(
                model, input_ids, attention_mask, logits_to_keep, *rest, **options
            )
        batch = self._micro_batch
        wanted = batch["advantages"] != 0 if self._may_skip(batch) else None
        with self.accelerator.autocast():
            logprobs, entropies = per_token_logprobs(
                self.accelerator.unwrap_model(model).get_base_model(),
                input_ids,
                attention_mask,
                logits_to_keep,
                temperature=self.temperature,
                wanted=wanted,
                most=self.engine.most_tokens,
            )
        if "rollout_logprobs" in batch:
            policy = batch.get("old_per_token_logps", logprobs)  # as it was when it was sampled from
            self._measure_sampler(batch, policy, torch.ones_like(batch["advantages"]) if wanted is None else wanted)
        if wanted is not None:
            entropies = torch.where(wanted[:, None], entropies, batch["rollout_entropies"])
        return logprobs, entropies, None

    def _may_skip(self, batch: Mapping[str, torch.Tensor]) -> bool:
        """Whether completions without an advantage can be left out: they add nothing to the loss where it is the
        advantage's alone, and their entropies are known from sampling."""
        others = self.beta != 0.0 or self._entropy_bonus_enabled or self.top_entropy_quantile < 1.0
        # Used several times, a batch is passed whole before its first use. Passed in part then, it would be rounded in
        # another way, and in half precision some tokens would be clipped before anything was learnt.
        again = "old_per_token_logps" in batch
        return "rollout_entropies" in batch and not others and not again and self.loss_type != "vespo"

    def _calculate_rewards(self, inputs: Any, prompts: Any, completions: Any, completion_ids_list: Any) -> torch.Tensor:
        """Score the completions, keep them with their advantages, return their totals (N, 1)."""
        texts = [completion if isinstance(completion, str) else completion[0]["content"] for completion in completions]
        assert self._scoring is not None
        with self._clock.phase("score"):
            rest = self._scoring.missing
            rows = {i: {**inputs[i], COMPLETION_IDS: completion_ids_list[i]} for i in rest}
            self._scoring.add({i: (row, texts[i]) for i, row in rows.items()})
            scores = self._scoring.scores()
        if self.model.training:  # held-out rows keep the weights that a schedule ends with: their curves mean the same
            scores = self._mixture.weighted(scores, self.state.global_step + 1)
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
            advantages=unscaled(scores, groups, self._spec.normalisation),
            lengths=np.array([len(tokens) for tokens in ids]),
            clipped=np.array([tokens[-1] not in ends for tokens in ids]),
        )

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        """TRL's, with our advantages; in training, groups without signal give way to other rows of their task."""
        output, batch = self._generation(inputs)
        if self.model.training:
            if self._spec.mixing.resample:
                output, batch = self._with_signal(output, batch)
            batch = self._mixture.weigh(batch)
            self._mixture.see(batch)
        else:
            batch = replace(batch, advantages=advantages(batch.scores, batch.groups, self._spec.normalisation))
        trained = self._pushes(batch, output["completion_mask"].sum(1).cpu().numpy())
        output["advantages"] = torch.tensor(trained, dtype=torch.float32, device=self.accelerator.device)
        step = self.state.global_step + (1 if self.model.training else 0)
        self._recorder.add(self._split, step, batch)
        return output

    def _pushes(self, batch: ScoredBatch, lengths: Ints) -> Floats:
        """The advantages of what is trained on, as the loss takes them: in a sum of tokens, tasks may count alike.

        `lengths` are of what the loss looks at, which may leave out completions that were cut off.
        """
        order, found = batch.order, batch.advantages[batch.order]
        if self._spec.normalisation.task_tokens == "loss" or self.loss_type not in TOKEN_SUMS:
            return found
        return found * token_factors(lengths, [batch.scores.tasks[row] for row in order])

    def _with_signal(self, output: dict[str, Any], batch: ScoredBatch) -> tuple[dict[str, Any], ScoredBatch]:
        """Sample other rows of the task in the place of each group without signal, as long as the budget lasts.

        DAPO (arXiv 2503.14476) samples on until a batch is full of groups with signal, from wherever they come: a task
        with few of them loses its share. Here a group gives way only to one of its own task.
        """
        size = self.num_generations
        left = int(self._spec.mixing.resample * (len(batch.prompts) // size))
        kept, parts, batches = Choice(batch, size), [output], [batch]
        while left > 0 and (tasks := kept.without_signal[:left]):
            left -= len(tasks)
            rows = [self.train_dataset[self._mixture.another(task)] for task in tasks]
            more, other = self._generation([row for row in rows for _ in range(size)])
            parts.append(more)
            batches.append(other)
            kept.offer(other)
        if len(parts) == 1:
            return output, batch
        whole = kept.joined(batches)
        return merged(parts, whole.order.tolist(), self._tokenizer.pad_token_id), whole

    def _generation(self, inputs: list[dict[str, Any]]) -> tuple[dict[str, Any], ScoredBatch]:
        """Completions of some rows, each of which is there G times, and their scores."""
        self._rows = inputs
        output: dict[str, Any] = super()._generate_and_score_completions(inputs)
        assert self._batch is not None
        if self._rollout is not None:
            wide = output["completion_ids"].shape[1]
            for name in ("logprobs", "entropies"):
                figures: torch.Tensor = getattr(self._rollout, name)
                output[f"rollout_{name}"] = torch.nn.functional.pad(figures, (0, wide - figures.shape[1]))
        return output, self._batch

    def _compute_loss(self, model: Any, inputs: Any) -> Any:
        """TRL's loss; our pass needs to know of what, and what the sampler thought of it is measured."""
        self._micro_batch = inputs
        try:
            return super()._compute_loss(model, inputs)
        finally:
            self._micro_batch = {}

    def _measure_sampler(self, batch: Mapping[str, torch.Tensor], logprobs: torch.Tensor, wanted: torch.Tensor) -> None:
        """How far the sampler's log-probabilities lie from the trained policy's, under the name TRL has for vLLM's.

        Where no completion was passed, since none has an advantage, nothing is measured.
        """
        mask = batch["completion_mask"] * wanted[:, None]
        if tokens := mask.sum().item():
            apart = (logprobs.detach() - batch["rollout_logprobs"]).abs() * mask
            self._metrics["train"]["sampling/sampling_logp_difference/mean"].append(apart.sum().item() / tokens)

    def prediction_step(self, model: Any, inputs: Any, *_: Any, **__: Any) -> tuple[None, None, None]:
        """Evaluation samples and scores; TRL would also compute a loss, which says nothing about held-out reward."""
        self._prepare_inputs(inputs)
        return None, None, None

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """TRL's log, and the record of this step or evaluation; the summary at the end of training is no step.

        Trackers that the run reports to get each task's metrics too; the record has them under `tasks`.
        """
        summary = "train_runtime" in logs
        reported = {} if summary or not self.args.report_to else self._recorder.task_metrics()
        prefix = "" if self.model.training else "eval_"
        logs.update({f"{prefix}{name}": value for name, value in reported.items()})
        super().log(logs, start_time)
        for name in reported:
            del logs[f"{prefix}{name}"]
        if not summary:
            cold = self._mixture.frozen if self.model.training else ()
            self._recorder.write(self._split, self.state, self._clock.lap(), logs, _device_gb(), cold)
            self._look_back()

    def _look_back(self) -> None:
        """After a record: keep the best adapter, freeze what has converged, and end where more is no use."""
        enough = ""
        if not self.model.training:
            enough = self.keeper.evaluated(self.accelerator.unwrap_model(self.model), self.processing_class)
        elif self._used_up:
            self._mixture.frozen, enough = self.keeper.rested(self._mixture.frozen)
        if enough:
            self.ended = self.ended or enough
            if not self._has_drawn:  # a resume's first evaluation: nothing is to be trained after it
                raise EndedAtEvaluation
            self.control.should_save = self.control.should_training_stop = True

    def _refuse_errors(self, scores: Scores) -> None:
        """End the run where it asks for that: only an error that makes a total unknown counts."""
        counting = {cell: reason for cell, reason in scores.errors.items() if scores.weights[cell] != 0}
        if self._spec.on_reward_error == "stop" and counting:
            (i, k), reason = next(iter(counting.items()))
            place = f"reward {scores.keys[k]!r}, task {scores.tasks[i]!r}, after step {self.state.global_step}"
            mend = "Mend the reward or its columns, or set on_reward_error: mask."
            raise UserError(Problem(place, f"{reason} ({len(counting)} such).", mend))


def _device_gb() -> float | None:
    """The most memory that was used on the GPU so far, GB; None without one."""
    return round(torch.cuda.max_memory_allocated() / 1e9, 3) if torch.cuda.is_available() else None
