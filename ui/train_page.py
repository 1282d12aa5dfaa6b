"""The page that answers: is this run worth starting? The answer on top, the settings at the left, what is known of them
at the right. Settings are a form in two depths, the tasks' own, and the whole spec as text; all four show the project's
draft and change it at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr

from core.check import check
from core.errors import UserError
from core.queue import enqueue, place
from core.run_form import WHOLE as SPEC
from core.runs import PROJECT, create_run
from core.services import asks_outside
from core.spec import Draft, RunSpec, parse_spec
from ui import preview_probes, train_checks, train_forecast, train_form, train_presets
from ui.data_parts import REMEMBER_FOCUS, RESTORE_FOCUS
from ui.downloads import offer
from ui.frame import IN_TURN, QUIET, SHOWING, View, opened
from ui.html import READ, live_html
from ui.messages import inform, told
from ui.parts import Part, drawn_anew, tokens_of
from ui.texts import t
from ui.train_actions import act, edited, mend
from ui.train_state import Known, Look, known, remember

GO = """(where) => {
    if (!where) return;
    const whole = (data) => (data.task ? `tasks.${data.task}.` : '') + data.place;
    const there = () => [...document.querySelectorAll('[data-edit=option]')].find(
        (field) => `${where} `.startsWith(`${whole(field.dataset)} `)
            && (field.offsetParent || field.closest('details:not([open])')));
    const go = (tries) => {
        const field = there();
        if (!field && tries) return setTimeout(() => go(tries - 1), 100);
        if (!field) return;
        field.closest('details')?.setAttribute('open', '');
        field.scrollIntoView({behavior: 'smooth', block: 'center'});
        field.focus();
    };
    go(20);
}"""


@dataclass(frozen=True)
class Seen:
    """What a tab shows.

    Attributes:
        tokens: of each part.
        text: the spec as the server last gave it to the editor, or took it from there.
        project: whose.
    """

    tokens: dict[str, str] = field(default_factory=dict)
    text: str = ""
    project: str = ""


def _all(now: Known, words: str, only: bool) -> str:
    return now.token


PARTS = (
    Part("start", _all, lambda now, *_: gr.Button(interactive=now.ready)),
    Part("note", _all, lambda now, *_: train_checks.note(now)),
    Part("summary", _all, lambda now, *_: train_checks.summary_html(now)),
    Part("presets", lambda now, *_: f"{now.token} {now.look.preset}", lambda now, *_: train_presets.presets_html(now)),
    Part("simple", _all, lambda now, *_: train_form.simple_html(now)),
    Part("advanced", lambda now, *given: f"{now.token} {given}", train_form.advanced_html),
    Part("tasks", _all, lambda now, *_: train_form.tasks_html(now)),
    Part("problems", _all, lambda now, *_: train_checks.problems_html(now)),
    Part(
        "forecast",
        lambda now, *_: train_forecast.forecast_token(now),
        lambda now, *_: train_forecast.forecast_html(now),
    ),
    Part("estimate", _all, lambda now, *_: train_checks.estimate_html(now)),
    Part("command", lambda now, *_: now.project.name, lambda now, *_: train_presets.command_html(now)),
)


def build(project: gr.Textbox, page: gr.Textbox) -> View:
    """The answer and Start, the settings, and what is known of them."""
    made: dict[str, Any] = {}
    gr.Markdown(f"## {t('train.question')}", elem_classes="question")
    with gr.Row(elem_id="verdict", equal_height=True):
        made["start"] = gr.Button(
            t("train.button"), variant="primary", interactive=False, elem_id="start-run", scale=0, min_width=150
        )
        made["note"] = gr.Markdown(elem_classes="status", elem_id="start-note")
    made["summary"] = live_html("train-summary")
    with gr.Row(elem_id="train-columns"):
        with gr.Column(scale=3, min_width=320):
            _settings(made)
        with gr.Column(scale=2, min_width=300):
            _findings(made)
    look, seen, started, goto = gr.State(Look()), gr.State(), gr.Textbox(visible=False), gr.Textbox(visible=False)
    shown = [*(made[part.name] for part in PARTS), made["spec"], seen]
    inputs = {"text": made["spec"], "look": look, "words": made["words"], "only": made["only"]}
    refresh = {"fn": show, "inputs_kwargs": {"name": project, "seen": seen, **inputs}, "outputs": shown, **SHOWING}
    _connect_settings(project, look, seen, made, refresh)
    _connect_findings(project, page, look, made, goto, refresh)
    taken = {"name": project, "text": made["spec"], "seen": seen}
    made["start"].click(start, outputs=[started, page], inputs_kwargs=taken, api_visibility="private")
    return View(show, seen, shown, inputs, {"started": started})


def _settings(made: dict[str, Any]) -> None:
    """Presets, the four views of the settings, and the file."""
    made["presets"] = live_html("train-presets")
    with gr.Tabs(selected="simple", elem_id="train-views") as made["views"]:
        with gr.Tab(t("train.simple"), id="simple"):
            made["simple"] = _form_html("train-simple")
        with gr.Tab(t("train.advanced"), id="advanced"):
            with gr.Row(elem_id="train-search"):
                made["words"] = gr.Textbox(
                    show_label=False, container=False, placeholder=t("train.search"), elem_id="option-search", scale=3
                )
                made["only"] = gr.Checkbox(
                    False, label=t("train.only"), container=False, elem_id="option-only", min_width=220
                )
            made["advanced"] = _form_html("train-advanced")
        with gr.Tab(t("train.per_task"), id="tasks"):
            made["tasks"] = _form_html("train-tasks")
        with gr.Tab(t("train.yaml"), id="yaml"):
            made["spec"] = gr.Code(label=t("train.spec"), language="yaml", lines=14, max_lines=30, elem_id="spec")
    with gr.Accordion(t("take.title"), open=False, elem_id="train-take"):
        with gr.Row():
            made["import"] = gr.UploadButton(
                t("take.import"), file_types=[".yaml", ".yml", ".json"], elem_id="import-spec", size="sm"
            )
            made["export"] = gr.Button(t("take.export"), elem_id="export-spec", size="sm")
        made["command"] = gr.HTML("", elem_id="train-command", js_on_load=READ, elem_classes="live")


def _form_html(elem_id: str) -> gr.HTML:
    return gr.HTML("", elem_id=elem_id, js_on_load=train_form.FORM + READ, elem_classes="live")


def _findings(made: dict[str, Any]) -> None:
    gr.HTML(f'<h3 class="sb-heading">{t("train.problems")}</h3>')
    made["problems"] = live_html("problems")
    gr.HTML(f'<h3 class="sb-heading">{t("forecast.title")}</h3>')
    made["forecast"] = live_html("train-forecast")
    with gr.Accordion(t("train.estimates"), open=True, elem_id="train-estimates"):
        made["estimate"] = live_html("train-estimate")


def _connect_settings(
    project: gr.Textbox, look: gr.State, seen: gr.State, made: dict[str, Any], refresh: dict[str, Any]
) -> None:
    after, looking = {**refresh, "js": REMEMBER_FOCUS}, {"name": project, "look": look}
    for name in ("simple", "advanced", "tasks"):
        for event in (made[name].input, made[name].click):
            kept = event(told(edited), outputs=look, inputs_kwargs=looking, **IN_TURN)
            kept.then(**after).then(None, js=RESTORE_FOCUS, **PRIVATE)
    typed = {**looking, "text": made["spec"], "seen": seen}
    made["spec"].input(save, outputs=look, inputs_kwargs=typed, trigger_mode="always_last", **QUIET).then(**refresh)
    for box in ("words", "only"):
        made[box].input(**{**refresh, "trigger_mode": "always_last"})
    offer(made["export"], lambda name: train_presets.write_spec(opened(name)), project)
    file = {**looking, "file": made["import"]}
    made["import"].upload(told(take), outputs=look, inputs_kwargs=file, **QUIET).then(**refresh)


PRIVATE: dict[str, Any] = {"api_visibility": "private"}


def _connect_findings(
    project: gr.Textbox,
    page: gr.Textbox,
    look: gr.State,
    made: dict[str, Any],
    goto: gr.Textbox,
    refresh: dict[str, Any],
) -> None:
    for name in ("presets", "problems", "forecast", "estimate"):
        looking = {"name": project, "look": look}
        made[name].click(told(act), outputs=look, inputs_kwargs=looking, **QUIET).then(**refresh)
    made["problems"].click(mend, None, [page, made["views"], made["words"], made["only"], goto], **QUIET).then(
        **refresh
    ).then(None, goto, None, js=GO, **PRIVATE)


def show(name: str, seen: Any, text: str | None, look: Look, words: str | None, only: bool) -> tuple[Any, ...]:
    """What has changed since `seen`."""
    now, words = known(opened(name), look), words or ""
    before = seen if isinstance(seen, Seen) else Seen()
    tokens = tokens_of(PARTS, now, words, only)
    if tokens == before.tokens:
        return (gr.skip(),) * (len(PARTS) + 2)
    start_probing(now)
    remember(now)
    drawn = drawn_anew(PARTS, before.tokens, tokens, now, words, only)
    editor = gr.skip() if now.look.broken or _reads_as(text, now.draft) else now.draft.to_yaml()
    return (*drawn, editor, Seen(tokens, text or "" if isinstance(editor, dict) else editor, name))


def start_probing(now: Known) -> None:
    """Try the rewards as they are, once, where nothing else is wrong and nobody outside is asked."""
    if now.report.data is None or now.report.errors or not now.draft.rewards:
        return
    job = preview_probes.probing(now.project)
    new = preview_probes.LAST_PROBED.get(now.project.name) != preview_probes.draft_token(now.draft)
    if new and not (job and job.running) and not asks_outside(now.draft.rewards):
        preview_probes.start(now.project)


def _reads_as(text: str | None, draft: Draft) -> bool:
    try:
        return bool(text) and train_presets.read(text or "", SPEC) == draft
    except UserError:
        return False


@told
def save(name: str, text: str, look: Look, seen: Any) -> Look:
    """Keep what is typed as soon as it reads as a spec; until then, say why it does not.

    What was typed into one project's editor is no other's, although it may be told only when that one is open.
    """
    if isinstance(seen, Seen) and seen.project != name:
        return look
    look = look.of(name)
    try:
        draft = train_presets.read(text, SPEC)
    except UserError as error:
        return Look(name, look.refused, error.problems, look.preset)
    opened(name).change(lambda now: train_presets.merged(now, draft, seen.text if isinstance(seen, Seen) else ""))
    return Look(name, {}, (), look.preset)


def take(name: str, file: str, look: Look) -> Look:
    """Put what a file of a run spec names in the place of the project's own."""
    draft = opened(name).change(lambda draft: train_presets.imported(draft, Path(file)))
    inform(t("take.imported", name=draft.name))
    return Look(name)


@told
def start(name: str, text: str, seen: Any) -> tuple[str, str]:
    """Create the run's folder and put it into the queue, where it starts as soon as nothing else runs."""
    project = opened(name)
    mine = isinstance(seen, Seen) and seen.project == name
    if mine and text and text != seen.text:  # typed just now, and not kept yet
        typed = train_presets.read(text, SPEC)
        project.change(lambda now: train_presets.merged(now, typed, seen.text))
    run = create_run(_sound_spec(project.draft()))
    enqueue(run)
    waits = place(run)
    inform(t("train.started", run=run.id) if waits is None else t("train.queued", run=run.id, place=waits))
    return run.id, "monitor"


def _sound_spec(draft: Draft) -> RunSpec:
    """What the draft is by now, checked; `UserError` where it could not run."""
    spec = parse_spec(draft.finished().model_dump(mode="json", exclude_unset=True), SPEC, base=PROJECT)
    if errors := check(spec).errors:
        raise UserError(errors)
    return spec
