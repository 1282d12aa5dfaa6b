"""A run's adapter to take along: as a zip for PEFT, merged into its model, or as GGUF; each made in the background.

Files go to `runs/exports/<run>/`, where a refresh finds them again; making one anew takes the old one's place.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from core.checkpoint_check import ADAPTER_CONFIG
from core.child import run_child
from core.errors import Cancelled, Problem, UserError
from core.model_card import CARD, base_model, write_card
from core.run_adapters import BEST, FOR_RESUMING, RESULT, STEP, RunAdapter
from core.runs import RunFolder, runs_root

if TYPE_CHECKING:
    from collections.abc import Iterator

Kind = Literal["adapter", "merged", "gguf", "run"]
KINDS: tuple[Kind, ...] = ("adapter", "merged", "gguf", "run")
BLOCK = 1 << 20
CONVERTER = "convert_hf_to_gguf.py"
# What a checkpoint or a result holds beside the adapter and its tokenizer is for resuming, or blank.
LEFT_OUT = (*FOR_RESUMING, STEP, CARD)

Progress = Callable[[int, int], None]
Asked = Callable[[], bool]


class ExportCancelled(Cancelled):
    """Whoever asked does not want it any more; nothing is left behind."""


def exports_path(run: RunFolder) -> Path:
    """Where a run's exports are kept."""
    return runs_root() / "exports" / run.id


def export_path(adapter: RunAdapter, kind: Kind) -> Path:
    """The file of an export, whether it is there or not."""
    run = adapter.run
    if kind == "run":
        return exports_path(run) / f"{run.id}.zip"
    ending = {"adapter": "adapter.zip", "merged": "merged.zip", "gguf": "gguf"}[kind]
    step = "" if adapter.name == RESULT else f"-{adapter.name}"
    if adapter.name == BEST:  # which is another one after a resume
        step += f"-{adapter.step}"
    return exports_path(run) / f"{run.id}{step}.{ending}"


def is_current(adapter: RunAdapter, kind: Kind) -> bool:
    """Whether an export is there and not older than what it was made from."""
    path, run = export_path(adapter, kind), adapter.run
    sources = [adapter.path / ADAPTER_CONFIG]
    if kind == "run":  # what a folder holds changes the folder's own time; metrics alone grow in place
        folders = (run.completions, run.checkpoints, run.adapter, run.best, run.path / "evaluations")
        sources = [run.path, run.metrics_path, *folders]
    made = [source.stat().st_mtime for source in sources if source.exists()]
    return path.exists() and path.stat().st_mtime >= max(made, default=0.0)


def export_adapter(adapter: RunAdapter, progress: Progress, cancelled: Asked) -> Path:
    """A zip that PEFT loads once it is unpacked: adapter, tokenizer, model card, curves, run spec."""
    with scratch_folder(export_path(adapter, "adapter")) as folder:
        write_bundle(adapter, folder)
        return _zipped(folder, export_path(adapter, "adapter"), progress, cancelled)


def write_bundle(adapter: RunAdapter, folder: Path) -> None:
    """The files of an adapter as others get them: nothing in them names a place on this machine."""
    for path in sorted(adapter.path.iterdir()):
        if path.is_file() and not path.name.startswith(LEFT_OUT):
            shutil.copyfile(path, folder / path.name)
    name_base(folder / ADAPTER_CONFIG, adapter.run.spec().model)
    write_card(adapter, folder)


def name_base(path: Path, model: str) -> None:
    """Let an adapter's settings name its base by what others know it by."""
    settings: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    settings["base_model_name_or_path"] = base_model(model)
    path.write_text(json.dumps(settings, indent=2), encoding="utf-8")


def export_merged(adapter: RunAdapter, progress: Progress, cancelled: Asked) -> Path:
    """A zip of the whole model with the adapter merged in, which transformers loads once it is unpacked."""
    with scratch_folder(export_path(adapter, "merged")) as folder:
        _merge(adapter, folder, cancelled)
        write_card(adapter, folder, merged=True)
        return _zipped(folder, export_path(adapter, "merged"), progress, cancelled)


