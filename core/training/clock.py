"""Where the time of a step goes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Clock:
    """Wall time since the last record, and what of it went into which phase."""

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Count from now."""
        self._began = time.perf_counter()
        self._phases: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the time of a block to a phase."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._phases[name] = self._phases.get(name, 0.0) + time.perf_counter() - start

    def lap(self) -> dict[str, float]:
        """Seconds since the last lap: `all` of them, and each phase's; what is in none of them is training."""
        times = {"all": time.perf_counter() - self._began, **self._phases}
        self.start()
        return {phase: round(seconds, 3) for phase, seconds in times.items()}
