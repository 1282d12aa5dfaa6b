"""A loaded model that samples groups of completions and can be interrupted between two tokens.

Our own sampling (core.training.rollout) where the engine knows of nothing against it and a trial agrees with the
model's own forward pass; else `generate` of transformers. An adapter is merged in: nothing is trained here. A small
model changes between two adapters, or its base and one, by writing the weights in which they differ: both stay at hand.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor
from transformers import AutoModelForCausalLM, GenerationConfig, StoppingCriteria, StoppingCriteriaList
from trl import GRPOConfig

from core.errors import Problem, UserError
from core.models import model_source
from core.sampling import ModelChoice, SamplingSettings
from core.training import packing, trial
from core.training.arguments import precision
from core.training.engine import unsupported_model, unsupported_sampling
from core.training.rollout import Sampler, Sampling
from core.training.texts import Texts

# Completions sampled at once, at least one whole group: more take longer to show the first group, fewer waste the
# processor.
BATCH = 32
CACHE_BYTES = 4_000_000_000
LONGEST = 1024  # tokens for which the cache is planned; a longer completion takes more of it
TRIED = ("What is 2 + 3?", "Name the capital of France and say one thing about it.")
SHARED = ("max_completion_length", "top_p", "top_k", "min_p", "repetition_penalty")

SWITCHED_BYTES = 2_000_000_000  # of weights; a larger model is loaded anew for another adapter, as two may not fit

Ids = list[int]
Stamps = tuple[str | None, list[tuple[str, int, int]]]
Watch = Callable[[int], None]  # told how many tokens are done; may raise to break off
SoFar = Callable[[], dict[int, list[Ids]]]  # number of a prompt -> its completions as far as they have come
Stream = Callable[[SoFar], None]  # told after each token how to see what there is


@dataclass
class _Count:
    """Tokens done in a batch; a completion that has ended counts as the longest possible."""

    watch: Watch
    stream: Stream | None
    first: int  # number of the batch's first prompt
    prompts: int
    g: int
    longest: int
    _ended: int = 0
    _step: int = 0

    def end(self, finished: Mapping[int, Ids]) -> None:
        self._ended += len(finished)

    def token(self, ids: Callable[[], list[Ids]]) -> None:
        """Another token of each; `ids` gives the batch's completions so far."""
        self._step += 1
        going = self.prompts * self.g - self._ended
        self.watch((self.first * self.g + self._ended) * self.longest + going * self._step)
        if self.stream is not None:
            self.stream(lambda: dict(enumerate(_groups(ids(), self.g), start=self.first)))


def _groups(found: list[Ids], g: int) -> Iterator[list[Ids]]:
    return (found[n : n + g] for n in range(0, len(found), g))


class _WatchedSampler(Sampler):
    """Says after each token that it is there."""

    token: Callable[[Callable[[], list[Ids]]], None] = staticmethod(lambda ids: None)

    def _heard(self, batch: Any) -> None:
        self.token(batch.completions)


