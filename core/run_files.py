"""A whole run as one file to take along, and back: so that it can be watched, tried and resumed on another machine.

```
spec.yaml, data.json, metrics.jsonl, engine.json, exit.json, worker.json, worker.log
completions/*.parquet   checkpoints/checkpoint-N/*   adapter/*   best/step-N/*   evaluations/*.json   superseded/**
data/<n>/<name>         the files of its rows; spec.yaml names them so
```
A zip may come from anybody. Nothing but these names is taken out of it, as plain files, up to a limit; pickled files of
old kinds of adapters are not among them. What a run's rewards run goes into the sandbox, as always; one that
would send a key, or rows of this machine, to an endpoint of the author's choice is refused.
"""

from __future__ import annotations

import json
import re
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from core.archives import MOST_FILES, UNREADABLE, check_entries, take_out, unreadable
from core.completions import SHARD
from core.documents import parse_yaml
from core.errors import Problem, UserError
from core.exports import Asked, Progress, export_path, pack, scratch_folder
from core.extension import extended_steps
from core.project_files import data_paths, with_paths
from core.routing import sound
from core.run_adapters import RESULT, RunAdapter
from core.runs import ELSEWHERE, QUEUE_FILE, Exit, RunFolder, Worker, runs_root, state, write_atomically, write_exit
from core.spec import DataSpec, RunSpec, parse_spec
from core.uploads import keep_upload
from rewards.chat_endpoint import KEYS, key_is_named

MOST_BYTES = 20 << 30  # of everything in a zip, unpacked
MOST_SPEC = 5 << 20
SPEC = "spec.yaml"
RESERVED = ("projects", "uploads", "exports", QUEUE_FILE)  # what else lies beside the runs
WORD = r"(?!\.)[\w.=-]{1,120}"
PLAIN = r"(?:data\.json|metrics\.jsonl|engine\.json|exit\.json|worker\.json|worker\.log|alerts\.jsonl|extension\.json)"
RESUMED = r"(?:optimizer|scheduler|rng_state[_\d]*)\.(?:pt|pth|bin)"  # read as weights only, never as pickles
SAFE = r"(?!\.)[\w-]{1,80}\.(?:safetensors|json|jinja|txt|model|md|png|yaml)"
KEPT = re.compile(
    rf"{PLAIN}|completions/{SHARD}|evaluations/{WORD}\.json|adapter/{SAFE}"
    rf"|best/step-\d{{1,9}}/{SAFE}|checkpoints/checkpoint-\d{{1,9}}/(?:{SAFE}|{RESUMED})"
    rf"|superseded/(?:{WORD}/){{0,3}}{WORD}\.(?:jsonl|parquet)"
)
DATA = re.compile(r"data/(\d{1,4})/((?!\.\.?$)[^/\\\x00]{1,200})")


def export_run(run: RunFolder, progress: Progress, cancelled: Asked) -> Path:
    """A zip of everything that a run is, the files of its rows too, where they are files.

    Raises:
        UserError: it is running, or starts meanwhile: what is being written cannot be packed; or it is too large.
    """
    _check_at_rest(run)
    spec = run.spec()
    packed = {path: f"data/{n}/{path.name}" for n, path in enumerate(_data_files(spec.data))}
    data = with_paths(spec.data, {str(path): name for path, name in packed.items()})
    target = export_path(RunAdapter(run, RESULT, run.adapter, None), "run")
    with scratch_folder(target) as scratch:
        moved = scratch / SPEC
        moved.write_text(spec.model_copy(update={"data": data}).to_yaml(), encoding="utf-8")
        files = [(moved, SPEC), *packed.items(), *_files(run)]
        _check_size(run, [path for path, _ in files])

        def asked() -> bool:
            _check_at_rest(run)
            return cancelled()

        return pack(files, target, progress, asked)


def _check_at_rest(run: RunFolder) -> None:
    """Refuse to pack a run that is at work."""
    if state(run) == "running":
        raise UserError(Problem(run.id, "this run is running.", "Stop it at a checkpoint first."))


def _check_size(run: RunFolder, files: Sequence[Path]) -> None:
    """Refuse to pack what nobody could bring back: an import takes so much and no more."""
    whole = sum(path.stat().st_size for path in files)
    if len(files) > MOST_FILES or whole > MOST_BYTES:
        what = f"it has {len(files):,} files of {whole / 1e9:.1f} GB in all; an import takes {MOST_FILES:,} of"
        mend = "Take its adapter, or copy its folder and its data as they are."
        raise UserError(Problem(run.id, f"{what} {MOST_BYTES / 1e9:.1f} GB.", mend))


def _files(run: RunFolder) -> Iterator[tuple[Path, str]]:
    for path in sorted(run.path.rglob("*")):
        name = path.relative_to(run.path).as_posix()
        if path.is_file() and not path.is_symlink() and KEPT.fullmatch(name):
            yield path, name


def _data_files(data: DataSpec) -> list[Path]:
    """Files of rows; folders and the Hub's data stay where they are."""
    return [Path(path) for path in data_paths(data) if Path(path).is_file()]


