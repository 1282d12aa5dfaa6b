"""How a run ended that did not end well: an exception as an ending in words, and what can be done about it."""

from __future__ import annotations

import errno
import re
import traceback
from collections.abc import Iterator

from core.errors import Problem, UserError
from core.runs import Exit, RunFolder, checkpoint_step
from core.spec import RunSpec

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# safetensors and torch raise errors of their own where a write fails: `(os error 28)`, `inline_container.cc`.
NO_ROOM_TEXT = re.compile(rf"\(os error (?:{'|'.join(map(str, NO_ROOM))})\)|inline_container\.cc")
SETTINGS = set(RunSpec.model_fields) - {"name", "model", "data"}  # what no change outside the spec can mend
GONE = "the run's folder was deleted while it ran"


def check_still_there(run: RunFolder) -> None:
    """`UserError` where the folder was deleted: what is written next would make it anew, without its beginning."""
    if not run.spec_path.exists():
        raise UserError(Problem(str(run.path), f"{GONE}.", "Nothing of it is kept; start a new run."))


def failure(run: RunFolder, error: BaseException) -> Exit:
    """The ending that an exception makes."""
    if not run.spec_path.exists():
        return Exit("failed", f"{run.path}: {GONE}, so it ends.", 0)
    step = run.last_step()
    if no_room(error):
        return Exit("failed", _no_room_message(run, error), step)
    if isinstance(error, UserError):
        settings = any(_field(problem) in SETTINGS and not problem.outside for problem in error.problems)
        return Exit("failed", str(error), step, remedy="edit" if settings else "resume")
    return Exit("failed", f"{type(error).__name__}: {error}", step, "".join(traceback.format_exception(error)))


def no_room(error: BaseException) -> bool:
    """Whether a full disk, a quota or a limit on the size of files is behind an exception."""
    return any(
        (isinstance(one, OSError) and one.errno in NO_ROOM) or NO_ROOM_TEXT.search(str(one)) for one in _chain(error)
    )


def _no_room_message(run: RunFolder, error: BaseException) -> str:
    whole = run.whole_checkpoints()
    kept = f"step {checkpoint_step(whole[-1])} is the last that is whole" if whole else "there is no checkpoint yet"
    return (
        f"The disk is full, or a quota or a limit on the size of files is reached ({error}). Nothing that was written "
        f"is lost; {kept}. Make room, then resume."
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception and those that led to it."""
    seen: set[int] = set()
    now: BaseException | None = error
    while now is not None and id(now) not in seen:
        seen.add(id(now))
        yield now
        now = now.__cause__ or now.__context__


def _field(problem: Problem) -> str:
    """The part of the spec that a problem lies in."""
    return problem.where.partition(".")[0].partition("[")[0]
