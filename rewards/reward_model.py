"""A score from a reward model: a sequence classifier with one output, from the Hub or a folder.

Models trained on people's preferences (Bradley-Terry) score an answer as it ends a conversation: prompt and completion
go through the tokenizer's own chat template, or in as a pair where it has none, as older encoders expect. What a score
means is the model's to say; only differences between answers to one prompt were trained.

Where it runs. Scoring processes may use 8 GiB of address space each. Torch and
transformers take 0.7 GiB of it, and loading holds a model's file and its weights at once: 1.5 billion parameters in
bfloat16 peaked at 6.5 GiB, 1.9 billion at 7.8; in float32 it is half as many. Both processes load the model once they
need it, so count its memory twice. A CUDA context reserves far more addresses than that, so `auto` takes a GPU only in
a process without such a limit, and scoring processes are not: there, models run on the processor. A model from the Hub
is fetched at its first use, which counts towards the time limit of ten minutes a batch; fetch it before the run (`hf
download NAME`). Models that need code of their own are refused: it would run unconfined.

A model under RL finds what its reward model overrates: length, lists, praise, confidence. What is closed: special
tokens in a completion are broken up, else it could end its turn and answer itself as a pleased user. What is left: text
beyond `max_length` is cut unread (on the side chosen), and everything else a reward model falls for. Watch another
reward.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from rewards.declaration import BatchFunction, Example, Message, Outcome, Reward, RewardError, trl_reward
from rewards.rubric import SURROGATES, prompt_text

Side = Literal["left", "right"]
Scaling = Literal["sigmoid", "raw", "minus_mean"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]


def _shaped(reward: Reward, parameters: Any) -> Reward:
    """Only a sigmoid has bounds; what is left of a mean depends on the others of the group."""
    bounds = (0.0, 1.0) if parameters.scaling == "sigmoid" else (None, None)
    return replace(reward, range=bounds, deterministic=parameters.scaling != "minus_mean")


TOY = {"model": "my-org/my-reward-model"}


@trl_reward(
    title="Reward model",
    family="judge",
    examples=[
        Example("Paris.", 0.8807970780, {}, {**TOY, "dry_run": 2.0}, "the model's output 2, through a sigmoid"),
        Example("Lyon.", 0.1192029220, {}, {**TOY, "dry_run": -2.0}, "the model's output -2"),
        Example("", 0.5, {}, {**TOY, "dry_run": 0.0}, "empty: the model is asked all the same"),
        Example("Paris.", 2.0, {}, {**TOY, "dry_run": 2.0, "scaling": "raw"}, "the output as it is"),
        Example("Paris.", 0.0, {}, {**TOY, "dry_run": 2.0, "scaling": "minus_mean"}, "alone in its group"),
        Example("Paris.", None, {}, {"model": "./no-such-folder"}, error="there is no such folder"),
    ],
    source="Reward models as in InstructGPT (Ouyang et al. 2022), arXiv 2203.02155; TRL's RewardTrainer",
    timeout_s=600.0,
    shaped=_shaped,
)
def reward_model(
    *,
    model: Annotated[str, Field(min_length=1, description="Hub id or folder of a sequence classifier with one label")],
    revision: Annotated[str | None, Field(description="Branch, tag or commit on the Hub")] = None,
    scaling: Annotated[
        Scaling, Field(description="sigmoid: to 0..1; raw: as it is; minus_mean: less the mean of the same prompt's")
    ] = "sigmoid",
    batch_size: Annotated[int, Field(ge=1, le=1024, description="Completions scored at a time")] = 8,
    max_length: Annotated[
        int, Field(ge=8, description="Tokens of prompt and completion; at most the model's own")
    ] = 2048,
    truncation_side: Annotated[
        Side, Field(description="What is cut beyond that: the start (left) or the end (right)")
    ] = "left",
    dtype: Annotated[Precision, Field(description="auto: as it was saved")] = "auto",
    device: Annotated[Literal["auto", "cpu"], Field(description="auto: a GPU where the process may use one")] = "auto",
    dry_run: Annotated[
        float | None,
        Field(allow_inf_nan=False, description="A number to take for every output: loads nothing, to try a spec"),
    ] = None,
) -> BatchFunction:
    """What a trained reward model gives the completion as the answer to its prompt.

    An output of 2 is 0.88 through the sigmoid. Outputs beyond about 10 are all 1 there, and a group of them teaches
    nothing: take `raw` for a model that has such outputs.
    """

    def scores(prompts: Sequence[Any], completions: Sequence[Any], **columns: Sequence[Any]) -> list[Outcome]:
        texts = [completion[0]["content"] for completion in completions]
        if dry_run is None:
            outputs = _classifier(model, revision, dtype, device, truncation_side).outputs(
                prompts, texts, batch_size, max_length
            )
        else:
            outputs = [dry_run] * len(texts)
        return _scaled(outputs, prompts, scaling)

    return scores


def _scaled(
    outputs: Sequence[float | RewardError], prompts: Sequence[Sequence[Message]], how: Scaling
) -> list[Outcome]:
    """Outputs of the model as scores."""
    groups: dict[str, list[float]] = {}
    names = [json.dumps(prompt, default=str) for prompt in prompts]
    for name, output in zip(names, outputs, strict=True):
        if not isinstance(output, RewardError):
            groups.setdefault(name, []).append(output)
    return [
        output if isinstance(output, RewardError) else _score(output, groups[name], how)
        for name, output in zip(names, outputs, strict=True)
    ]


def _score(output: float, group: Sequence[float], how: Scaling) -> float:
    if how == "raw":
        return output
    if how == "minus_mean":
        return output - math.fsum(group) / len(group)
    return 1 / (1 + math.exp(-output)) if output >= 0 else math.exp(output) / (1 + math.exp(output))


@dataclass(frozen=True)
class _Classifier:
    """A reward model in memory, with its tokenizer."""

    name: str
    model: Any
    tokenizer: Any
    longest: int

    def outputs(
        self, prompts: Sequence[Sequence[Message]], texts: Sequence[str], batch_size: int, max_length: int
    ) -> list[float | RewardError]:
        """The model's output for each completion."""
        found: dict[int, float | RewardError] = {}
        encoded: dict[int, Mapping[str, Any]] = {}
        for i, text in enumerate(texts):
            try:
                encoded[i] = self._encoded(prompts[i], self._plain(text), min(max_length, self.longest))
            except RewardError as error:
                found[i] = error
        by_length = sorted(encoded, key=lambda i: len(encoded[i]["input_ids"]))
        size = batch_size if self.tokenizer.pad_token_id is not None else 1
        for start in range(0, len(by_length), size):
            batch = by_length[start : start + size]
            found.update(zip(batch, self._forward([encoded[i] for i in batch]), strict=True))
        return [found[i] for i in range(len(texts))]

    def _encoded(self, prompt: Sequence[Message], text: str, length: int) -> Mapping[str, Any]:
        """Token ids of prompt and completion, cut to a length."""
        if self.tokenizer.chat_template is None:
            return dict(self.tokenizer(prompt_text(prompt), text, truncation=True, max_length=length))
        from jinja2 import TemplateError

        try:
            whole = self.tokenizer.apply_chat_template(
                [*prompt, {"role": "assistant", "content": text}], tokenize=False
            )
        except TemplateError as error:
            raise RewardError(f"the chat template of {self.name} refuses the prompt: {error!s:.200}") from None
        return dict(self.tokenizer(whole, truncation=True, max_length=length, add_special_tokens=False))

    def _plain(self, text: str) -> str:
        """A completion that holds no special token, nor half a character, which tokenizers refuse."""
        special = {str(token) for token in self.tokenizer.added_tokens_decoder.values() if token.special}
        for token in sorted({*special, *self.tokenizer.all_special_tokens}, key=len, reverse=True):
            text = text.replace(token, f"{token[0]} {token[1:]}")
        return SURROGATES.sub("\ufffd", text)

    def _forward(self, encoded: Sequence[Mapping[str, Any]]) -> list[float | RewardError]:
        import torch

        inputs = self.tokenizer.pad(list(encoded), padding=len(encoded) > 1, return_tensors="pt", verbose=False)
        with torch.inference_mode():
            logits = self.model(**inputs.to(self.model.device)).logits
        return [
            output if math.isfinite(output) else RewardError(f"{self.name} gave {output}; try dtype float32")
            for output in logits[:, 0].float().tolist()
        ]


