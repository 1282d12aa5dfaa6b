"""From the `data:` part of a run spec to rows on disk, ready to train and to evaluate on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from core.data.batches import Batch, Findings
from core.data.files import read_file
from core.data.gym import gym_sources
from core.data.heldout import Data, keep_apart, split
from core.data.hub import hub_source
from core.data.mapping import Mapping
from core.data.paths import DataFile, data_files
from core.data.store import Source, stored
from core.spec import DataSpec


def load_data(spec: DataSpec) -> Data:
    """Rows to train on and rows held out, each with `task`, `prompt` and the columns that rewards read.

    The first call for a source reads and checks all of it; later calls map the stored rows into memory. A `UserError`
    names every bad row by file, line and column.
    """
    mapping = Mapping.of(spec)
    per_task = spec.held_out.rows_per_task
    if spec.reasoning_gym is not None:
        train, held_out = gym_sources(spec, spec.reasoning_gym, mapping)
    elif spec.path is not None:
        train, held_out = file_source(spec.path, mapping), None
    else:
        train, held_out = hub_source(spec, mapping), None
    if spec.held_out.path is not None:
        held_out = file_source(spec.held_out.path, mapping, complete=False)
    rows = stored(train)
    if held_out is None or per_task == 0:
        return split(rows, per_task)
    return keep_apart(rows, stored(held_out), per_task)


def file_source(paths: str | Sequence[str], mapping: Mapping, *, complete: bool = True) -> Source:
    """The rows of files and folders, in their order."""
    files = data_files(paths)

    def read(findings: Findings) -> Iterator[Batch]:
        for file in files:
            yield from read_file(file.path, file.name, mapping.text_columns, findings)

    name = paths if isinstance(paths, str) else ", ".join(file.name for file in files)
    return Source(name, ["files", *map(_identity, files)], read, mapping, complete)


def _identity(file: DataFile) -> list[str | int]:
    stat = file.path.stat()
    return [str(file.path), stat.st_size, stat.st_mtime_ns]
