"""Completions for pages: the client of a warm process that holds a model, so that the UI never imports torch.

The process (core.training.sampling_worker) is started by the first question, keeps its model warm, and ends when this
process does or after an idle time; the next question starts another. Rendering and token counts are answered beside a
running sampling: in the worker they have a thread of their own, which needs the tokenizer alone. That costs less than a
second process, which would import the same libraries again.

`Sampler` may be used from several threads at once. Samplings queue; each can be cancelled without the others.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from core.errors import UserError
from core.preview import Group
from core.prompt_rows import as_seen
from core.prompts import Message, render
from core.sampling import ModelChoice, SamplingSettings
from core.sampling_process import Cancelled, EndedByItself, Reply, SamplerState, SamplingProcess
from core.spec import COMPLETION_IDS, TaskSpec

IDLE_S = 600.0

Progress = Callable[[int, int], None]
Stream = Callable[[int, tuple[str, ...]], None]
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Rendered:
    """What the model reads for a row: the text, chat template and all, and its length in tokens."""

    text: str
    tokens: int


@dataclass(frozen=True)
class SampledGroup:
    """The completions of one row.

    Attributes:
        row: its fields, the prompt as the model saw it.
        completions: texts (G).
        token_ids: of each, its end token among them (G).
        clipped: whether the length limit cut it off (G).
    """

    row: Row
    completions: tuple[str, ...]
    token_ids: tuple[tuple[int, ...], ...]
    clipped: tuple[bool, ...]

    @property
    def group(self) -> Group:
        """For scoring; token ids go along, so that rewards which count tokens see what they would see in training."""
        return Group({**self.row, COMPLETION_IDS: [list(ids) for ids in self.token_ids]}, self.completions)


class Sampler:
    """Asks the worker, and starts it where there is none.

    Args:
        idle_s: seconds without a question after which the worker ends and gives its memory back.
    """

    def __init__(self, idle_s: float = IDLE_S) -> None:
        self._idle_s = idle_s
        self._worker: SamplingProcess | None = None
        self._lock = threading.Lock()

    @property
    def state(self) -> SamplerState:
        """What the worker is doing now."""
        worker = self._worker
        return worker.state if worker is not None and not worker.gone else SamplerState()

    def render(self, model: ModelChoice, rows: Sequence[Row], tasks: Mapping[str, TaskSpec]) -> list[Rendered]:
        """What the model reads for each row under its task's settings; answered while a sampling goes on."""
        if not rows:
            return []
        reply = self._answer({"do": "render", "model": asdict(model), "prompts": _prompts(rows, tasks)})
        return [Rendered(**item) for item in reply["end"]]

    def token_ids(self, model: ModelChoice, texts: Sequence[str]) -> list[list[int]]:
        """The token ids of completions, as rewards read them under `completion_ids`; no end token is added."""
        if not texts:
            return []
        found: list[list[int]] = self._answer({"do": "count", "model": asdict(model), "texts": list(texts)})["end"]
        return found

    def sample(
        self,
        model: ModelChoice,
        rows: Sequence[Row],
        tasks: Mapping[str, TaskSpec],
        settings: SamplingSettings,
        progress: Progress | None = None,
        cancelled: Cancelled | None = None,
        stream: Stream | None = None,
    ) -> list[SampledGroup]:
        """A group of completions for each row, in order; where it is cancelled, of those that were whole by then.

        Args:
            model: what to sample from; another than the last is loaded first.
            rows: each with `task` and `prompt`.
            tasks: settings by task: system prompt and template.
            settings: how many completions, and how.
            progress: told (done, whole) in tokens, where a completion that has ended counts as the longest possible.
            cancelled: asked now and then; the model stays warm.
            stream: told (number of a row, texts of its completions so far) several times a second.
        """
        prompts = _prompts(rows, tasks)
        request: Reply = {"do": "sample", "model": asdict(model), "prompts": prompts, "settings": settings.model_dump()}
        request["stream"] = stream is not None
        groups: dict[int, SampledGroup] = {}
        for reply in self._ask(request, cancelled) if rows else ():
            if "group" in reply:
                row = rows[reply["row"]]
                groups[reply["row"]] = _sampled(as_seen(row, tasks.get(row["task"])), reply["group"])
            elif "so_far" in reply and stream is not None:
                stream(reply["row"], tuple(reply["so_far"]))
            elif "done" in reply and progress is not None:
                progress(reply["done"], reply["whole"])
        return [groups[row] for row in sorted(groups)]

    def close(self) -> None:
        """End the worker; a later question starts another."""
        with self._lock:
            worker, self._worker = self._worker, None
        if worker is not None:
            worker.close()

    def _answer(self, request: Reply) -> Reply:
        return next(reply for reply in self._ask(request) if "end" in reply)

    def _ask(self, request: Reply, cancelled: Cancelled | None = None) -> Iterator[Reply]:
        """Replies to a request up to its end. A worker that ended by itself just before is replaced once."""
        for last in (False, True):
            worker = self._running()
            try:
                yield from worker.ask(request, cancelled)
                return
            except EndedByItself:
                if last:
                    raise UserError(worker.death) from None

    def _running(self) -> SamplingProcess:
        with self._lock:
            if self._worker is None or self._worker.gone:
                self._worker = SamplingProcess(self._idle_s)
            return self._worker


def _prompts(rows: Sequence[Row], tasks: Mapping[str, TaskSpec]) -> list[list[Message]]:
    return [render(row, tasks.get(row["task"])) for row in rows]


def _sampled(row: Row, completions: Sequence[Reply]) -> SampledGroup:
    return SampledGroup(
        row,
        tuple(item["text"] for item in completions),
        tuple(tuple(item["ids"]) for item in completions),
        tuple(item["clipped"] for item in completions),
    )