def import_run(path: Path) -> RunFolder:
    """A run from an exported file, under its own name, with a number where that is taken.

    Raises:
        UserError: the file is no run, or holds what no run holds. Then nothing of it stays.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            check_archive(archive, path.name)
            return _unpacked(archive, path)
    except UNREADABLE as error:
        raise unreadable(path.name, error, "Export the run again.") from None


def check_archive(archive: zipfile.ZipFile, where: str) -> None:
    """Refuse an archive that is no exported run; says the first thing that is wrong with it."""
    if SPEC not in archive.namelist():
        raise _refused(where, f"there is no {SPEC} in it")
    try:
        check_entries(archive, MOST_BYTES, lambda name: name == SPEC or KEPT.fullmatch(name) or DATA.fullmatch(name))
    except ValueError as error:
        raise _refused(where, str(error)) from None
    if archive.getinfo(SPEC).file_size > MOST_SPEC:
        raise _refused(where, f"its {SPEC} is too large")


def _refused(where: str, what: str) -> UserError:
    return UserError(Problem(where, f"{what}.", "Take a file that the page Try & export of a Signalbox has made."))


def _unpacked(archive: zipfile.ZipFile, path: Path) -> RunFolder:
    try:
        text = archive.read(SPEC).decode("utf-8")
    except UnicodeDecodeError:
        raise _refused(path.name, f"its {SPEC} is not UTF-8") from None
    where = f"{path.name}: {SPEC}"
    spec = parse_spec(parse_yaml(text, where), where)
    _check_endpoints(spec, [file for file in data_paths(spec.data) if file not in archive.namelist()], path.name)
    root = runs_root()
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root, prefix=".importing-") as scratch:
        made = Path(scratch) / "run"
        for info in archive.infolist():
            if KEPT.fullmatch(info.filename):
                take_out(archive, info, made / info.filename)
        made.mkdir(exist_ok=True)
        _end(RunFolder(made), path.name)
        data = with_paths(spec.data, _kept_data(archive, Path(scratch)))
        return _placed(made, spec.model_copy(update={"data": data}), path.stem)


def _check_endpoints(spec: RunSpec, strange: Sequence[str], where: str) -> None:
    """Refuse what would send a key, or files of this machine, to an endpoint that a stranger may have chosen.

    Args:
        spec: of the run.
        strange: files of rows that did not come with it.
        where: the name of its file.
    """
    for route in (route for routes in spec.rewards.values() for route in routes):
        reward = sound(route)
        if reward is None and {"base_url", "api_key_env"} & set(route.params):
            what = f"its reward {route.name} names an endpoint, and takes no such parameters as it has."
            raise UserError(Problem(where, what, "Mend its spec where it comes from, and export it again."))
        if reward is None or reward.deterministic or "base_url" not in reward.parameters.model_fields:
            continue
        asked = reward.parameters(**route.params).model_dump()
        key, url = asked.get("api_key_env"), asked["base_url"]
        if key and not key_is_named(key, url):
            what = f"its reward {route.name} sends the key in {key} to {url}, and its author may be anybody."
            mend = f"If that is right, start the app with {KEYS}='{key}={url}' and bring it again."
            raise UserError(Problem(where, what, mend))
        if strange:
            what = f"its reward {route.name} sends rows to {url}, and its rows would be read from {strange[0]} here."
            raise UserError(Problem(where, what, "Export it where its rows are files, so that they come with it."))


def _kept_data(archive: zipfile.ZipFile, scratch: Path) -> dict[str, str]:
    """Put the files of rows among the uploads; name in the zip -> place here."""
    kept = {}
    for info in archive.infolist():
        if found := DATA.fullmatch(info.filename):
            file = scratch / "data" / found[1] / found[2]
            take_out(archive, info, file)
            kept[info.filename] = str(keep_upload(file))
    return kept


def _placed(made: Path, spec: RunSpec, stem: str) -> RunFolder:
    """Move what was unpacked to where runs are, once all of it is there."""
    write_atomically(RunFolder(made).spec_path, spec.to_yaml())
    name = re.sub(r"[^\w.-]+", "-", stem).strip(".-")[:100] or spec.name
    target, number = runs_root() / name, 1
    while target.exists() or target.name in RESERVED:
        number += 1
        target = runs_root() / f"{name}-{number}"
    made.rename(target)
    return RunFolder(target)


def _end(run: RunFolder, where: str) -> None:
    """No process of this machine works on it, whatever its files say of one: it could be anybody's."""
    read = {run.process_path: run.worker(), run.exit_path: run.exit(), run.extension_path: extended_steps(run)}
    for path, found in read.items():
        if path.exists() and found is None:
            raise _refused(where, f"its {path.name} is no run's")
    worker, end, steps = run.worker(), run.exit(), run.last_step()
    if worker is None:
        run.process_path.unlink(missing_ok=True)
        run.exit_path.unlink(missing_ok=True)
        return
    write_atomically(
        run.process_path,
        json.dumps(vars(Worker(pid=0, started=0.0, ticks=-1, boot=ELSEWHERE, attempt=worker.attempt))),
    )
    if end is None or end.attempt != worker.attempt:
        message = "It was exported before its end was known."
        write_exit(run, Exit("lost", message, steps, attempt=worker.attempt))
