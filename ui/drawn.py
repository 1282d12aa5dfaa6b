"""What was drawn last, remembered: several viewers of the same thing cost one drawing."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

MOST = 48  # values; a figure has some 100 kB


class Drawn:
    """Values by part and token; a token says everything that a value depends on."""

    def __init__(self) -> None:
        self._values: OrderedDict[tuple[str, str], Any] = OrderedDict()
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, name: str, token: str, make: Callable[[], Any]) -> Any:
        """The value of a part; made where nobody has it, by one of those who ask at the same time."""
        with self._lock:
            lock = self._locks.setdefault(name, threading.Lock())
        with lock:
            if (name, token) not in self._values:
                value = make()
                with self._lock:
                    self._values[name, token] = value
                    while len(self._values) > MOST:
                        self._values.popitem(last=False)
                return value
            return self._values[name, token]