def export_gguf(adapter: RunAdapter, progress: Progress, cancelled: Asked) -> Path:
    """The merged model as GGUF, by llama.cpp's own converter.

    Raises:
        UserError: the converter is not here, or does not know this kind of model.
    """
    converter = gguf_converter()
    if converter is None:
        raise UserError(no_converter())
    target = export_path(adapter, "gguf")
    with scratch_folder(target) as folder:
        model, made = folder / "model", folder / target.name
        model.mkdir()
        _merge(adapter, model, cancelled)
        progress(1, 2)
        mend = "Its own words say whether it knows this kind of model."
        run_child((sys.executable, converter, model, "--outfile", made), CONVERTER, mend, cancelled)
        made.replace(target)
    return target


def gguf_converter() -> Path | None:
    """llama.cpp's converter: in the folder that $LLAMA_CPP names, or on the PATH; None where it is not here."""
    named = os.environ.get("LLAMA_CPP")
    places = [*([Path(named).expanduser()] if named else []), *map(Path, os.get_exec_path())]
    return next((place / CONVERTER for place in places if (place / CONVERTER).is_file()), None)


def no_converter() -> Problem:
    """What is missing for GGUF."""
    what = f"llama.cpp's {CONVERTER} is not on this machine."
    mend = "Get llama.cpp (github.com/ggml-org/llama.cpp), put its folder into the environment variable LLAMA_CPP."
    return Problem("GGUF", what, mend)


def _merge(adapter: RunAdapter, folder: Path, cancelled: Asked) -> None:
    command = (sys.executable, "-m", "core.training.merge", adapter.run.spec().model, adapter.path, folder)
    run_child(command, "merging", "See whether the model and the adapter can be tried.", cancelled)


@contextmanager
def scratch_folder(target: Path) -> Iterator[Path]:
    """A folder to make an export in, on the disk of its file, gone afterwards; a full disk is said in words.

    The file gets the time at which its making began: what changes meanwhile is newer than it (`is_current`).
    """
    started = time.time()
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=target.parent, prefix="making-"))
    try:
        yield folder
        os.utime(target, (started, started))
    except OSError as error:
        raise UserError(
            Problem(
                "export", f"{error.strerror or error}.", "See whether the disk is full, and the adapter still there."
            )
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _zipped(folder: Path, target: Path, progress: Progress, cancelled: Asked) -> Path:
    """Pack a folder's files under their names."""
    files = {path: path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()}
    return pack(files.items(), target, progress, cancelled)


def pack(files: Iterable[tuple[Path, str]], target: Path, progress: Progress, cancelled: Asked) -> Path:
    """Write a zip whole or not at all.

    Args:
        files: (file, name in the zip).
        target: where.
        progress: told (bytes packed, bytes in all).
        cancelled: asked after each block.
    """
    listed = list(files)
    whole, done = sum(path.stat().st_size for path, _ in listed), 0
    scratch = target.with_name(f".{target.name}.{os.getpid()}.{threading.get_ident()}.part")
    try:
        with zipfile.ZipFile(scratch, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive:
            for path, name in listed:
                info = zipfile.ZipInfo.from_file(path, name)
                # Weights hardly get smaller, and packing them takes long.
                info.compress_type = zipfile.ZIP_STORED if path.suffix == ".safetensors" else zipfile.ZIP_DEFLATED
                with path.open("rb") as source, archive.open(info, "w", force_zip64=True) as packed:
                    while block := source.read(BLOCK):
                        if cancelled():
                            raise ExportCancelled
                        packed.write(block)
                        done += len(block)
                        progress(done, max(whole, done))
        scratch.replace(target)
    finally:
        scratch.unlink(missing_ok=True)
    return target
