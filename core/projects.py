"""Projects on disk: what a user works on in the browser, so that a refresh, a second tab or a restart loses nothing.

```
runs/projects/<name>/project.yaml     an unfinished run spec (core.spec.Draft): data, rewards, mixing, run settings
runs/projects/<name>/samples.jsonl    sample outputs, a group a line, in the form that `app.py score` reads
runs/projects/<name>/rewards/         saved versions of the user's own reward functions
runs/projects/<name>/tables/          saved versions of the routing table, to compare with
runs/projects/<name>/forecast.json    the last forecast of a run (core.forecast)
```

Every change reads, changes and writes the draft under a lock, so that two tabs never overwrite each other's fields; a
page knows from `revision` that somebody else has changed something.
"""

from __future__ import annotations

import fcntl
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path

from core.documents import parse_yaml
from core.errors import Problem, UserError, did_you_mean
from core.runs import RunFolder, runs_root, write_atomically
from core.spec import Draft, parse_draft

NAME = re.compile(r"(?!\.)[\w.-]{1,80}")
MOST_BYTES = 240  # of a name: file systems allow 255
DRAFT_FILE = "project.yaml"
SCRATCH = ".new-"  # no name of a project begins with a dot


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
    def has_samples(self) -> bool:
        """Whether there are sample outputs."""
        return self.samples_path.exists() and self.samples_path.stat().st_size > 0

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
        return " ".join(map(_stamp, [self.draft_path, self.samples_path, *sorted(self.tables_path.glob("*.yaml"))]))

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
        try:
            file = (self.path / ".lock").open("w")
        except FileNotFoundError:
            raise _gone(self.name) from None
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def projects_root() -> Path:
    """Where projects are kept."""
    return runs_root() / "projects"


def all_projects() -> list[Project]:
    """Every project, the one that was changed last first."""
    changed = {}
    for file in projects_root().glob(f"[!.]*/{DRAFT_FILE}"):
        with suppress(FileNotFoundError):  # deleted in another tab just now
            changed[file] = file.stat().st_mtime
    return [Project(file.parent) for file in sorted(changed, key=lambda file: changed[file], reverse=True)]


def find_project(name: str) -> Project:
    """The project of a name; `UserError` where there is none."""
    project = Project(projects_root() / checked_name(name))
    if not project.draft_path.exists():
        raise _gone(name)
    return project


def create_project(name: str, draft: Draft | None = None) -> Project:
    """A new project that holds a draft; `UserError` where the name is taken or none."""
    draft = draft or Draft(name=checked_name(name))
    with scratch_project() as scratch:
        write_atomically(scratch.draft_path, draft.to_yaml())
        return put_in_place(scratch, name)


@contextmanager
def scratch_project() -> Iterator[Project]:
    """A folder in which a project is put together, unseen until `put_in_place`; removed where it is still there."""
    projects_root().mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=SCRATCH, dir=projects_root()))
    try:
        yield Project(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def put_in_place(scratch: Project, name: str) -> Project:
    """Make a scratch project a project, whole or not at all; `UserError` where the name is taken or none."""
    target = Project(projects_root() / checked_name(name))
    try:
        if target.path.exists():  # an empty folder would be replaced without a word
            raise FileExistsError
        scratch.path.chmod(0o755)
        scratch.path.rename(target.path)
    except OSError as error:
        if target.path.exists():
            what = f"there is a project {name!r} already."
            raise UserError(Problem("project", what, "Choose another name.")) from None
        raise UserError(Problem("project", f"{name!r} cannot be made: {error.strerror}.")) from None
    return target


def any_project() -> Project:
    """The project that was changed last; a first one where there is none."""
    if found := all_projects():
        return found[0]
    try:
        return create_project(free_name("first"))
    except UserError:
        if found := all_projects():  # another tab was faster
            return found[0]
        raise


def free_name(name: str) -> str:
    """The name itself where no project has it, else with a number behind it."""
    stem = name[:74]
    numbered = (f"{stem}-{n}" for n in count(2))
    return next(found for found in chain([stem], numbered) if not (projects_root() / found).exists())


def duplicate_project(project: Project, name: str) -> Project:
    """A copy with everything that the project holds, under another name."""
    with scratch_project() as scratch:
        with project.locked():
            shutil.copytree(project.path, scratch.path, ignore=shutil.ignore_patterns(".lock"), dirs_exist_ok=True)
        _take_name(scratch, project.name, name)
        return put_in_place(scratch, name)


def project_from_run(run: RunFolder) -> Project:
    """A new project, called like a run, whose draft is what that was started with: to be changed, and started anew."""
    spec = run.spec()
    name = free_name(spec.name.lstrip(".") or "run")
    draft = Draft(**{field: getattr(spec, field) for field in spec.model_fields_set})
    return create_project(name, draft.model_copy(update={"name": name}))


def rename_project(project: Project, name: str) -> Project:
    """The same project under another name; the runs that it has started keep theirs."""
    if checked_name(name) == project.name:
        return project
    with project.locked():
        target = put_in_place(project, name)
        _take_name(target, project.name, name)
    return target


def _take_name(project: Project, before: str, name: str) -> None:
    """Name new runs after the project, unless the user has named them."""
    draft = project.draft()
    if draft.name == before:
        write_atomically(project.draft_path, draft.model_copy(update={"name": name}).to_yaml())


def delete_project(project: Project) -> None:
    """Remove a project for good; uploaded files and runs stay."""
    with scratch_project() as scratch, project.locked():
        project.path.rename(scratch.path / project.name)


def checked_name(name: str) -> str:
    """A name that is safe as a folder and in an address."""
    if not NAME.fullmatch(name) or len(name.encode()) > MOST_BYTES:
        mend = "Use letters, digits, dots, dashes and underscores, at most 80, no dot in front."
        raise UserError(Problem("project", f"{name!r:.90} is no name for a project.", mend))
    return name


def _stamp(file: Path) -> str:
    try:
        stat = file.stat()
    except FileNotFoundError:
        return "-"
    return f"{stat.st_mtime_ns}.{stat.st_size}"


def _gone(name: str) -> UserError:
    known = [project.name for project in all_projects()]
    return UserError(Problem("project", f"there is no project {name!r:.90}.", did_you_mean(name, known)))
