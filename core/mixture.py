"""What a run carries from batch to batch beside its weights: which rows come next, and how large each task's signal is.

Everything follows from the run's seed and from what was sampled so far, and the whole of it is saved with every
checkpoint: a resumed run draws the rows that an unbroken one would have drawn.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from core.adaptive import TaskSeen, adapted, seen
from core.advantages import Floats, Ints, advantages, unscaled
from core.convergence import thinned
from core.gates import Gates, Place
from core.metrics import ScoredBatch
from core.mixing import Mixer, MixerState
from core.runs import write_atomically
from core.scores import Scores
from core.spec import Mixing, Normalisation
from core.task_scale import running, sizes
from core.weight_schedules import Schedule

FILE = "mixture.json"  # in the folder of a checkpoint


class Mixture:
    """Draws rows and makes advantages, each by what the run has seen so far.

    Args:
        tags: the task of each row of the data.
        base: each task's share before anything is seen, adding up to 1.
        mixing: whether and how shares follow what is seen.
        normalisation: how scores become advantages.
        seed: of the shuffles.
        schedules: of weights that change, by task and reward.

    Attributes:
        frozen: tasks that have converged and keep but a tenth of their share.
    """

    def __init__(
        self,
        tags: Sequence[str],
        base: Mapping[str, float],
        mixing: Mixing,
        normalisation: Normalisation,
        seed: int,
        schedules: Mapping[Place, Schedule] | None = None,
    ) -> None:
        self._tags = tags
        self._base = dict(base)
        self._mixing = mixing
        self._normalisation = normalisation
        self._seed = seed
        self._mixer = Mixer(tags, seed)
        self._seen: dict[str, TaskSeen] = {}
        self._sizes: dict[str, float] = {}
        self._gates = Gates(schedules or {})
        self.frozen: frozenset[str] = frozenset()

    @property
    def shares(self) -> dict[str, float]:
        """Each task's part of the next batch, adding up to 1."""
        found = adapted(self._base, self._seen, self._mixing.adapt, self._mixing.floor)
        return thinned(found, self.frozen)

    def draw(self, count: int) -> list[int]:
        """Indices of the rows of the next batch."""
        return self._mixer.draw(self.shares, count)

    def another(self, task: str) -> int:
        """Index of one more row of a task, outside of its share."""
        return self._mixer.another(task)

    def advantages(self, scores: Scores, groups: Ints) -> Floats:
        """The advantages of a batch (n), by the size of each task's so far and in this batch."""
        self._sizes = running(self._sizes, sizes(unscaled(scores, groups, self._normalisation), scores.tasks))
        return advantages(scores, groups, self._normalisation, self._sizes)

    def weighted(self, scores: Scores, step: int) -> Scores:
        """The scores with the weights of a training step, 1 is the first."""
        return self._gates.weighted(scores, step)

    def weigh(self, batch: ScoredBatch) -> ScoredBatch:
        """The batch with the advantages of what is trained on; all else gets none."""
        order = batch.order
        found = np.zeros(len(batch.prompts))
        found[order] = self.advantages(batch.scores.of(order.tolist()), batch.groups[order])
        return replace(batch, advantages=found)

    def see(self, batch: ScoredBatch) -> None:
        """Learn from a batch which tasks move, and which gates open."""
        self._seen = seen(self._seen, replace(batch, scores=self._gates.whole(batch.scores)))
        self._gates.see(batch.scores)

    @property
    def state(self) -> dict[str, Any]:
        """Everything that it knows, as JSON has it."""
        return {
            **asdict(self._mixer.state),
            "seen": {task: asdict(one) for task, one in self._seen.items()},
            "sizes": self._sizes,
            "gates": self._gates.state,
            "frozen": sorted(self.frozen),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        self._mixer = Mixer(self._tags, self._seed, MixerState(state["drawn"], state["behind"]))
        self._seen = {task: TaskSeen(**one) for task, one in state["seen"].items()}
        self._sizes = dict(state["sizes"])
        self._gates.restore(state["gates"])
        self.frozen = frozenset(state.get("frozen", ()))  # older versions froze nothing

    def go_on(self, checkpoint: Path) -> None:
        """Go on from a checkpoint."""
        self.restore(json.loads((checkpoint / FILE).read_text(encoding="utf-8")))


def is_state(found: Any) -> bool:
    """Whether something has the parts of a state."""
    return isinstance(found, dict) and all(isinstance(found.get(name), dict) for name in ("drawn", "behind", "seen"))


def save_state(state: Mapping[str, Any], checkpoint: Path) -> None:
    """Write a state into the folder of a checkpoint."""
    write_atomically(checkpoint / FILE, json.dumps(state, ensure_ascii=False))
