"""What a reward says about a completion: a number, not applicable, or an error with its reason. An error is never 0."""

from __future__ import annotations


class RewardError(Exception):
    """A completion that could not be scored, with the reason: raised by a reward, or kept in place of its score."""


Outcome = float | None | RewardError
