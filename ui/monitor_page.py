"""The page that answers: is every task learning? It reads run folders and nothing else.

It is made of parts in tabs. A part is drawn when its tab is open and its token has changed since this viewer saw it;
all others are skipped, so that zoom, open texts and focus stay, and nothing is sent that nobody sees. Figures wait
until the browser has drawn the rest: it is busy for more than a second when it loads what draws them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr

from core.completions import Wanted
from core.run_list import run_lines
from core.runs import runs_root
from core.task_states import task_bounds
from ui import (
    monitor_compare,
    monitor_completions,
    monitor_figures,
    monitor_header,
    monitor_log,
    monitor_training,
    run_buttons,
)
from ui.drawn import Drawn
from ui.frame import IN_TURN, QUIET, SHOWING, View
from ui.html import LISTEN, READ, empty, live_html, said
from ui.monitor_state import Known, Look, known, spec_of
from ui.monitor_table import reasons_html, table_html
from ui.monitor_weights import weights_figure, weights_html, weights_note
from ui.parts import Part
from ui.plots import Figure, plot
from ui.texts import t

TABS = ("overview", "parts", "signal", "training", "completions", "compare", "log")
# What is looked at is asked for once tab and width are known, and once for all three.
LOOK_AT = """(run, tab, width) => {
    const url = new URL(window.location);
    if (run) url.searchParams.set("run", run);
    if (tab) url.searchParams.set("tab", tab);
    window.history.replaceState(null, "", url);
    return tab && width ? `${run} ${tab} ${width}` : {__type__: "update"};
}"""
PUT_OTHERS_INTO_URL = """(others) => {
    const url = new URL(window.location);
    if (others) url.searchParams.set("with", others);
    else url.searchParams.delete("with");
    window.history.replaceState(null, "", url);
}"""
DRAWN = Drawn()
WIDTH = "() => window.innerWidth"


@dataclass(frozen=True)
class TabPart(Part):
    """A part of this page.

    Attributes:
        tab: the tab it is in; empty for what is over the tabs.
        figure: whether plotly draws it.
    """

    tab: str = ""
    figure: bool = False


def _figure(name: str, tab: str, make: Callable[..., Any]) -> TabPart:
    """A figure of the run's series in the page's colours and steps."""
    return TabPart(
        name,
        _figure_token,
        lambda now, look, width: _shown(make(now.series, now.colours, now.frame(look, width))),
        tab,
        figure=True,
    )


def _figure_token(now: Known, look: Look, width: int) -> str:
    return f"{now.figures_token} {look.span} {now.frame(look, width).columns}"


def _shown(figure: Figure | None) -> gr.Plot:
    """A figure; where there is nothing to draw yet no place is kept for it."""
    return gr.Plot(value=plot(figure), visible=figure is not None)


def _overlay_token(now: Known, look: Look, width: int) -> str:
    return f"{now.figures_token} {look.span}" if look.overlay else f"{now.run.id} none"


def _overlay(now: Known, look: Look, width: int) -> gr.Plot:
    figure = monitor_figures.overlay_figure(now.series, now.colours, now.frame(look, width)) if look.overlay else None
    return _shown(figure)


def _errors(now: Known, look: Look, width: int) -> gr.Plot:
    return _shown(monitor_training.errors_figure(now.series, now.colours, now.frame(look, width)))


def _curves(now: Known, look: Look, width: int) -> gr.Plot:
    spec = spec_of(now.run)
    bounds = task_bounds(spec, now.series.tasks) if spec else None
    return _shown(monitor_figures.reward_figure(now.series, now.colours, now.frame(look, width), bounds))


def _weights(now: Known, look: Look, width: int) -> gr.Plot:
    return _shown(weights_figure(now, now.colours, now.frame(look, width)))


def _alerts_token(now: Known, look: Look, width: int) -> str:
    return f"{now.figures_token} {now.state} {[alert.place for alert in now.alerts]} {len(now.past_alerts)}"


PARTS = (
    TabPart("status", lambda now, *_: now.token, lambda now, *_: monitor_header.status_html(now)),
    TabPart("alerts", _alerts_token, lambda now, *_: monitor_header.alerts_html(now), "overview"),
    TabPart(
        "tools",
        lambda now, look, _: monitor_header.tools_token(now, look),
        lambda now, look, _: monitor_header.tools_html(now, look),
    ),
    TabPart("table", _alerts_token, lambda now, *_: table_html(now) + weights_note(now), "overview"),
    _figure("heat", "overview", lambda series, colours, frame: monitor_figures.heat_figure(series, frame)),
    TabPart("curves", _figure_token, _curves, "overview", figure=True),
    TabPart("overlay", _overlay_token, _overlay, "overview", figure=True),
    _figure("parts", "parts", monitor_figures.parts_figure),
    TabPart("moving", lambda now, *_: now.figures_token, lambda now, *_: weights_html(now), "parts"),
    TabPart("weights", _figure_token, _weights, "parts", figure=True),
    _figure("signal", "signal", monitor_training.signal_figure),
    TabPart("errors", lambda now, look, _: f"{now.figures_token} {look.span}", _errors, "signal", figure=True),
    TabPart("reasons", lambda now, *_: now.figures_token, lambda now, *_: reasons_html(now), "signal"),
    _figure("training", "training", monitor_training.training_figure),
    TabPart(
        "completions",
        lambda now, look, _: monitor_completions.completions_token(now, look),
        lambda now, look, _: monitor_completions.completions_html(now, look),
        "completions",
    ),
    TabPart(
        "compare",
        lambda now, look, _: monitor_compare.compare_token(now, look),
        lambda now, look, _: monitor_compare.compare_html(now, look),
        "compare",
    ),
    TabPart(
        "compared",
        lambda now, look, width: f"{monitor_compare.compare_token(now, look)} {now.frame(look, width).columns}",
        lambda now, look, width: _shown(monitor_compare.compare_figure(now, look, now.frame(look, width))),
        "compare",
        figure=True,
    ),
    TabPart(
        "log", lambda now, *_: monitor_log.log_token(now.run), lambda now, *_: monitor_log.log_tail(now.run), "log"
    ),
    TabPart("settings", lambda now, *_: now.run.id, lambda now, *_: monitor_log.settings(now.run), "log"),
)


# The tab that the page's address names, before the tabs are there to say which of them is open.
TAB_IN_URL = f"""() => {{
    const named = new URLSearchParams(window.location.search).get("tab");
    const tab = {json.dumps(TABS)}.includes(named) ? named : "overview";
    return [tab, {{__type__: "update", selected: tab}}];
}}"""
NOTHING: list[Any] = [gr.skip()] * len(PARTS)


def build(project: gr.Textbox, page: gr.Textbox) -> View:
    """Which run, how it stands, and tabs with everything about it."""
    gr.Markdown(f"## {t('watch.question')}", elem_classes="question")
    run, tab, at, drawn, others = (gr.Textbox(visible=False) for _ in range(5))
    width = gr.Number(visible=False)
    look, seen = gr.State(Look()), gr.State()
    picker = gr.HTML("", elem_id="run-picker", js_on_load=LISTEN + monitor_header.PICK, elem_classes="live")
    made: dict[str, Any] = {
        "status": live_html("status"),
        "tools": gr.HTML("", elem_id="monitor-tools", js_on_load=LISTEN, elem_classes="live"),
    }
    tabs = _build_tabs(made)
    outputs = [picker, *(made[part.name] for part in PARTS), run, drawn, seen]
    inputs = {"run_id": run, "tab": tab, "look": look, "others": others, "width": width, "drawn": drawn}
    shown = {"page": page, "name": project, "seen": seen, **inputs}
    refresh = {"fn": show_open, "inputs_kwargs": shown, "outputs": outputs, **SHOWING}
    looked_at = [run, tab, width]
    gr.on([box.change for box in looked_at], None, looked_at, at, js=LOOK_AT, api_visibility="private")
    gr.on([at.change, drawn.change], **refresh)
    page.change(None, None, width, js=WIDTH, api_visibility="private")
    for name, opened in tabs.items():
        # In the browser: answers of a server may come in another order than the tabs were opened.
        opened.select(None, None, tab, js=f"() => '{name}'", api_visibility="private")
    picker.click(chosen_run, None, run, **QUIET)
    made["status"].click(run_buttons.clicked, None, [project, page], **QUIET).then(**refresh)
    for name in ("tools", "completions", "compare"):
        gr.on([made[name].click, made[name].input], looked, [look, others], [look, others], **IN_TURN).then(**refresh)
    others.change(None, others, None, js=PUT_OTHERS_INTO_URL, api_visibility="private")
    links = {"run": run, "tab": tab, "tabs": tabs["overview"].parent}
    return View(show, seen, outputs, inputs, links, {"run": run, "with": others})


def _build_tabs(made: dict[str, Any]) -> dict[str, gr.Tab]:
    """The tabs with their empty components."""
    tabs: dict[str, gr.Tab] = {}
    with gr.Tabs(elem_id="monitor-tabs", selected="overview"):
        for name in TABS:
            with gr.Tab(t(f"tab.{name}"), id=name, elem_id=f"tab-{name}") as tabs[name]:
                _build_tab(name, made)
    return tabs


def _build_tab(name: str, made: dict[str, Any]) -> None:
    figures = {"overview": ("heat", "curves", "overlay"), "parts": ("parts",), "signal": ("signal", "errors")}
    figures |= {"training": ("training",), "compare": ("compared",)}
    if name == "overview":
        made["alerts"] = gr.HTML("", elem_id="alerts", js_on_load=READ, elem_classes="live")
    js = {"completions": LISTEN + READ, "compare": LISTEN, "overview": READ}
    html = {"overview": "table", "completions": "completions", "compare": "compare"}
    if name in html:
        made[html[name]] = gr.HTML("", elem_id=f"run-{html[name]}", js_on_load=js[name], elem_classes="live")
    for figure in figures.get(name, ()):
        made[figure] = gr.Plot(show_label=False, container=False, elem_id=figure, visible=False)
    if name == "parts":
        made["moving"] = gr.HTML("", elem_id="weights-that-move")
        made["weights"] = gr.Plot(show_label=False, container=False, elem_id="weights", visible=False)
    if name == "signal":
        made["reasons"] = gr.HTML("", elem_id="error-reasons")
    if name == "log":
        made["log"] = gr.Code(label=t("watch.log"), language=None, interactive=False, lines=12, elem_id="log")
        with gr.Accordion(t("watch.settings"), open=False, elem_id="settings-of"):
            made["settings"] = gr.Code(language="yaml", interactive=False, show_label=False, elem_id="settings")


def show(
    name: str,
    seen: Any,
    run_id: str | None,
    tab: str | None,
    look: Look,
    width: float | None,
    drawn: str | None,
    others: str | None = "",
) -> tuple[Any, ...]:
    """What has changed since `seen`, whatever project is open; figures once the browser has `drawn` the rest.

    Where none is named the newest that runs, else the newest.
    """
    lines, look = run_lines(), _comparing(look, others)
    newest = "" if run_id or not lines else next((line for line in lines if line.state == "running"), lines[0]).id
    run_id = run_id or newest
    before = seen or {}
    tokens: dict[str, Any] = {"picker": f"{run_id} {lines}"}
    picker = gr.skip() if before.get("picker") == tokens["picker"] else picker_or_hint(lines, run_id)
    if run_id and run_id not in {line.id for line in lines}:
        parts = _gone(run_id, before, tokens)
    else:
        wanted = [part for part in PARTS if part.tab in ("", tab or "overview") and (drawn or not part.figure)]
        parts = _parts(known(run_id), wanted, look, int(width or 0), before, tokens) if run_id else NOTHING
    after = "yes" if run_id and not drawn else gr.skip()
    return (picker, *parts, newest or gr.skip(), after, gr.skip() if tokens == before else tokens)


def show_open(page: str, **shown: Any) -> tuple[Any, ...]:
    """The same where the page is open; the frame shows it when it is opened."""
    return show(**shown) if page == "monitor" else (gr.skip(),) * (len(PARTS) + 4)


def _parts(
    now: Known, wanted: Sequence[TabPart], look: Look, width: int, before: dict[str, Any], tokens: dict[str, Any]
) -> list[Any]:
    """What is new of the wanted parts; `tokens` gets what each part shows by then."""
    drawn = list(NOTHING)
    for n, part in enumerate(PARTS):
        here = part in wanted
        tokens[part.name] = part.token(now, look, width) if here else before.get(part.name)
        if here and before.get(part.name) != tokens[part.name]:
            drawn[n] = _drawn(part, tokens[part.name], now, look, width)
    return drawn


def _gone(run_id: str, before: dict[str, Any], tokens: dict[str, Any]) -> list[Any]:
    """A run that was deleted while somebody looks at it: what was drawn of it stays, and its line says so."""
    folder = runs_root() / Path(run_id).name
    there = folder.is_dir() and any(folder.iterdir())
    text = t("watch.no_spec", path=folder) if there else t("watch.gone", run=run_id)
    tokens |= {**before, "picker": tokens["picker"], "status": f"{run_id}: {text}"}
    return [gr.skip() if before.get("status") == tokens["status"] else empty(text), *NOTHING[1:]]


def _drawn(part: TabPart, token: str, now: Known, look: Look, width: int) -> Any:
    return DRAWN.get(part.name, f"{now.run.path} {token}", lambda: part.draw(now, look, width))


def picker_or_hint(lines: list[Any], run_id: str | None) -> str:
    """The runs to choose from, or what to do where there are none."""
    return monitor_header.picker_html(lines, run_id or "") if lines else empty(t("watch.none"))


def chosen_run(event: gr.EventData) -> Any:
    """The run that was clicked in the list."""
    return said(event).get("run") or gr.skip()


def looked(look: Look, others: str, event: gr.EventData) -> tuple[Look, str]:
    """What a tab looks at after a click or an edit in one of its fields; and the runs it compares with, by comma."""
    after = _looked(_comparing(look, others), said(event))
    return after, ",".join(after.others)


def _comparing(look: Look, others: str | None) -> Look:
    """With the runs that the page's address names."""
    return replace(look, others=tuple(filter(None, (others or "").split(","))))


def _looked(look: Look, data: Mapping[str, Any]) -> Look:
    edit, value = data.get("edit"), data.get("value")
    if edit in ("span", "overlay"):
        return replace(look, **{edit: value})
    if edit == "other":
        return replace(look, others=(*look.others, str(value))) if value else look
    if edit:
        return replace(look, wanted=monitor_completions.changed(look.wanted, edit, value))
    if data.get("act") == "drop":
        return replace(look, others=tuple(run for run in look.others if run != data["run"]))
    if data.get("act") == "reset":
        return replace(look, wanted=Wanted())
    if data.get("act") == "earlier":
        return replace(look, wanted=monitor_completions.earlier(look.wanted, data["step"], data["before"]))
    return replace(look, wanted=monitor_completions.changed(look.wanted, "prompt", data["prompt"]))