class WarmModel:
    """A model on its device, ready to sample.

    Attributes:
        choice: which it is.
        reason: why sampling is left to transformers; empty where it is ours.
    """

    def __init__(self, choice: ModelChoice, texts: Texts) -> None:
        self.choice = choice
        self._worn = _stamps(choice)
        self._texts = texts
        self._model = _loaded(choice)
        tokenizer, own = texts.tokenizer, self._model.generation_config.eos_token_id
        self._pad: int = tokenizer.pad_token_id
        self._eos = list(dict.fromkeys([tokenizer.eos_token_id, *([own] if isinstance(own, int) else own or [])]))
        self._sampler, self.reason = self._own_sampler()
        self._other: tuple[Stamps, dict[str, Tensor]] | None = None  # another adapter, its weights that differ

    def holds(self, choice: ModelChoice) -> bool:
        """Whether a choice needs no other weights than these; a run that goes on writes its adapter anew."""
        return choice.name == self.choice.name and self._worn == _stamps(choice)

    def wear(self, choice: ModelChoice) -> bool:
        """Change to another adapter of the same model, or to none; False where it has to be loaded anew.

        Raises:
            UserError: the adapter cannot be loaded. Then nothing has changed.
        """
        size = sum(weight.nbytes for weight in self._model.parameters())
        if choice.name != self.choice.name or size > SWITCHED_BYTES:
            return False
        stamp = _stamps(choice)
        if self._other is None or self._other[0] != stamp:
            self._other = None
            differing = self._differing(choice)
            if differing is None:
                return False
            self._other = stamp, differing
        self._exchange(self._other[1])
        self._worn, self._other = stamp, (self._worn, self._other[1])
        self.choice = choice
        return True

    def _differing(self, choice: ModelChoice) -> dict[str, Tensor] | None:
        """The weights of a choice that are not the ones worn now; None where not all can be written in place."""
        own, other = dict(self._model.named_parameters()), dict(_loaded(choice).named_parameters())
        if {name: weight.shape for name, weight in own.items()} != {n: weight.shape for n, weight in other.items()}:
            return None
        found = {name: weight.data for name, weight in other.items() if not torch.equal(weight, own[name])}
        head = self._model.get_output_embeddings().weight  # of which the sampler keeps a copy in another order
        return None if any(own[name] is head for name in found) else found

    def _exchange(self, weights: dict[str, Tensor]) -> None:
        """Write these weights, and keep in their place those that were there."""
        for name, weight in self._model.named_parameters():
            if name in weights:
                before = weight.data.clone()
                weight.data.copy_(weights[name])
                weights[name] = before
        if self._sampler is not None:
            self._sampler.refresh()

    def sample(
        self, prompts: Sequence[Ids], settings: SamplingSettings, watch: Watch, stream: Stream | None = None
    ) -> Iterator[list[Ids]]:
        """The completions of each prompt, group by group; the same seed gives the same ones.

        Args:
            prompts: token ids.
            settings: how.
            watch: told after each token how many are done of `len(prompts) * num_generations *
                max_completion_length`; what it raises breaks the sampling off and harms nothing.
            stream: told after each token how to see the completions that are being sampled.
        """
        g, longest = settings.num_generations, settings.max_completion_length
        size = max(1, BATCH // g)
        for start in range(0, len(prompts), size):
            part = prompts[start : start + size]
            torch.manual_seed((settings.seed + start) % 2**63)
            found = self._batch(part, settings, _Count(watch, stream, start, len(part), g, longest))
            watch((start + len(part)) * g * longest)
            yield from _groups(found, g)

    def clipped(self, ids: Ids) -> bool:
        """Whether the length limit cut a completion off."""
        return ids[-1] not in {*self._eos, self._pad}

    def _batch(self, prompts: Sequence[Ids], settings: SamplingSettings, count: _Count) -> list[Ids]:
        if self._sampler is None:
            return self._generate(prompts, settings, count)
        self._sampler.token = count.token
        repeated = [ids for ids in prompts for _ in range(settings.num_generations)]
        return self._sampler.sample(repeated, count.end, self._sampling(settings)).ids

    def _sampling(self, settings: SamplingSettings) -> Sampling:
        shared = {name: getattr(settings, name) for name in SHARED}
        if settings.temperature == 0:
            shared["top_k"] = 1
        return Sampling(eos=tuple(self._eos), temperature=settings.temperature or 1.0, **shared)

    @torch.inference_mode()
    def _generate(self, prompts: Sequence[Ids], settings: SamplingSettings, count: _Count) -> list[Ids]:
        """By transformers, as TRL asks it."""
        wide = max(map(len, prompts))
        ids = torch.tensor([[self._pad] * (wide - len(row)) + row for row in prompts], device=self._model.device)
        mask = torch.tensor([[0] * (wide - len(row)) + [1] * len(row) for row in prompts], device=ids.device)
        sampling = self._sampling(settings)
        config = GenerationConfig(  # type: ignore[no-untyped-call]
            do_sample=True,
            num_return_sequences=settings.num_generations,
            max_new_tokens=sampling.max_completion_length,
            temperature=sampling.temperature,
            eos_token_id=self._eos,
            pad_token_id=self._pad,
            **{name: getattr(sampling, name) for name in SHARED[1:]},
        )
        found = self._model.generate(
            ids,
            attention_mask=mask,
            generation_config=config,
            stopping_criteria=StoppingCriteriaList([_Heard(count, lambda row: self._to_end(row[wide:]))]),
        )
        return [self._to_end(row) for row in found[:, wide:].tolist()]

    def _to_end(self, ids: Ids) -> Ids:
        """A completion up to its end token."""
        end = next((n for n, token in enumerate(ids) if token in self._eos), len(ids))
        return ids[: end + 1]

    def _own_sampler(self) -> tuple[_WatchedSampler | None, str]:
        """Our sampler, or why there is none."""
        arguments = GRPOConfig(output_dir="unused", **precision())
        bare = _Bare(self._model)
        if reason := unsupported_model(bare, arguments) or unsupported_sampling(bare, arguments):
            return None, reason
        before = self._model.config._attn_implementation
        try:
            packing.install(self._model.config)
            sampler = _WatchedSampler(self._model, Sampling(LONGEST, tuple(self._eos)), CACHE_BYTES)
            _try(self._model, sampler, self._texts.ids(TRIED))
        except Exception as error:  # the boundary: whatever a model does not bear is a reason for transformers' way
            self._model.config._attn_implementation = before
            return None, f"a trial failed: {type(error).__name__}: {error!s:.200}"
        return sampler, ""


@dataclass(frozen=True)
class _Bare:
    """A model without an adapter, where the engine asks an adapted one for its base."""

    model: Any

    def get_base_model(self) -> Any:
        return self.model


class _Heard(StoppingCriteria):
    """Counts tokens for transformers; it stops nothing unless the watch raises."""

    def __init__(self, count: _Count, completion: Callable[[Ids], Ids]) -> None:
        self._count, self._completion = count, completion

    def __call__(self, input_ids: Tensor, scores: Any, **_: Any) -> Tensor:
        self._count.token(lambda: [self._completion(row) for row in input_ids.tolist()])
        return torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)


