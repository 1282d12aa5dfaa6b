"""New sample outputs for a project: sampled from a model in the background, or brought from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from core.data import Data, some_rows
from core.errors import Problem, UserError
from core.jobs import Job
from core.preview import Group, write_groups
from core.projects import Project
from core.prompt_rows import as_seen
from core.routing import RoutingTable
from core.runs import RunFolder
from core.sample_file import read_samples
from core.samples import example_groups, merged, run_groups, typed_group
from core.sampling import ModelChoice, SamplingSettings
from core.services import SERVICES
from core.spec import Draft
from ui.preview_state import rows_report, samples
from ui.texts import t

ROWS, COMPLETIONS, TOKENS = 4, 8, 64  # what an empty page samples
TYPED_ROWS = 20  # rows of a task that can be chosen to type completions for

Row = dict[str, Any]


def settings_of(draft: Draft, **changes: Any) -> SamplingSettings:
    """How the project's training would sample, as far as it says, and what is changed about that."""
    own = {name: draft.grpo[name] for name in SamplingSettings.model_fields if draft.grpo.get(name) is not None}
    plain = {"num_generations": COMPLETIONS, "max_completion_length": TOKENS}
    try:
        sound = SamplingSettings(**{**plain, **own})
    except ValidationError:  # the page Train says what is wrong with them
        sound = SamplingSettings(**plain)
    return SamplingSettings(**{**sound.model_dump(), **changes})


def rows_of(draft: Draft, per_task: int) -> dict[str, list[Row]]:
    """Some rows of each task, without the columns that are empty in them."""
    rows = data_of(draft).train
    return {
        task: [_full(row) for row in rows.select(numbers).to_list()]
        for task, numbers in some_rows(rows, per_task).items()
    }


def data_of(draft: Draft) -> Data:
    """The project's rows; `UserError` where there are none."""
    found = rows_report(draft)
    if found.data is None:
        raise UserError(found.errors or Problem("data", t("preview.no_data")))
    return found.data


def _full(row: Row) -> Row:
    return {name: value for name, value in row.items() if value is not None}


def start_sampling(
    project: Project, per_task: int, settings: SamplingSettings, model: ModelChoice | None = None, add: bool = False
) -> Job:
    """Sample a group for some rows of each task in the background.

    Args:
        project: whose samples they become.
        per_task: how many rows of each task.
        settings: how.
        model: what to sample from; else the project's own.
        add: keep the samples there are.
    """
    draft = project.draft()
    model = model or ModelChoice(draft.model, None, draft.grpo.get("chat_template_kwargs") or {})
    rows = [row for of_task in rows_of(draft, per_task).values() for row in of_task]

    def work(job: Job) -> int:
        found = SERVICES.sampler.sample(model, rows, draft.tasks, settings, job.progress, job.cancelled)
        if job.cancelled() and not add and samples(project):
            return 0  # giving up loses nothing
        return keep(project, [sampled.group for sampled in found], add) if found else 0

    return SERVICES.jobs.start(f"sample {project.name}", work)


def keep(project: Project, groups: Sequence[Group], add: bool) -> int:
    """Make groups the project's samples, or add them; how many they are."""
    with project.locked():
        there = samples(project) if add else ()
        write_groups(project.samples_path, merged([*there, *groups]))
    return len(groups)


def remove(project: Project) -> None:
    """Forget all samples."""
    with project.locked():
        project.samples_path.unlink(missing_ok=True)


def from_typing(project: Project, task: str, number: int, text: str) -> int:
    """Completions that somebody typed for a row."""
    draft = project.draft()
    rows = rows_of(draft, TYPED_ROWS).get(task, [])
    if number >= len(rows):
        raise UserError(Problem(t("preview.row"), t("preview.no_row"), ""))
    return keep(project, [typed_group(as_seen(rows[number], draft.tasks.get(task)), text)], add=True)


def from_file(project: Project, path: Path, add: bool) -> tuple[Problem, ...]:
    """Completions of a file; what to know about them."""
    draft = project.draft()
    found = read_samples(path, draft, rows_report(draft).data)
    keep(project, found.groups, add)
    return found.warnings


def from_run(project: Project, run: RunFolder, step: int | None, add: bool) -> tuple[Problem, ...]:
    """Completions of a run, of its latest step or another; what to know about them."""
    found = run_groups(run, step)
    keep(project, found.groups, add)
    return found.warnings


def from_examples(project: Project, add: bool) -> int:
    """The worked examples of the rewards that the project's tasks have."""
    draft = project.draft()
    table, data = RoutingTable(draft.rewards), rows_report(draft).data
    tasks = list(some_rows(data.train, 1)) if data else list(draft.rewards)
    groups = [group for task in tasks for group in example_groups(task, table.of(task))]
    if not groups:
        raise UserError(Problem(t("preview.examples"), t("preview.no_examples"), ""))
    return keep(project, groups, add)
