"""The reward library: every module of this folder declares one reward function or one close family of them."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from rewards.declaration import Reward


@cache
def registry() -> dict[str, Reward]:
    """All declared rewards by name, found by importing every module of this folder."""
    found: dict[str, Reward] = {}
    for info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{info.name}")
        for value in vars(module).values():
            if not isinstance(value, Reward):
                continue
            if found.setdefault(value.name, value) is not value:
                raise TypeError(f"two rewards are called {value.name!r}; the second is in {module.__file__}")
    return dict(sorted(found.items()))
