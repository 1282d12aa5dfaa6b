"""Which completions are to blame where a function of whole batches failed, so that they alone carry the error.

Each completion is tried alone; then those that can be scored are scored once more as one batch, since a function may
compare them. What cannot be told in the time there is, or from single completions, is an error of all of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from rewards.outcome import Outcome, RewardError

ENOUGH = 3  # completions that fail alone before any is scored: then it is the function that fails

# Scores some completions, by number; a `RewardError` where the call as a whole failed.
BatchCall = Callable[[Sequence[int]], list[Outcome] | RewardError]


def without_guilty(call: BatchCall, count: int, reason: RewardError, alone_until: float, until: float) -> list[Outcome]:
    """Outcomes of n completions whose batch failed.

    Args:
        call: scores some of them.
        count: n.
        reason: why the batch failed.
        alone_until: when to begin no further call with one completion, by `time.monotonic`.
        until: when to begin no call at all.
    """
    if count < 2:
        return [reason] * count
    failed: dict[int, RewardError] = {}
    innocent: list[int] = []
    for i in range(count):
        if time.monotonic() > alone_until or (len(failed) >= ENOUGH and not innocent):
            break
        found = call([i])
        if isinstance(found, RewardError):
            failed[i] = found
        else:
            innocent.append(i)
    if not innocent:
        return [reason] * count
    if not failed and len(innocent) == count:
        whole = f"{reason} (with all {count} completions of the batch; each one alone can be scored)"
        return [RewardError(whole)] * count
    untried = RewardError(f"{reason} (not tried alone: the time for this batch of {count} is over)")
    outcomes: list[Outcome] = [failed.get(i, untried) for i in range(count)]
    again = call(innocent) if failed and time.monotonic() < until else untried
    if isinstance(again, RewardError):
        without = RewardError(f"{again} (also without {len(failed)} of {count} completions)") if failed else again
        again = [without] * len(innocent)
    for i, outcome in zip(innocent, again, strict=True):
        outcomes[i] = outcome
    return outcomes