@lru_cache(maxsize=8)
def _classifier(name: str, revision: str | None, dtype: Precision, device: str, side: Side) -> _Classifier:
    """The model, loaded once a process."""
    from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

    source = _source(name)
    try:
        config = AutoConfig.from_pretrained(source, revision=revision)
        if config.num_labels != 1:
            raise RewardError(f"{name} has {config.num_labels} labels; a reward model has one")
        tokenizer = AutoTokenizer.from_pretrained(source, revision=revision, truncation_side=side, padding_side="right")
        model, info = AutoModelForSequenceClassification.from_pretrained(
            source, revision=revision, config=config, dtype=dtype, output_loading_info=True
        )
    except RewardError:
        raise
    except Exception as error:  # whatever libraries raise: no network, no such model, no memory, a broken file
        line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise RewardError(f"{name} cannot be loaded: {line:.300}{_room()}") from error
    if info["missing_keys"]:
        missing = ", ".join(sorted(info["missing_keys"])[:3])
        raise RewardError(
            f"{name} is no trained classifier: its files have no {missing}, so its scores would be random"
        )
    _share_padding(tokenizer, model.config.get_text_config())
    model.config.use_cache = False
    longest = getattr(model.config.get_text_config(), "max_position_embeddings", None) or tokenizer.model_max_length
    return _Classifier(name, model.eval().to(_device(device)), tokenizer, min(longest, tokenizer.model_max_length))


def _source(name: str) -> str:
    """A Hub id, or the path of a folder."""
    folder = Path(name).expanduser()
    if folder.is_dir():
        return str(folder.resolve())
    if name.startswith((".", "/", "~")):
        raise RewardError(f"model {name}: there is no such folder; check the path")
    return name


def _share_padding(tokenizer: Any, config: Any) -> None:
    """One padding token for both, since a decoder scores the last token that is not padding; without, batches of 1."""
    if tokenizer.pad_token_id is None and config.pad_token_id is not None:
        tokenizer.pad_token = tokenizer.convert_ids_to_tokens(config.pad_token_id)
    config.pad_token_id = tokenizer.pad_token_id


def _address_limit() -> int | None:
    """Bytes of address space that this process may use."""
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if limit == resource.RLIM_INFINITY else limit


def _device(wanted: str) -> str:
    """A GPU where there is one and the process has addresses for it, else the processor."""
    import torch

    return "cuda" if wanted == "auto" and _address_limit() is None and torch.cuda.is_available() else "cpu"


def _room() -> str:
    limit = _address_limit()
    return f" (a scoring process has {limit / 2**30:.3g} GiB of addresses)" if limit else ""
