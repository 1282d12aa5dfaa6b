"""The one place where an error meant for the user becomes words on the page."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from html import escape
from typing import ParamSpec, TypeVar

import gradio as gr

from core.errors import Problem, UserError
from ui.html import button
from ui.texts import t

P = ParamSpec("P")
R = TypeVar("R")


def told(handler: Callable[P, R]) -> Callable[P, R]:
    """A handler whose `UserError`s are shown as messages; anything else is a bug and keeps its traceback."""

    @functools.wraps(handler)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return handler(*args, **kwargs)
        except UserError as error:
            # gr.Error shows its message as HTML.
            raise gr.Error(escape(str(error)), print_exception=False) from error

    return wrapped


def inform(text: str) -> None:
    """A word at the edge of the page; gradio shows it as HTML, and names are data."""
    gr.Info(escape(text))


def warn(text: str) -> None:
    """The same, for what somebody should know."""
    gr.Warning(escape(text))


def problem_list(problems: Iterable[Problem], *, jump: bool = False) -> str:
    """Errors first, then warnings: what, where, how to mend it; places are links where `jump` says so."""
    ordered = sorted(problems, key=lambda problem: problem.severity != "error")
    return f'<ul class="sb-problems">{"".join(_line(problem, jump) for problem in ordered)}</ul>' if ordered else ""


def _line(problem: Problem, jump: bool) -> str:
    where = button(problem.where, kind="link", act="jump", where=problem.where) if jump else escape(problem.where)
    kind = t(f"problem.{problem.severity}")
    return (
        f'<li class="{problem.severity}"><span class="kind">{escape(kind)}</span> <span class="where">{where}</span> '
        f'<span class="what">{escape(problem.what)}</span> <span class="mend">{escape(problem.mend)}</span></li>'
    )
