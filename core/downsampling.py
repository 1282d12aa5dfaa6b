"""Long curves as the few points that a plot has room for: spikes stay, means stay means.

A raw curve keeps the lowest and the highest point of each stretch of steps (the min/max decimation of oscilloscopes); a
smoothed one is the mean of each stretch, then an exponential moving average over the stretches.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.columns import Ints

Floats = NDArray[np.floating]

MEMORY_STEPS = 5.0  # time constant of the moving average in a short run, steps
MEMORY_SHARE = 0.01  # in a long one, as a share of the steps that are shown


class Curve(NamedTuple):
    """Points (n) of one line."""

    steps: Ints
    values: Floats


def within(curve: Curve, first: int, last: int) -> Curve:
    """The points of steps `first` to `last`, both included."""
    start, end = np.searchsorted(curve.steps, [first, last + 1])
    return Curve(curve.steps[start:end], curve.values[start:end])


def extremes(curve: Curve, most: int) -> Curve:
    """At most so many of the points, among them the first, the last, and every stretch's lowest and highest.

    Args:
        curve: n points with numbers, in order.
        most: points to keep, at least 4.
    """
    count = len(curve.steps)
    if count <= most:
        return curve
    edges = _edges(count, (most - 2) // 2)
    picked = {0, count - 1}
    for start, end in itertools.pairwise(edges):
        part = curve.values[start:end]
        picked |= {int(start + part.argmin()), int(start + part.argmax())}
    rows = np.array(sorted(picked))
    return Curve(curve.steps[rows], curve.values[rows])


def means(curve: Curve, most: int) -> Curve:
    """The mean of each of at most so many stretches, at its last step."""
    count = len(curve.steps)
    if count <= most:
        return curve
    edges = _edges(count, most)
    sums = np.add.reduceat(curve.values.astype(np.float64), edges[:-1])
    return Curve(curve.steps[edges[1:] - 1], sums / np.diff(edges))


def smoothed(curve: Curve, most: int) -> Curve:
    """An exponential moving average of at most so many stretches, unbiased at the start.

    Its memory is `MEMORY_STEPS` points, or `MEMORY_SHARE` of a long curve.
    """
    points = means(curve, most)
    if not len(points.steps):
        return points
    stretch = len(curve.steps) / len(points.steps)
    memory = max(MEMORY_STEPS, MEMORY_SHARE * len(curve.steps))
    past = float(np.exp(-stretch / memory))
    found = np.empty(len(points.values))
    mean = weight = 0.0
    for n, value in enumerate(points.values.tolist()):
        mean, weight = past * mean + (1 - past) * value, past * weight + (1 - past)
        found[n] = mean / weight
    return Curve(points.steps, found)


def _edges(count: int, stretches: int) -> Ints:
    """Where stretches of equal length begin, and the end of the last (stretches + 1)."""
    return np.linspace(0, count, stretches + 1).round().astype(np.int64)
