"""The reward library: every module of this folder declares one reward function or one close family of them."""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from rewards.declaration import Reward

Stamp = tuple[str, int, int]  # path, time of change in ns, size


@dataclass(frozen=True)
class _File:
    """One file of this folder as it was read: the rewards it declares, why it could not be imported, if it is old."""

    stamp: Stamp
    rewards: tuple[Reward, ...] = ()
    failed: str = ""
    outdated: bool = False


@dataclass(frozen=True)
class _Library:
    """All files by module name, and what they come to."""

    files: Mapping[str, _File]
    rewards: dict[str, Reward] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)


_lock = threading.RLock()
_known: _Library | None = None


def registry() -> dict[str, Reward]:
    """All declared rewards by name, found by importing every module of this folder."""
    return _library().rewards


def broken() -> dict[str, str]:
    """Files of this folder that cannot be imported, with the reason: they cost no other reward."""
    return _library().broken


def refresh() -> tuple[str, ...]:
    """Take in what was added, changed or removed in this folder since; the files whose change needs a restart.

    For the app, which outlives its files: a worker never asks for it, so that a run keeps the rewards it began with. A
    file without a reward, such as `text.py`, is shared by others that hold its functions: it keeps as it was imported.
    """
    global _known
    with _lock:
        before, stamps = _library().files, _stamps()
        if {name: file.stamp for name, file in before.items()} != stamps:
            files = {name: _read_again(name, stamp, before.get(name)) for name, stamp in stamps.items()}
            for name in before.keys() - files.keys():
                sys.modules.pop(f"{__name__}.{name}", None)
            _known = _merged(files)
            _shaped.cache_clear()
        return tuple(_shown(name) for name, file in _library().files.items() if file.outdated)


def declared(name: str, params: Mapping[str, Any]) -> Reward:
    """The reward of a route, as the route's parameters make it; see `Reward.of`.

    Raises:
        KeyError: there is no reward of that name.
    """
    return _shaped(name, json.dumps(params, default=repr))


@lru_cache(maxsize=256)
def _shaped(name: str, params: str) -> Reward:
    return registry()[name].of(json.loads(params))


def _library() -> _Library:
    global _known
    if _known is None:
        with _lock:
            if _known is None:
                _known = _merged({name: _read(name, stamp) for name, stamp in _stamps().items()})
    return _known


def _stamps() -> dict[str, Stamp]:
    """Every module of this folder as it is on disk."""
    found = {}
    for info in pkgutil.iter_modules(__path__):
        folder = Path(info.module_finder.path)  # type: ignore[union-attr]  # files alone, no zip
        path = folder / info.name / "__init__.py" if info.ispkg else folder / f"{info.name}.py"
        stat = path.stat()
        found[info.name] = (str(path), stat.st_mtime_ns, stat.st_size)
    return found


def _read(name: str, stamp: Stamp) -> _File:
    try:
        module = importlib.import_module(f"{__name__}.{name}")
    except (Exception, SystemExit) as error:  # the boundary where a file's own failure becomes data
        return _File(stamp, failed=f"{type(error).__name__}: {error}")
    return _File(stamp, _declared_in(module))


def _read_again(name: str, stamp: Stamp, before: _File | None) -> _File:
    """A file as it is by now; the module that it was is kept by whoever imported from it, whole and unchanged."""
    if before is not None and before.stamp == stamp:
        return before
    if before is not None and not before.rewards and not before.failed:
        return replace(before, stamp=stamp, outdated=True)
    try:
        return _File(stamp, _declared_in(_executed(name, Path(stamp[0]))))
    except (Exception, SystemExit) as error:  # the boundary where a file's own failure becomes data
        return _File(stamp, failed=f"{type(error).__name__}: {error}")


def _executed(name: str, path: Path) -> ModuleType:
    """A new module of a file's source: bytecode on disk may be that of an edit in the same second."""
    spec = spec_from_file_location(f"{__name__}.{name}", path)
    assert spec is not None
    module, before = module_from_spec(spec), sys.modules.get(spec.name)
    sys.modules[spec.name] = module  # a dataclass looks itself up there
    try:
        exec(compile(path.read_bytes(), path, "exec", dont_inherit=True), vars(module))
    except BaseException:
        if before is None:
            del sys.modules[spec.name]
        else:
            sys.modules[spec.name] = before
        raise
    setattr(sys.modules[__name__], name, module)
    return module


def _declared_in(module: ModuleType) -> tuple[Reward, ...]:
    rewards = [value for value in vars(module).values() if isinstance(value, Reward)]
    return tuple(reward for reward in rewards if not _imported(reward, module))


def _imported(reward: Reward, module: ModuleType) -> bool:
    """Whether another file declares it, and this one only uses it."""
    home = sys.modules.get(reward.function.__module__)
    return home is not None and home is not module and any(reward is value for value in vars(home).values())


def _merged(files: Mapping[str, _File]) -> _Library:
    """The rewards of all files; of two with one name that of the library, which states a family, stays."""
    homes: dict[str, str] = {}
    found: dict[str, Reward] = {}
    failed = {_shown(name): file.failed for name, file in files.items() if file.failed}
    declared_in = [(reward, name) for name, file in files.items() for reward in file.rewards]
    for reward, name in sorted(declared_in, key=lambda pair: (pair[0].family == "own", pair[0].name != pair[1])):
        if found.setdefault(reward.name, reward) is not reward:
            failed[_shown(name)] = f"another reward is called {reward.name!r} already, in {_shown(homes[reward.name])}"
        homes.setdefault(reward.name, name)
    return _Library(files, dict(sorted(found.items())), dict(sorted(failed.items())))


def _shown(name: str) -> str:
    return f"{__name__}/{name}.py"
