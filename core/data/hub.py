"""A dataset of the Hugging Face Hub, or a local folder that `datasets.load_dataset` understands, to batches."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import datasets
import pyarrow as pa

from core.data.batches import Batch, Findings
from core.data.mapping import Mapping
from core.data.store import Source
from core.data.tables import batch_length, check_names, table_batches
from core.errors import Problem, UserError
from core.spec import DataSpec


def hub_source(spec: DataSpec, mapping: Mapping) -> Source:
    """The split that a spec names; downloaded on first use into the Hub's own cache."""
    rows = _downloaded(spec)
    name = f"{spec.hub} ({spec.hub_split})"
    return Source(name, ["hub", spec.hub, rows._fingerprint], partial(_read, rows, name, mapping), mapping)


def _downloaded(spec: DataSpec) -> datasets.Dataset:
    where = f"data.hub: {spec.hub}"
    folder = Path(str(spec.hub)).expanduser()
    if str(spec.hub).startswith(("/", ".", "~")) and not folder.is_dir():
        raise UserError(Problem(where, "there is no such folder.", "Check the path."))
    try:
        return datasets.load_dataset(
            str(folder) if folder.is_dir() else spec.hub, spec.hub_config, split=spec.hub_split
        )
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        raise UserError(_explain(error, spec, where)) from error


def _explain(error: Exception, spec: DataSpec, where: str) -> Problem:
    """The library's own first line, with the field of the spec that it is about."""
    broken = isinstance(error, datasets.exceptions.DatasetGenerationError)
    cause = error.__cause__ if broken and error.__cause__ else error
    said = (str(cause).strip().splitlines() or [type(cause).__name__])[0].rstrip(".:")
    mend = "Check the id and the network; a private one needs `hf auth login`."
    if broken:
        mend = "Its files do not fit together; download them and name the right ones under data.path."
    elif "split" in said.lower():
        where, mend = f"data.hub_split: {spec.hub_split}", "Name one of the splits that there are."
    elif "config" in said.lower():
        where, mend = f"data.hub_config: {spec.hub_config}", "Name one of the configs that there are."
    return Problem(where, f"it cannot be loaded: {said}.", mend)


def _read(rows: datasets.Dataset, name: str, mapping: Mapping, findings: Findings) -> Iterator[Batch]:
    table = rows.data
    check_names(table.schema.names, name, findings)
    batches = table.table.to_batches(max_chunksize=batch_length(table.nbytes, len(rows)))
    labelled = (_with_label_names(batch, rows.features) for batch in batches)
    return table_batches(labelled, name, mapping.text_columns, findings)


def _with_label_names(batch: pa.RecordBatch, features: datasets.Features) -> pa.RecordBatch:
    """Class labels as their names: a number would be a poor tag."""
    for position, (name, feature) in enumerate(features.items()):
        if isinstance(feature, datasets.ClassLabel):
            names = pa.array(feature.names, pa.string())
            batch = batch.set_column(position, name, names.take(batch.column(position)))
    return batch
