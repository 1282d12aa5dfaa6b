"""From the `data:` part of a run spec to rows on disk, ready to train and to evaluate on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from core.data.batches import Batch, Findings
from core.data.files import TEXT_FORMATS, read_file
from core.data.gym import NAME as GYM
from core.data.gym import gym_sources
from core.data.heldout import Data, keep_apart, split
from core.data.hub import hub_source
from core.data.mapping import Mapping
from core.data.paths import DataFile, data_files
from core.data.store import Source, stored
from core.data.tagging import check_files
from core.errors import Cancelled
from core.spec import DataSpec


class ReadingCancelled(Cancelled):
    """Reading was given up because `cancelled` said so; nothing of it is left."""


@dataclass(frozen=True)
class Reading:
    """How far reading has come.

    Attributes:
        rows: rows read so far, of the source that is being read.
        file: the file that the last of them is in.
        part: about how much of the source they are, 0 to 1; None where that cannot be known (Parquet, Hub, generators).
    """

    rows: int
    file: str
    part: float | None


def load_data(
    spec: DataSpec,
    progress: Callable[[Reading], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Data:
    """Rows to train on and rows held out, each with `task`, `prompt` and the columns that rewards read.

    The first call for a source reads and checks all of it; later calls map the stored rows into memory. A `UserError`
    names every bad row by file, line and column.

    Args:
        spec: the data part of a run spec.
        progress: told after every batch of rows, where rows have to be read.
        cancelled: asked before every batch; where it says yes, `ReadingCancelled` is raised.
    """
    train, held_out = data_sources(spec, Mapping.of(spec))
    per_task = spec.held_out.rows_per_task
    rows = stored(_watched(train, progress, cancelled))
    if held_out is None or per_task == 0:
        return split(rows, per_task)
    return keep_apart(rows, stored(_watched(held_out, progress, cancelled)), per_task)


def data_sources(spec: DataSpec, mapping: Mapping) -> tuple[Source, Source | None]:
    """The rows that a spec names, and the rows to hold out where it names these too."""
    held_out: Source | None = None
    if spec.reasoning_gym is not None:
        train, held_out = gym_sources(spec, spec.reasoning_gym, mapping)
    elif spec.path is not None:
        train = file_source(spec.path, mapping)
    else:
        train = hub_source(spec, mapping)
    if spec.held_out.path is not None:
        held_out = file_source(spec.held_out.path, mapping, complete=False)
    _check_tagged_files(spec, train)
    return train, held_out


def _check_tagged_files(spec: DataSpec, train: Source) -> None:
    if spec.tags is None:
        return
    paths = [path for path in (spec.path, spec.held_out.path) if path is not None]
    names = [file.name for path in paths for file in data_files(path)]
    if spec.reasoning_gym is not None:
        names += [f"{GYM} {task.name}" for task in spec.reasoning_gym.tasks]
    elif spec.path is None:
        names.append(train.name)
    findings = Findings()
    check_files(spec.tags, names, findings)
    findings.check()


def file_source(paths: str | Sequence[str], mapping: Mapping, *, complete: bool = True) -> Source:
    """The rows of files and folders, in their order."""
    files = data_files(paths)

    def read(findings: Findings) -> Iterator[Batch]:
        for file in files:
            yield from read_file(file.path, file.name, mapping.text_columns, findings)

    name = paths if isinstance(paths, str) else ", ".join(file.name for file in files)
    return Source(name, ["files", *map(_identity, files)], read, mapping, complete, _text_size(files))


def _identity(file: DataFile) -> list[str | int]:
    stat = file.path.stat()
    return [str(file.path), stat.st_size, stat.st_mtime_ns]


def _text_size(files: Sequence[DataFile]) -> int | None:
    """Bytes of all files, where all are text, whose readers say how much of it a batch is."""
    if any(file.path.suffix.lower() not in TEXT_FORMATS for file in files):
        return None
    return sum(file.path.stat().st_size for file in files)


def _watched(
    source: Source, progress: Callable[[Reading], None] | None, cancelled: Callable[[], bool] | None
) -> Source:
    """The same source; reading it tells how far it is, and ends where it is cancelled."""

    def read(findings: Findings) -> Iterator[Batch]:
        rows = size = 0
        for batch in source.read(findings):
            if cancelled is not None and cancelled():
                raise ReadingCancelled
            rows, size = rows + len(batch.numbers), size + batch.size
            seen = Reading(rows, batch.file, min(1.0, size / source.size) if source.size else None)
            yield batch
            del batch  # while the next one is made, none is held
            if progress is not None:
                progress(seen)

    return dataclasses.replace(source, read=read)
