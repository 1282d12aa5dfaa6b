"""The page that answers: is it better, and how do I take it with me? Side by side, evaluated, exported.

Everything shown is made of the run's folder and of jobs, part by part: a part whose token has not changed is left
alone. While something goes on, the page looks several times a second, so that answers can be read as they are written.
"""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr

from core.errors import UserError
from core.run_adapters import no_adapter
from ui import try_ask, try_evaluate, try_export, try_talk
from ui.frame import IN_TURN, QUIET, SHOWING, View
from ui.html import LISTEN, READ, button, empty, said
from ui.messages import problem_list, told
from ui.parts import Part, drawn_anew, tokens_of
from ui.texts import t
from ui.try_state import Known, Look, adapter_label, known, model_label

FAST_S = 0.3
PUT_INTO_URL = """(run, adapter) => {
    const url = new URL(window.location);
    if (run) url.searchParams.set("run", run);
    if (adapter) url.searchParams.set("adapter", adapter);
    window.history.replaceState(null, "", url);
}"""


def _runs(now: Known) -> gr.Dropdown:
    return gr.Dropdown(choices=list(now.runs), value=now.id or None, visible=bool(now.runs))


def _adapters(now: Known) -> gr.Dropdown:
    found = [(adapter_label(one.name, one.step), one.name) for one in now.adapters]
    return gr.Dropdown(choices=found, value=now.adapter.name if now.adapter else None, visible=bool(found))


def _head(now: Known) -> str:
    """What is compared; where there is nothing yet, what to do."""
    if now.gone:
        return empty(t("watch.gone", run=now.gone))
    if now.run is None:
        return empty(t("try.no_runs"), button(t("try.to_train"), kind="primary", act="page", page="train"))
    if now.adapter is None:
        try:
            missing = no_adapter(now.run)
        except UserError as error:
            return problem_list(error.problems)
        watch = button(t("try.to_monitor"), kind="primary", act="page", page="monitor")
        return empty(f"{missing.what[0].upper()}{missing.what[1:]} {missing.mend}", watch)
    label = adapter_label(now.adapter.name, now.adapter.step)
    model = model_label(now.spec.model) if now.spec else "-"
    words = t("try.about", adapter=f"{label[0].upper()}{label[1:]}", model=model, state=now.state)
    return f'<p class="sb-note">{escape(words)}</p>'


def _there(now: Known) -> bool:
    return now.adapter is not None


def _going(now: Known) -> bool:
    job = now.job("evaluate")
    return try_talk.answering(now) or try_export.making(now) or (job is not None and job.running)


PARTS = (
    Part("runs", lambda now: f"{now.runs} {now.id}", _runs),
    Part("adapters", lambda now: now.token, _adapters),
    Part("head", lambda now: now.token, _head),
    Part("body", lambda now: str(_there(now)), lambda now: gr.Column(visible=_there(now))),
    Part("talk", try_talk.talk_token, try_talk.talk_html),
    Part("follow", lambda now: str(try_talk.can_follow(now)), lambda now: gr.Row(visible=try_talk.can_follow(now))),
    Part("progress", try_evaluate.progress_token, try_evaluate.progress_html),
    Part("results", try_evaluate.results_token, try_evaluate.results_html),
    Part("files", try_export.files_token, try_export.files_html),
    Part("pushed", try_export.push_token, try_export.push_html),
    Part("card", try_export.card_token, try_export.card_text),
    Part("fast", lambda now: str(_going(now)), lambda now: gr.Timer(FAST_S, active=_going(now))),
)