@torch.inference_mode()
def _try(model: Any, sampler: Sampler, prompts: Sequence[Ids]) -> None:
    """Sample the likeliest tokens; the model's own pass must find them as likely. ArithmeticError where it does not."""
    found = sampler.sample(prompts, sampling=Sampling(trial.TOKENS, (), top_k=1))
    theirs = torch.stack([_logprobs(model, prompt, own) for prompt, own in zip(prompts, found.ids, strict=True)])
    trial.compare(theirs, found.logprobs, torch.ones_like(theirs), model.dtype)


def _logprobs(model: Any, prompt: Ids, own: Ids) -> Tensor:
    """Of each token of a completion, by the model's own pass: (tokens,)."""
    ids = torch.tensor([[*prompt, *own]], device=model.device)
    logits = model(input_ids=ids, use_cache=False).logits[0, len(prompt) - 1 : -1].float()
    found: Tensor = logits.log_softmax(-1).gather(1, ids[0, len(prompt) :, None])[:, 0]
    return found


def _stamps(choice: ModelChoice) -> Stamps:
    """The adapter, and name, size and time of a choice's files, as far as it names folders."""
    folders = [Path(name) for name in (choice.name, choice.adapter) if name is not None and Path(name).is_dir()]
    files = [(file, file.stat()) for folder in folders for file in sorted(folder.iterdir()) if file.is_file()]
    return choice.adapter, [(str(file), stat.st_size, stat.st_mtime_ns) for file, stat in files]


def _loaded(choice: ModelChoice) -> Any:
    """The model with its adapter merged in, on the accelerator where there is one."""
    source = model_source(choice.name)
    # A build of torch for CUDA, which pip brings by itself, names cuda where there is no GPU, too.
    device = torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    try:
        model = AutoModelForCausalLM.from_pretrained(source, dtype=precision()["model_init_kwargs"]["dtype"])
    except Exception as error:  # the boundary: what a model's files may be is not ours to know
        mend = "Check the id, the network, or name a folder."
        raise _cannot_load(f"model: {choice.name}", error, mend) from error
    if choice.adapter is not None:
        model = _merged(model, choice.adapter)
    found: Any = model
    return found.to(device).eval()


def _merged(model: Any, adapter: str) -> Any:
    where = f"adapter: {adapter}"
    if not (Path(adapter) / "adapter_config.json").exists():
        what = "this folder holds no adapter (adapter_config.json)."
        raise UserError(Problem(where, what, "Name a run's adapter/ folder; it is there when the run has ended."))
    try:
        return PeftModel.from_pretrained(model, adapter).merge_and_unload()
    except Exception as error:  # the boundary, as above
        raise _cannot_load(where, error, "Take the model that the adapter was trained on.") from error


def _cannot_load(where: str, error: Exception, mend: str) -> Exception:
    """For the user, unless memory is what is lacking: that is said elsewhere."""
    if out_of_memory(error):
        return error
    lines = str(error).splitlines() or [""]
    return UserError(Problem(where, f"it cannot be loaded: {type(error).__name__}: {lines[0]:.300}", mend))


def forget() -> None:
    """Give back the memory of a model that nothing refers to any more, before another is loaded."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def out_of_memory(error: BaseException) -> bool:
    """Whether memory is what was lacking, on the processor or an accelerator."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)
