"""A first run spec for an uploaded dataset: guessed columns, and for each task the reward that its columns allow.

A guess is a starting point to edit, never a silent decision: it is written out as a whole spec that the user sees.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from core.check import task_columns
from core.data import Data, load_data
from core.data.paths import DataFile, data_files
from core.data.raw import RawColumn, columns_of, first_batches, raw_columns
from core.errors import UserError
from core.presets import Samples, samples_of, suggested
from core.routing import TaskColumns
from core.spec import DEFAULT_ROUTE, DataSpec, Route, Routes, RunSpec, Tags

# Where nothing says what is right: something to replace.
PLACEHOLDER = Route(name="length", params={"maximum": 100})
# Written out, so that whoever uploads sees what decides how long a run takes.
SMALL = {"max_steps": 50, "num_generations": 8, "max_completion_length": 128}


def suggest_spec(paths: Sequence[str], name: str) -> RunSpec:
    """A run spec for data files. Where they cannot be read as they are, it is the spec to mend: `check` says how."""
    data = guessed_data(paths)
    try:
        rewards = suggested_rewards(load_data(data))
    except UserError:
        rewards = {DEFAULT_ROUTE: (PLACEHOLDER,)}
    return RunSpec(name=name, model="embedded", data=data, rewards=rewards, grpo=SMALL)


def suggested_rewards(data: Data) -> Routes:
    """For each task the main reward of the preset that suits its rows best."""
    samples = samples_of(data.train)
    return {task: (_route(found, samples[task]),) for task, found in task_columns(data.train).items()}


def guessed_hub(source: DataSpec) -> DataSpec:
    """The columns of a dataset of the Hub, guessed; without a task column all of it is one task, called like it."""
    roles = {column.role: column.name for column in raw_columns(source)}
    fields: dict[str, object] = {
        "task_column": roles.get("task", source.task_column),
        "prompt_column": roles.get("prompt", source.prompt_column),
    }
    if roles.get("answer", "answer") != "answer":
        fields["columns"] = {"answer": roles["answer"]}
    if "task" not in roles:
        fields["tags"] = Tags(default=str(source.hub).rstrip("/").rpartition("/")[2] or "task")
    return source.model_copy(update=fields)


def guessed_data(paths: Sequence[str]) -> DataSpec:
    """Data files with their columns guessed, and a task for each file that has no task column."""
    files: list[DataFile] = []
    columns: list[RawColumn] = []
    try:
        files = data_files(paths)
        columns = columns_of(list(first_batches(files)))
    except UserError:  # `check` says what is wrong
        pass
    roles = {column.role: column for column in columns}
    answer = roles["answer"].name if "answer" in roles else "answer"
    given = {"columns": {"answer": answer}} if answer != "answer" else {}
    tags = _guessed_tags(files, columns) if columns else None
    return DataSpec(
        path=paths[0] if len(paths) == 1 else tuple(paths),
        task_column=roles["task"].name if "task" in roles else "task",
        prompt_column=roles["prompt"].name if "prompt" in roles else "prompt",
        **given,
        **({"tags": tags} if tags is not None else {}),
    )


def _guessed_tags(files: Sequence[DataFile], columns: Sequence[RawColumn]) -> Tags | None:
    """A task for each file without a task column, called like the file; None where every file has the column."""
    tagged = {name for column in columns if column.role == "task" for name in column.files}
    bare = [file for file in files if file.name not in tagged]
    if not bare:
        return None
    if len(files) == 1 and all(column.name != "task" for column in columns):  # else what is in it would be the tags
        return Tags(default=_task_name(files[0]))
    return Tags(files={file.name: _task_name(file) for file in bare})


def _task_name(file: DataFile) -> str:
    name = file.path.stem.strip()
    return name if name and name != DEFAULT_ROUTE else "task"


def _route(columns: TaskColumns, samples: Samples) -> Route:
    """The main reward of the preset that suits a task best."""
    preset = suggested(columns, samples)
    return PLACEHOLDER if preset is None else preset.routes[0]


def suggested_name(path: Path) -> str:
    """A file's name as a run's name: letters, digits, dots, dashes and underscores only."""
    return "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in path.stem)[:80] or "run"