def build(project: gr.Textbox, page: gr.Textbox) -> View:
    """Choose run and adapter; three tabs."""
    gr.Markdown(f"## {t('try.question')}", elem_classes="question")
    run, adapter = gr.Textbox(visible=False), gr.Textbox(visible=False)
    look, seen = gr.State(Look()), gr.State()
    made: dict[str, Any] = {"fast": gr.Timer(FAST_S, active=False)}
    with gr.Row():
        made["runs"] = gr.Dropdown([], label=t("try.run"), elem_id="try-run", scale=3, min_width=220)
        made["adapters"] = gr.Dropdown([], label=t("try.adapter"), elem_id="try-adapter", scale=2, min_width=200)
    made["head"] = _live("try-head")
    with gr.Column(visible=False) as made["body"], gr.Tabs(elem_id="try-tabs"):
        with gr.Tab(t("try.side_by_side"), id="talk"):
            form = try_ask.Ask()
            made["talk"] = _live("try-talk")
            with gr.Row(visible=False, elem_classes="sb-form-row", equal_height=True) as made["follow"]:
                more = gr.Textbox(label=t("try.follow"), elem_id="follow-text", scale=5, min_width=200)
                send = gr.Button(t("try.send"), elem_id="follow-send", min_width=90)
        with gr.Tab(t("try.evaluate"), id="evaluate"):
            evaluation = try_evaluate.Form()
            made["progress"], made["results"] = _live("eval-progress"), _live("eval-results")
        with gr.Tab(t("try.export"), id="export"):
            hub = _exports(made)
    # Outside of the tabs, which are there for a run alone: the first run of a machine may be one from elsewhere.
    with gr.Accordion(t("export.import"), open=False, elem_id="import-run"):
        made["bring"] = gr.File(label=t("export.import_file"), file_types=[".zip"], height=120, elem_id="import-file")
    outputs = [*(made[part.name] for part in PARTS), *form.outputs, evaluation.tokens, run, adapter, seen]
    inputs = {"run": run, "adapter": adapter, "look": look}
    refresh = {"fn": show, "inputs_kwargs": {"name": project, "seen": seen, **inputs}, "outputs": outputs, **SHOWING}
    for part in (form, evaluation, hub):
        part.connect(run, adapter, refresh)
    _connect(page, inputs, made, refresh)
    asked = {"run": run, "text": more}
    gr.on([send.click, more.submit], told(try_ask.follow), outputs=more, inputs_kwargs=asked, **QUIET).then(**refresh)
    made["bring"].upload(told(try_export.bring), made["bring"], [made["bring"], run], **QUIET).then(**refresh)
    return View(show, seen, outputs, inputs, address={"run": run, "adapter": adapter})


def _live(elem_id: str) -> gr.HTML:
    return gr.HTML("", elem_id=elem_id, js_on_load=LISTEN + READ, elem_classes="live")


def _exports(made: dict[str, Any]) -> try_export.Hub:
    made["files"] = _live("export-files")
    with gr.Accordion(t("export.hub"), open=False, elem_id="hub"):
        hub = try_export.Hub()
        made["pushed"] = _live("hub-pushed")
    with gr.Accordion(t("export.card"), open=False, elem_id="card"):
        made["card"] = gr.Code(language="markdown", interactive=False, show_label=False, lines=12, elem_id="card-text")
    return hub


def _connect(page: gr.Textbox, inputs: dict[str, Any], made: dict[str, Any], refresh: dict[str, Any]) -> None:
    run, adapter, look = inputs.values()
    judged = {"look": look, "run": run}
    made["runs"].input(lambda chosen: (chosen, ""), made["runs"], [run, adapter], **QUIET).then(**refresh)
    made["adapters"].input(lambda chosen: chosen, made["adapters"], adapter, **QUIET).then(**refresh)
    gr.on([run.change, adapter.change], None, [run, adapter], js=PUT_INTO_URL, api_visibility="private")
    made["head"].click(go, None, page, **QUIET)
    made["talk"].click(told(try_ask.talk), run, None, **QUIET).then(**refresh)
    made["progress"].click(told(try_evaluate.act), outputs=look, inputs_kwargs=judged, **IN_TURN).then(**refresh)
    made["results"].input(told(try_evaluate.act), outputs=look, inputs_kwargs=judged, **IN_TURN).then(**refresh)
    made["files"].click(told(try_export.act), inputs_kwargs={"run": run, "adapter": adapter}, **QUIET).then(**refresh)
    made["fast"].tick(**refresh)


def go(event: gr.EventData) -> Any:
    """The page that a button leads to."""
    return said(event).get("page", gr.skip())


@told
def show(name: str, seen: Any, run: str | None, adapter: str | None, look: Look) -> tuple[Any, ...]:
    """What has changed since `seen`, whatever project is open."""
    if run is None:  # the address has not been read yet: it may name one
        return (gr.skip(),) * (len(PARTS) + 11)
    now, before = known(run, adapter, look), seen or {}
    tokens = tokens_of(PARTS, now) | {"form": try_ask.ask_token(now)}
    if tokens == before:
        return (gr.skip(),) * (len(PARTS) + 11)
    drawn = drawn_anew(PARTS, before, tokens, now)
    same = before.get("form") == tokens["form"]
    form = [gr.skip()] * 8 if same else [*try_ask.fill(now), try_evaluate.fill(now)]
    return (*drawn, *form, *_kept(now, run, adapter), tokens)


def _kept(now: Known, run: str, adapter: str | None) -> tuple[Any, Any]:
    """Run and adapter that are shown, where they are not those that were asked for."""
    if now.gone:
        return gr.skip(), gr.skip()
    chosen = now.adapter.name if now.adapter else ""
    return gr.skip() if now.id == run else now.id, gr.skip() if chosen == adapter else chosen
