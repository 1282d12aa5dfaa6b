"""A project as one file to take along: YAML with the draft alone, or a zip with samples, saved versions and data too.

```
project.yaml            the draft; paths of files that are in the zip are written as data/<name>
samples.jsonl           sample outputs
forecast.json           the last forecast of a run
rewards/<name>/NNNN.py  versions of the user's own rewards
tables/<name>.yaml      saved routing tables
data/<name>             uploaded files, so that the project opens elsewhere
```
Only these names are taken out of a zip, up to a limit: it may come from anybody. Code in it runs in the sandbox only.
"""

from __future__ import annotations

import re
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from core import reward_versions
from core.archives import UNREADABLE, check_entries, take_out, unreadable
from core.documents import parse_yaml
from core.errors import Problem, UserError
from core.projects import DRAFT_FILE, Project, create_project, free_name, put_in_place, scratch_project
from core.runs import runs_root, write_atomically
from core.spec import DataSpec, Draft, parse_draft, parse_spec
from core.uploads import keep_upload

MOST_BYTES = 2 << 30  # of everything in a zip, unpacked
SAMPLES_FILE = "samples.jsonl"
MOST_DRAFT_BYTES = 4 << 20
REWARD = rf"rewards/{reward_versions.NAME.pattern}/[0-9]{{4,9}}\.py"
KEPT = re.compile(rf"samples\.jsonl|forecast\.json|{REWARD}|tables/[\w.-]{{1,80}}\.yaml")
DATA = re.compile(r"data/(\d+)/((?!\.\.?$)[^/\\\x00]{1,200})")


def export_yaml(project: Project, folder: Path) -> Path:
    """Write the draft as `<name>.yaml` into a folder, which `train`, `check` and `import_project` read."""
    target = folder / f"{project.name}.yaml"
    target.write_text(project.draft().to_yaml(), encoding="utf-8")
    return target


def export_zip(project: Project, folder: Path) -> Path:
    """Write everything that a project holds as `<name>.zip` into a folder, uploaded data files among it."""
    target = folder / f"{project.name}.zip"
    with project.locked(), zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        draft = project.draft()
        packed = {path: f"data/{n}/{path.name}" for n, path in enumerate(_uploaded(draft.data))}
        data = with_paths(draft.data, {str(path): name for path, name in packed.items()})
        archive.writestr(DRAFT_FILE, draft.model_copy(update={"data": data} if data else {}).to_yaml())
        for path, name in packed.items():
            archive.write(path, name)
        for path in sorted(project.path.rglob("*")):
            name = path.relative_to(project.path).as_posix()
            if path.is_file() and KEPT.fullmatch(name):
                archive.write(path, name)
    return target


def import_project(path: Path, name: str = "") -> Project:
    """A new project from an exported file, a run spec, or a draft.

    Args:
        path: a .zip or .yaml file.
        name: of the new project; by default the file's, with a number where it is taken.

    Raises:
        UserError: the file is none of these, or too large.
    """
    name = free_name(name or re.sub(r"[^\w.-]+", "-", path.stem).lstrip(".") or "imported")
    if path.suffix.lower() != ".zip":
        return create_project(name, _read(path.read_bytes(), path.name, base=path.parent))
    with tempfile.TemporaryDirectory() as scratch:
        try:
            with zipfile.ZipFile(path) as archive:
                return _unpacked(archive, path.name, name, Path(scratch))
        except UNREADABLE as error:
            raise unreadable(path.name, error, "Export the project again.") from None


def with_paths(data: DataSpec | None, names: Mapping[str, str]) -> DataSpec | None:
    """A data spec with other names for its files."""
    if data is None:
        return None
    update: dict[str, object] = {}
    if isinstance(data.path, str):
        update["path"] = names.get(data.path, data.path)
    elif data.path is not None:
        update["path"] = tuple(names.get(path, path) for path in data.path)
    if data.held_out.path is not None:
        held_out = names.get(data.held_out.path, data.held_out.path)
        update["held_out"] = data.held_out.model_copy(update={"path": held_out})
    return data.model_copy(update=update)


def data_paths(data: DataSpec) -> list[str]:
    """The files and folders that a data spec names, each once."""
    given = [data.path] if isinstance(data.path, str) else list(data.path or ())
    return list(dict.fromkeys([*given, *([data.held_out.path] if data.held_out.path else [])]))


def _uploaded(data: DataSpec | None) -> Iterator[Path]:
    """The files of a data spec that were uploaded here, and so exist nowhere else."""
    if data is None or data.path is None:
        return
    uploads = (runs_root() / "uploads").resolve()
    for path in data_paths(data):
        if Path(path).resolve().is_relative_to(uploads) and Path(path).is_file():
            yield Path(path)


def _read(content: bytes, where: str, base: Path | None = None) -> Draft:
    try:
        document = parse_yaml(content.decode("utf-8-sig"), where)
    except UnicodeDecodeError as error:
        raise UserError(Problem(where, f"not UTF-8 at byte {error.start}.", "Save it as UTF-8.")) from None
    draft = parse_draft(document, where)
    if base is None or draft.data is None or not draft.rewards:
        return draft
    spec = parse_spec(document, where, base)
    return Draft(**{name: getattr(spec, name) for name in spec.model_fields_set})


def _unpacked(archive: zipfile.ZipFile, where: str, name: str, scratch: Path) -> Project:
    mend = "Take a file that Export has made; data files can be left out."
    try:
        check_entries(archive, MOST_BYTES)
    except ValueError as error:
        raise UserError(Problem(where, f"{error}.", mend)) from None
    if DRAFT_FILE not in archive.namelist():
        raise UserError(Problem(where, f"there is no {DRAFT_FILE} in it.", mend))
    if archive.getinfo(DRAFT_FILE).file_size > MOST_DRAFT_BYTES:
        raise UserError(Problem(where, f"{DRAFT_FILE} in it is larger than {MOST_DRAFT_BYTES >> 20} MiB."))
    draft = _read(archive.read(DRAFT_FILE), f"{where}: {DRAFT_FILE}")
    kept: dict[str, str] = {}
    for info in archive.infolist():
        if found := DATA.fullmatch(info.filename):
            file = scratch / found[1] / found[2]
            take_out(archive, info, file)
            kept[info.filename] = str(keep_upload(file))
    data = with_paths(draft.data, kept)
    with scratch_project() as project:
        write_atomically(project.draft_path, draft.model_copy(update={"data": data} if data else {}).to_yaml())
        for info in archive.infolist():
            if KEPT.fullmatch(info.filename):
                take_out(archive, info, project.path / info.filename)
        return put_in_place(project, name)
