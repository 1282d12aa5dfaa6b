"""Projects on disk: what a user works on in the browser, so that a refresh, a second tab or a restart loses nothing.

```
runs/projects/<name>/project.yaml     an unfinished run spec (core.spec.Draft): data, rewards, mixing, run settings
runs/projects/<name>/samples.jsonl    sample outputs, a group a line, in the form that `app.py score` reads
runs/projects/<name>/rewards/         saved versions of the user's own reward functions
runs/projects/<name>/tables/          saved versions of the routing table, to compare with
```

Every change reads, changes and writes the draft under a lock, so that two tabs never overwrite each other's fields; a
page knows from `revision` that somebody else has changed something.
"""

from __future__ import annotations

import fcntl
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from core.errors import Problem, UserError, did_you_mean
from core.runs import runs_root, write_atomically
from core.spec import Draft, parse_draft, parse_yaml

NAME = re.compile(r"(?!\.)[\w.-]{1,80}")
DRAFT_FILE = "project.yaml"


@dataclass(frozen=True)
class Project:
    """The files of one project."""

    path: Path

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def draft_path(self) -> Path:
        """The unfinished run spec."""
        return self.path / DRAFT_FILE

    @property
    def samples_path(self) -> Path:
        """Sample outputs; absent before there are any."""
        return self.path / "samples.jsonl"

    @property
    def rewards_path(self) -> Path:
        """A folder for each reward function of the user's own, with its versions."""
        return self.path / "rewards"

    @property
    def tables_path(self) -> Path:
        """Saved routing tables."""
        return self.path / "tables"

    @property
    def revision(self) -> str:
        """Changes whenever draft, samples or saved tables do."""
        files = [self.draft_path, self.samples_path, *sorted(self.tables_path.glob("*.yaml"))]
        stats = [file.stat() if file.exists() else None for file in files]
        return " ".join("-" if stat is None else f"{stat.st_mtime_ns}.{stat.st_size}" for stat in stats)

    def draft(self) -> Draft:
        """The unfinished run spec as it stands; `UserError` where the file was edited into something else."""
        where = str(self.draft_path)
        try:
            text = self.draft_path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise _gone(self.name) from None
        return parse_draft(parse_yaml(text, where), where)

    def change(self, change: Callable[[Draft], Draft]) -> Draft:
        """Change the draft while nobody else can; an exception in `change` leaves it as it was."""
        with self.locked():
            draft = change(self.draft())
            write_atomically(self.draft_path, draft.to_yaml())
        return draft

    def set(self, **fields: object) -> Draft:
        """Set whole fields of the draft."""
        return self.change(lambda draft: draft.model_copy(update=fields))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the project against every other thread and process that would change it."""
        if not self.path.is_dir():
            raise _gone(self.name)
        with (self.path / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def projects_root() -> Path:
    """Where projects are kept."""
    return runs_root() / "projects"


def all_projects() -> list[Project]:
    """Every project, the one that was changed last first."""
    found = list(projects_root().glob(f"*/{DRAFT_FILE}"))
    return [Project(file.parent) for file in sorted(found, key=lambda file: file.stat().st_mtime, reverse=True)]


def find_project(name: str) -> Project:
    """The project of a name; `UserError` where there is none."""
    project = Project(projects_root() / checked_name(name))
    if not project.draft_path.exists():
        raise _gone(name)
    return project


def create_project(name: str, draft: Draft | None = None) -> Project:
    """A new project that holds a draft; `UserError` where the name is taken or none."""
    project = Project(projects_root() / checked_name(name))
    try:
        project.path.mkdir(parents=True)
    except FileExistsError:
        raise UserError(Problem("project", f"there is a project {name!r} already.", "Choose another name.")) from None
    write_atomically(project.draft_path, (draft or Draft(name=name)).to_yaml())
    return project


def free_name(name: str) -> str:
    """The name itself where no project has it, else with a number behind it."""
    taken = {project.name for project in all_projects()}
    stem = name[:74]
    return next(found for found in (stem, *(f"{stem}-{n}" for n in range(2, len(taken) + 3))) if found not in taken)


def duplicate_project(project: Project, name: str) -> Project:
    """A copy with everything that the project holds, under another name."""
    target = Project(projects_root() / checked_name(name))
    with project.locked():
        try:
            shutil.copytree(project.path, target.path, ignore=shutil.ignore_patterns(".lock"))
        except FileExistsError:
            raise UserError(
                Problem("project", f"there is a project {name!r} already.", "Choose another name.")
            ) from None
    return target


def rename_project(project: Project, name: str) -> Project:
    """The same project under another name; its own runs keep theirs."""
    target = Project(projects_root() / checked_name(name))
    if target.path == project.path:
        return project
    with project.locked():
        if target.path.exists():
            raise UserError(Problem("project", f"there is a project {name!r} already.", "Choose another name."))
        project.path.rename(target.path)
    return target


def delete_project(project: Project) -> None:
    """Remove a project for good; uploaded files and runs stay."""
    with project.locked():
        shutil.rmtree(project.path)


def checked_name(name: str) -> str:
    """A name that is safe as a folder and in an address."""
    if not NAME.fullmatch(name):
        mend = "Use letters, digits, dots, dashes and underscores, at most 80, no dot in front."
        raise UserError(Problem("project", f"{name!r:.90} is no name for a project.", mend))
    return name


def _gone(name: str) -> UserError:
    known = [project.name for project in all_projects()]
    return UserError(Problem("project", f"there is no project {name!r:.90}.", did_you_mean(name, known)))
