"""The frame around every page: the project, the steps with their states, the live run; all of it in the address.

A page is a module with `build(project) -> View`. The frame shows one at a time, asks the shown one every few seconds
whether its project has changed on disk (another tab, a job, the command line), and leaves alone what has not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

import gradio as gr

from core import progress
from core.projects import Project, all_projects, create_project, find_project, free_name
from core.readiness import PageState, page_states
from core.runs import all_runs, state
from core.series import follow
from ui import project_menu
from ui.html import attributes, button, live_html, said
from ui.messages import told
from ui.texts import t

POLL_S = 2.0
PAGES = ("data", "rewards", "preview", "train", "monitor")
QUIET: dict[str, Any] = {"show_progress": "hidden", "concurrency_limit": None, "api_visibility": "private"}
PUT_INTO_URL = """(project, page) => {
    const url = new URL(window.location);
    if (project) url.searchParams.set("project", project);
    if (page) url.searchParams.set("view", page);
    window.history.replaceState(null, "", url);
}"""


@dataclass(frozen=True)
class View:
    """A page as the frame sees it.

    Attributes:
        show: (project, seen, *inputs) -> updates of the outputs; all `gr.skip()` where `seen` says nothing is new.
        seen: holds the token of what is shown; the last of the outputs.
        outputs: what `show` updates, `seen` last.
        inputs: what it needs beside project and seen.
        links: components that other pages connect to.
    """

    show: Callable[..., tuple[Any, ...]]
    seen: gr.State
    outputs: list[Any]
    inputs: list[Any] = field(default_factory=list)
    links: dict[str, Any] = field(default_factory=dict)


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
    """

    project: gr.Textbox
    page: gr.Textbox
    picker: gr.Dropdown
    pages: gr.Tabs
    nav: gr.HTML
    strip: gr.HTML
    views: dict[str, View]


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
                picker = gr.Dropdown([], label=t("frame.project"), elem_id="project", scale=1, min_width=200)
                strip = live_html("strip", "", scale=3, min_width=160)
            project_menu.build(project)
            with gr.Tabs(elem_id="pages", selected="data") as pages:
                views: dict[str, View] = {}
                for name in PAGES:
                    with gr.Tab(t(f"page.{name}"), id=name):
                        views[name] = builders[name](project, page)
    frame = Frame(project, page, picker, pages, nav, strip, views)
    _connect(frame, app)
    for name, view in views.items():
        _connect_page(frame, name, view)
    return frame


def _connect(frame: Frame, app: gr.Blocks) -> None:
    app.load(open_address, None, [frame.project, frame.page], **QUIET)
    go = [frame.page, frame.pages]
    frame.nav.click(go_to, None, go, **QUIET)
    frame.strip.click(go_to, None, go, **QUIET)
    frame.page.change(lambda page: gr.Tabs(selected=page), frame.page, frame.pages, **QUIET)
    seen, names = gr.State(), gr.Textbox(visible=False)
    frame.picker.input(lambda name: name, frame.picker, frame.project, **QUIET)
    gr.on([names.change, frame.project.change], project_choices, frame.project, [frame.picker, frame.project], **QUIET)
    inputs, outputs = [frame.page, frame.project, seen], [frame.nav, frame.strip, names, seen]
    gr.on([frame.page.change, frame.project.change, gr.Timer(POLL_S).tick], show_frame, inputs, outputs, **QUIET)
    gr.on(
        [frame.page.change, frame.project.change],
        None,
        [frame.project, frame.page],
        None,
        js=PUT_INTO_URL,
        api_visibility="private",
    )


def _connect_page(frame: Frame, name: str, view: View) -> None:
    """Show a page when it is opened, when the project is another one, and when its files have changed."""
    timer = gr.Timer(POLL_S, active=False)
    frame.page.change(lambda page: gr.Timer(active=page == name), frame.page, timer, **QUIET)

    def show(page: str, project: str | None, seen: Any, *inputs: Any) -> tuple[Any, ...]:
        if page != name or not project:
            return (gr.skip(),) * len(view.outputs)
        return view.show(project, seen, *inputs)

    gr.on(
        [frame.page.change, frame.project.change, timer.tick],
        show,
        [frame.page, frame.project, view.seen, *view.inputs],
        view.outputs,
        **QUIET,
    )


def open_address(request: gr.Request) -> tuple[str, str]:
    """The project and page that the address names; without one, the project that was changed last, or a first one."""
    named, page = request.query_params.get("project"), request.query_params.get("view")
    projects = [project.name for project in all_projects()] or [create_project(free_name("first")).name]
    shown = named if named in projects else projects[0]
    if page not in PAGES:
        page = "monitor" if request.query_params.get("run") else "data"
    return shown, page


def go_to(event: gr.EventData) -> tuple[str, gr.Tabs]:
    """The page that was clicked."""
    page = said(event).get("page", "data")
    return page, gr.Tabs(selected=page)


@told
def show_frame(page: str, name: str | None, seen: str | None) -> tuple[Any, ...]:
    """Steps, live run and projects; nothing where nothing has changed."""
    names = [project.name for project in all_projects()]
    live = live_run()
    if name not in names:
        return gr.skip(), gr.skip(), " ".join(sorted(names)), None
    project = find_project(name)
    token = f"{page} {name} {project.revision} {names} {live}"
    if token == seen:
        return (gr.skip(),) * 4
    return nav_html(page, page_states(project), live), live or "", " ".join(sorted(names)), token


def project_choices(name: str | None) -> tuple[gr.Dropdown, Any]:
    """The projects there are by now; one that is gone gives way to the one that was changed last."""
    names = [project.name for project in all_projects()]
    shown = name if name in names else next(iter(names), "")
    return gr.Dropdown(choices=names, value=shown), gr.skip() if shown == name else shown


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
    for run in all_runs():
        if state(run) == "running":
            series = follow(run)
            text = run.id
            if series.last:
                left = progress.seconds_left(list(series.latest))
                text += f" · step {series.last['step']}/{series.last['steps']} · {progress.duration(left)}"
            return button(text, kind="link", act="page", page="monitor", run=run.id)
    return None


def opened(name: str) -> Project:
    """The project that a page shows."""
    return find_project(name)
