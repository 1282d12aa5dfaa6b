"""The frame around every page: the project, the steps with their states, the live run; all of it in the address.

A page is a module with `build(project) -> View`. The frame shows one at a time, asks the shown one every few seconds
whether its project has changed on disk (another tab, a job, the command line), and leaves alone what has not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

import gradio as gr

from core import progress
from core.errors import Problem, UserError
from core.following import follow
from core.preflight import Finding
from core.projects import Project, all_projects, any_project, find_project
from core.queue import start_next_in_background
from core.readiness import PageState, page_states
from core.run_list import run_lines
from core.runs import RunFolder, runs_root, stop_requested
from ui import project_menu
from ui.html import attributes, button, live_html, said
from ui.messages import warn
from ui.texts import t
from ui.train_state import remembered

POLL_S = 2.0
# Gradio 6.31 ends a browser's stream of answers when none is due, and the browser opens another for its next event. One
# that is asked for in just that moment is answered into no stream, and as long as it is not answered the browser asks
# for none of its kind: the page would stand still. Any event opens a stream, and what was missed comes with it.
BEAT_S = 5.0
READ_S = 0.2  # for what a long run has grown by, at one look
PAGES = ("data", "rewards", "preview", "train", "monitor", "try")
QUIET: dict[str, Any] = {"show_progress": "hidden", "concurrency_limit": None, "api_visibility": "private"}
# Of what asks how things stand: answered at once, past the queue and the stream of answers above. No word at the edge
# of the page can come with such an answer (`_word`).
SHOWING: dict[str, Any] = {**QUIET, "queue": False}
# Of what a tab looks at, or a form says: every event counts, one after the other, each with what the one before has
# left. While a handler is busy the browser keeps no further event of it, unless told so.
IN_TURN: dict[str, Any] = {**QUIET, "trigger_mode": "multiple", "concurrency_limit": 1}
# The browser reads the address itself: a page stands still for good where the one event that asked the server for it is
# not answered. What the address names may not be there, so the project's name comes with this mark until the frame has
# answered with one that is, for which it is asked again and again.
NAMED = "?"
# What is shown is asked for by a number that changes, of the frame and of the open page alone. Gradio runs the
# listeners of one event one after the other, and all of them again when one that runs is asked for meanwhile: with a
# listener of every page on the change of the page, a browser asked without end and a page opened after twenty answers.
ASK = f"""(project, page) => {{
    const asked = String(performance.now()), skip = {{__type__: "update"}};
    const idle = !project || document.hidden, open = !idle && !project.startsWith("{NAMED}");
    return [idle ? skip : asked, ...{json.dumps(PAGES)}.map((name) => open && name === page ? asked : skip)];
}}"""
OPEN = f"""(project, page) => {{
    const url = new URL(window.location), known = project && !project.startsWith("{NAMED}");
    if (known) url.searchParams.set("project", project);
    if (page) url.searchParams.set("view", page);
    window.history.replaceState(null, "", url);
    // Before it is known which project is open, a click or a dropped file would be lost.
    if (known) document.getElementById("main").classList.add("ready");
    // In a narrow window the steps are a strip, in which the open one must be in sight.
    const step = document.querySelector(`#nav [data-page="${{page}}"]`);
    step?.parentElement.scrollTo({{left: step.offsetLeft - step.parentElement.offsetLeft - 40}});
    return [{{__type__: "update", selected: page || "data"}}, ...({ASK})(project, page)];
}}"""


@dataclass(frozen=True)
class View:
    """A page as the frame sees it.

    Attributes:
        show: (name, seen, **inputs) -> updates of the outputs, for the project of a name; all `gr.skip()` where `seen`
            says nothing is new.
        seen: holds the token of what is shown; the last of the outputs.
        outputs: what `show` updates, `seen` last.
        inputs: what it needs beside project and seen, by the names of its parameters.
        links: components that other pages connect to.
        address: where what the address names goes, by the name there.
    """

    show: Callable[..., tuple[Any, ...]]
    seen: gr.State
    outputs: list[Any]
    inputs: dict[str, Any] = field(default_factory=dict)
    links: dict[str, Any] = field(default_factory=dict)
    address: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Frame:
    """What pages connect to.

    Attributes:
        project: the project that is open, by name; not to be seen itself, and neither is the page.
        page: the page that is shown, by name.
        picker: where a project is chosen.
        pages: the tabs that the pages are built into.
        nav: the steps.
        strip: the live run.
        views: the pages by name.
        unseen: where Gradio may write how far a quiet event is; it writes into all such places at every event.
    """

    project: gr.Textbox
    page: gr.Textbox
    picker: gr.Dropdown
    pages: gr.Tabs
    nav: gr.HTML
    strip: gr.HTML
    views: dict[str, View]
    unseen: gr.State


@dataclass(frozen=True)
class SeenFrame:
    """What a tab shows around the page: the token of steps and live run; the open project, then all by name."""

    token: str
    projects: tuple[str, ...]


def build(builders: Mapping[str, Callable[[gr.Textbox, gr.Textbox], View]], app: gr.Blocks) -> Frame:
    """Header, steps and pages, connected; `builders` has one for each of `PAGES`."""
    # What handlers read are hidden boxes of text: a dropdown fires `change` again and again without one.
    project, page = gr.Textbox(visible=False), gr.Textbox(visible=False)
    with gr.Row(elem_id="frame"):
        with gr.Column(scale=0, min_width=176, elem_id="side"):
            gr.HTML(f'<a class="sb-brand" href="?">{escape(t("app.title"))}</a>')
            nav = live_html("nav", nav_html("data", {}, None))
        with gr.Column(scale=1, elem_id="main", min_width=200):
            with gr.Row(elem_id="header", equal_height=True):
                picker = gr.Dropdown(
                    [], label=t("frame.project"), container=False, elem_id="project", scale=1, min_width=160
                )
                manage = gr.Button(t("menu.title"), size="sm", scale=0, min_width=150, elem_id="manage-projects")
                strip = live_html("strip", "", scale=3, min_width=160)
            project_menu.build(project, manage)
            with gr.Tabs(elem_id="pages", selected="data") as pages:
                views: dict[str, View] = {}
                for name in PAGES:
                    with gr.Tab(t(f"page.{name}"), id=name):
                        views[name] = builders[name](project, page)
    frame = Frame(project, page, picker, pages, nav, strip, views, gr.State())
    _connect(frame, app)
    return frame


def _connect(frame: Frame, app: gr.Blocks) -> None:
    where, asked = [frame.project, frame.page], [gr.Textbox(visible=False) for _ in ("frame", *PAGES)]
    frame.nav.click(go_to, None, frame.page, **QUIET)
    frame.strip.click(go_to, None, frame.page, **QUIET)
    frame.picker.input(lambda name: name, frame.picker, frame.project, **QUIET)
    opened = [frame.page.change, frame.project.change]
    gr.on(opened, None, where, [frame.pages, *asked], js=OPEN, api_visibility="private")
    gr.Timer(POLL_S).tick(None, where, asked, js=ASK, api_visibility="private")
    gr.Timer(BEAT_S).tick(beat, None, None, trigger_mode="multiple", **QUIET)
    seen = gr.State()
    outputs = [frame.nav, frame.strip, frame.picker, frame.project, seen, _word()]
    _read_address(frame, app)
    shown = {"page": frame.page, "name": frame.project, "seen": seen}
    asked[0].change(show_frame, outputs=outputs, inputs_kwargs=shown, **SHOWING)
    for ask, view in zip(asked[1:], frame.views.values(), strict=True):
        _connect_page(frame.project, ask, view)


def _connect_page(project: gr.Textbox, ask: gr.Textbox, view: View) -> None:
    """Show a page when it is opened, when the project is another one, and when its files have changed."""

    def show(name: str, seen: Any, **inputs: Any) -> tuple[Any, ...]:
        try:
            return *view.show(name, seen, **inputs), ""
        except UserError as error:
            return *(gr.skip(),) * len(view.outputs), str(error)

    shown = {"name": project, "seen": view.seen, **view.inputs}
    ask.change(show, outputs=[*view.outputs, _word()], inputs_kwargs=shown, **SHOWING)


def _read_address(frame: Frame, app: gr.Blocks) -> None:
    """Put what the address names where it belongs: project and page, and of each page what it asks for."""
    asked = [(name, box) for view in frame.views.values() for name, box in view.address.items()]
    js = f"""() => {{
        const address = new URLSearchParams(window.location.search), named = (name) => address.get(name) || "";
        const page = {json.dumps(PAGES)}.find((name) => name === named("view")) || (named("run") ? "monitor" : "data");
        return ["{NAMED}" + named("project"), page, ...{json.dumps([name for name, _ in asked])}.map(named)];
    }}"""
    outputs = [frame.project, frame.page, *(box for _, box in asked)]
    app.load(None, None, outputs, js=js, api_visibility="private")


def _word() -> gr.Textbox:
    """Where what is wrong is written, to be said at the edge of the page whenever it is another text than before."""
    box = gr.Textbox(visible=False)
    box.change(lambda text: warn(text) if text else None, box, None, **QUIET)
    return box


def beat() -> None:
    """Nothing; see `BEAT_S`."""


def go_to(event: gr.EventData) -> str:
    """The page that was clicked."""
    return said(event).get("page", "data")


def show_frame(page: str, name: str, seen: SeenFrame | None) -> tuple[Any, ...]:
    """Steps, live run and projects, where they have changed; a project that is gone gives way to the newest."""
    names = [project.name for project in all_projects()]
    if name.startswith(NAMED):
        return _named(name.removeprefix(NAMED), names)
    start_next_in_background()
    if name not in names:
        return _instead_of(name)
    project, live = find_project(name), live_run()
    more = _found(project)
    now = SeenFrame(f"{page} {name} {project.revision} {live} {more}", (name, *sorted(names)))
    if now == seen:
        return (gr.skip(),) * 6
    picker = gr.skip() if seen and seen.projects == now.projects else gr.Dropdown(choices=names, value=name)
    return nav_html(page, _states(project, more), live), live or "", picker, gr.skip(), now, ""


def _named(name: str, names: list[str]) -> tuple[Any, ...]:
    """The project that the address names; without one that is there, the one that was changed last, or a first one."""
    shown = name if name in names else any_project().name
    missing = t("frame.no_project", name=name, shown=shown) if name and name != shown else ""
    return *(gr.skip(),) * 3, shown, gr.skip(), missing


def _instead_of(name: str) -> tuple[Any, ...]:
    """Another project, where one is gone."""
    shown = any_project().name
    return *(gr.skip(),) * 3, shown, None, t("frame.gone", name=name, shown=shown)


def _found(project: Project) -> tuple[Finding, ...]:
    """What the page Train has found in the draft as it is."""
    try:
        return remembered(project.name, project.draft())
    except UserError:  # the page itself says what is wrong
        return ()


def _states(project: Project, more: tuple[Finding, ...]) -> dict[Any, PageState]:
    try:
        return dict(page_states(project, ((finding.page, finding.problem) for finding in more)))
    except UserError:
        return {}


def nav_html(page: str, states: dict[Any, PageState], live: str | None) -> str:
    """The steps in their order, each with its state."""
    steps = [_step(n, name, name == page, _mark(name, states, live)) for n, name in enumerate(PAGES, start=1)]
    return f'<nav aria-label="{escape(t("frame.steps"))}">{"".join(steps)}</nav>'


def _step(n: int, name: str, current: bool, mark: str) -> str:
    here = ' aria-current="page"' if current else ""
    label = f'<span class="n">{n}</span><span class="label">{escape(t(f"page.{name}"))}</span>{mark}'
    return f'<button type="button" class="sb-step"{here} {attributes(act="page", page=name)}>{label}</button>'


def _mark(name: str, states: dict[Any, PageState], live: str | None) -> str:
    if name == "monitor":
        return f'<span class="mark live" title="{escape(t("frame.live"))}">●</span>' if live else ""
    found = states.get(name)
    if found is None or found.todo:
        return ""
    if found.problems:
        kind = "error" if found.errors else "warning"
        count = found.errors or len(found.problems)
        title = t("frame.errors", count=count) if found.errors else t("frame.warnings", count=count)
        return f'<span class="mark {kind}" title="{escape(title)}">!{count}</span>'
    return f'<span class="mark ok" title="{escape(t("frame.ok"))}">✓</span>'


def live_run() -> str | None:
    """The newest running run in one line that leads to it."""
    for line in run_lines():
        if line.state == "running":
            run = RunFolder(runs_root() / line.id)
            series = follow(run, READ_S)
            text = line.name
            if series.last:
                text += f" · step {series.last['step']}/{series.last['steps']}"
                left = None if stop_requested(run) else progress.left_of(series)
                text += "" if left is None else f" · {progress.duration(left)}"
            return button(text, kind="link", act="page", page="monitor", run=line.id)
    return None


def opened(name: str | None) -> Project:
    """The project that a page shows; `UserError` before it is known which that is."""
    if not name or name.startswith(NAMED):
        raise UserError(Problem("project", "the page is still loading.", "Do it again in a moment."))
    return find_project(name)
