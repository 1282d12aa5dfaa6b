"""The reward library: every module of this folder declares one reward function or one close family of them."""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any

from rewards.declaration import Reward


def registry() -> dict[str, Reward]:
    """All declared rewards by name, found by importing every module of this folder."""
    return _scan()[0]


def broken() -> dict[str, str]:
    """Files of this folder that cannot be imported, with the reason: they cost no other reward."""
    return _scan()[1]


def declared(name: str, params: Mapping[str, Any]) -> Reward:
    """The reward of a route, as the route's parameters make it; see `Reward.of`.

    Raises:
        KeyError: there is no reward of that name.
    """
    return _shaped(name, json.dumps(params, default=repr))


@lru_cache(maxsize=256)
def _shaped(name: str, params: str) -> Reward:
    return registry()[name].of(json.loads(params))


@cache
def _scan() -> tuple[dict[str, Reward], dict[str, str]]:
    found: dict[str, Reward] = {}
    failed: dict[str, str] = {}
    for info in pkgutil.iter_modules(__path__):
        try:
            module = importlib.import_module(f"{__name__}.{info.name}")
        except (Exception, SystemExit) as error:  # the boundary where a file's own failure becomes data
            failed[f"{__name__}/{info.name}.py"] = f"{type(error).__name__}: {error}"
            continue
        for value in vars(module).values():
            if isinstance(value, Reward) and found.setdefault(value.name, value) is not value:
                failed[f"{__name__}/{info.name}.py"] = f"another reward is called {value.name!r} already"
    return dict(sorted(found.items())), failed
