"""Estimates over prompts, each with an interval of 95 %: mean rewards, pass@k, and differences between two models.

- pass@k of a prompt with n scored completions, c of which pass: 1 - C(n-c, k) / C(n, k), the unbiased estimator of Chen
  et al. 2021, "Evaluating Large Language Models Trained on Code" (arXiv:2107.03374, section 2.1). A prompt with fewer
  than k scored completions says nothing about pass@k and is left out.
- A mean reward, and any difference, has Student's interval (1908) over prompts: completions of one prompt are alike, so
  a prompt counts once, with the mean of its completions. Two models are compared prompt by prompt, so that what makes a
  prompt hard for both cancels. With few prompts a bootstrap's interval is far too narrow: of two models that are the
  same it calls every fifth pair different on four prompts. Where all prompts say the same, the interval has no width,
  and only the number of prompts says how much that means. It is cut where no value can lie: of two prompts it would
  else reach far below the lowest total that rewards allow.
- A pass rate has Wilson's score interval (1927) with the number of prompts as its n. It stays inside 0..1 and is not of
  width 0 where all pass, as Student's would be. A prompt's pass@k lies between 0 and 1, so it varies at most as
  much as a coin with the same mean: the interval is rather too wide than too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, stdev

LEVEL = 0.95
ROUNDING = 1e-9


@dataclass(frozen=True)
class Estimate:
    """A mean over prompts.

    Attributes:
        value: the mean; None where no prompt says anything.
        low: lower end of its interval; None where there are too few prompts for one.
        high: upper end.
        prompts: how many it is the mean of.
    """

    value: float | None
    low: float | None
    high: float | None
    prompts: int


NOTHING = Estimate(None, None, None, 0)


def pass_at_k(n: int, c: int, k: int) -> float | None:
    """The chance that at least one of k completions passes, estimated without bias from n, c of which pass.

    >>> pass_at_k(n=4, c=1, k=1), pass_at_k(n=4, c=1, k=2), pass_at_k(n=3, c=0, k=4)
    (0.25, 0.5, None)
    """
    if not 0 <= c <= n or k < 1:
        raise ValueError(f"{c} of {n} completions pass, k = {k}")
    if n < k:
        return None
    return 1.0 - math.comb(n - c, k) / math.comb(n, k)


def rate(values: Sequence[float]) -> Estimate:
    """The mean of chances, one a prompt, with Wilson's interval."""
    if not values:
        return NOTHING
    p = math.fsum(values) / len(values)
    return Estimate(p, *wilson(p, len(values)), len(values))


def wilson(share: float, count: int) -> tuple[float, float]:
    """Wilson's interval of a share of so many trials, which holds for few of them and for shares of 0 and 1.

    >>> [round(end, 2) for end in wilson(1.0, 8)]
    [0.68, 1.0]
    """
    z = NormalDist().inv_cdf((1 + LEVEL) / 2)
    middle, scale = share + z * z / (2 * count), 1 + z * z / count
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    # Rounding must not put an interval past a mean that lies at its end.
    return min(share, max(0.0, (middle - half) / scale)), max(share, min(1.0, (middle + half) / scale))


def mean(values: Sequence[float], lowest: float | None = None, highest: float | None = None) -> Estimate:
    """The mean of figures, one a prompt, with Student's interval; none for a single prompt.

    Args:
        values: the figures.
        lowest: what none of them can be below; None where there is no such end.
        highest: what none of them can be above.

    >>> round(mean([0.0, 0.5]).low, 2), mean([0.0, 0.5], lowest=0.0).low
    (-2.93, 0.0)
    """
    count = len(values)
    if not count:
        return NOTHING
    found = math.fsum(values) / count
    if count < 2:
        return Estimate(found, None, None, count)
    spread = stdev(values)
    if spread <= ROUNDING * max(1.0, abs(found)):  # of values that are the same but for how they were reckoned
        spread = 0.0
    half = student(count - 1) * spread / math.sqrt(count)
    low, high = found - half, found + half
    # The mean itself may lie a rounding beyond such an end.
    low = low if lowest is None else min(found, max(low, lowest))
    return Estimate(found, low, high if highest is None else max(found, min(high, highest)), count)


def difference(before: Sequence[float | None], after: Sequence[float | None], most: float | None = None) -> Estimate:
    """The mean of after - before over the prompts that have both, with Student's interval; none exceeds `most`."""
    pairs = zip(before, after, strict=True)
    apart = [b - a for a, b in pairs if a is not None and b is not None]
    return mean(apart, None if most is None else -most, most)


def student(freedom: int) -> float:
    """How many standard errors Student's interval reaches to either side.

    Exact for 1 and 2 degrees of freedom, beyond by the expansion in Abramowitz and Stegun, 26.7.5, within 0.5 %.

    >>> [round(student(freedom), 2) for freedom in (1, 2, 10, 1000)]
    [12.71, 4.3, 2.23, 1.96]
    """
    p = (1 + LEVEL) / 2
    if freedom == 1:
        return math.tan(math.pi * (p - 0.5))
    if freedom == 2:
        return (2 * p - 1) / math.sqrt(2 * p * (1 - p))
    z = NormalDist().inv_cdf(p)
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return math.fsum(term / freedom**n for n, term in enumerate(terms))
