"""The page that answers: what would these rewards teach? Samples, what each reward makes of them, and what to mend.

Everything shown is made of what is on disk and of jobs, part by part: a part whose token has not changed is left alone,
so that an open text stays open and a slider stays under the finger while others go on.
"""

from __future__ import annotations

import json
from dataclasses import replace
from html import escape
from typing import Any

import gradio as gr

from ui import preview_compare, preview_probes
from ui.downloads import offer
from ui.frame import IN_TURN, QUIET, SHOWING, View, opened
from ui.html import LISTEN, READ, said
from ui.messages import told
from ui.parts import Part, drawn_anew, tokens_of
from ui.preview_actions import act, choose_against, compare, download, look, save_table
from ui.preview_download import download_html
from ui.preview_figures import distribution_figure, score_note, share_figure
from ui.preview_reports import details_html, overview_html
from ui.preview_sources import SETTINGS, Sources, fill, run_choices, sampled_runs, sources_token
from ui.preview_state import Choice, Known, known
from ui.preview_status import status_html, status_token
from ui.preview_tables import groups_html
from ui.preview_trials import TRIALS
from ui.preview_weights import note_box, note_html, weights_box, weights_html
from ui.texts import t

# Part of the page -> the token of what a tab shows of it; `drawing`: the number of the drawing of its sliders.
Seen = dict[str, Any]
ASK_REMOVE = """
element.addEventListener('click', (event) => {
    const remove = event.target.closest('[data-act=remove]');
    if (remove && !window.confirm(%s)) event.stopImmediatePropagation();
}, true);
"""


def _looked(now: Known, choice: Choice) -> str:
    return f"{now.token} {replace(choice, against='')}"


def _of_task(now: Known, choice: Choice) -> str:
    return f"{now.token} {choice.task}"


def _groups(now: Known, choice: Choice) -> str:
    if now.preview is None:
        return ""
    return groups_html(now.preview, now.preview.advantages(now.normalisation), choice, now.colours)


def _saved_token(now: Known, choice: Choice) -> str:
    chosen = preview_compare.chosen(now.project, choice.against)
    return f"{now.project.name} {preview_compare.choices(now.project)} {chosen}"


def _saved(now: Known, choice: Choice) -> gr.Dropdown:
    found = preview_compare.choices(now.project)
    chosen = preview_compare.chosen(now.project, choice.against)
    return gr.Dropdown(choices=found, value=chosen if chosen in [name for _, name in found] else preview_compare.KEPT)


def _weights_token(now: Known, choice: Choice) -> str:
    return f"{_of_task(now, choice)} {now.ended}"


def _note(text: str) -> str:
    return f'<p class="sb-note">{escape(text)}</p>' if text else ""


PARTS = (
    Part("status", lambda now, _: status_token(now), lambda now, _: status_html(now)),
    Part("found", lambda now, _: str(_shown(now)), lambda now, _: gr.Column(visible=_shown(now))),
    Part("bring", lambda now, _: f"{now.project.name} {_begun(now)}", lambda now, _: _sources(now)),
    Part("overview", _of_task, overview_html),
    Part("shares", lambda now, _: now.token, lambda now, _: share_figure(now.reports, now.colours)),
    Part("note", lambda now, _: now.token, lambda now, _: note_html(now)),
    Part("weights", _weights_token, lambda now, choice: weights_html(now, choice)),
    Part("groups", _looked, _groups),
    Part(
        "scores",
        lambda now, choice: f"{now.score_token} {choice.task}",
        lambda now, choice: distribution_figure(now.reports_of(choice.task), now.colours),
    ),
    Part(
        "score_note",
        lambda now, choice: f"{now.score_token} {choice.task}",
        lambda now, choice: _note(score_note(now.reports_of(choice.task))),
    ),
    Part("details", _of_task, lambda now, choice: details_html(now.reports_of(choice.task), now.colours)),
    Part("probes", preview_probes.probes_token, preview_probes.probes_html),
    Part("against", _saved_token, _saved),
    Part("comparison", preview_compare.comparison_token, preview_compare.comparison_html),
    Part("download", lambda now, _: now.token, lambda now, _: download_html(now)),
)


def _shown(now: Known) -> bool:
    return now.has_samples and bool(now.draft.rewards) and now.preview is not None


def _begun(now: Known) -> bool:
    return bool(now.draft.rewards) and now.draft.data is not None


def _empty(now: Known) -> bool:
    return not now.has_samples


def _sources(now: Known) -> gr.Accordion:
    return gr.Accordion(visible=_begun(now) or now.has_samples, open=_empty(now))


def build(project: gr.Textbox, page: gr.Textbox) -> View:
    """Status, sources, what the samples say, probes, comparison, download."""
    gr.Markdown(f"## {t('preview.question')}", elem_classes="question")
    choice, seen = gr.State(Choice()), gr.State()
    made: dict[str, Any] = {
        "status": _live("preview-status", LISTEN + ASK_REMOVE % json.dumps(t("preview.remove_sure")))
    }
    with gr.Accordion(t("preview.bring"), open=False, visible=False, elem_id="bring") as made["bring"]:
        sources = Sources()
    with gr.Column(visible=False) as made["found"]:
        made["overview"] = _live("preview-overview")
        with gr.Row():
            with gr.Column(scale=5, min_width=320):
                made["groups"] = _live("preview-groups")
            with gr.Column(scale=3, min_width=300):
                _judgement(made)
        with gr.Accordion(t("preview.probes"), open=True, elem_id="probes-of"):
            made["probes"] = _live("preview-probes")
        with gr.Accordion(t("preview.compare"), open=False, elem_id="compare"):
            save = _comparison(made)
        with gr.Accordion(t("preview.take_away"), open=False, elem_id="take-away"):
            made["download"] = _live("preview-download")
    outputs = [*(made[part.name] for part in PARTS), *sources.settings, sources.run, seen]
    inputs = {"name": project, "seen": seen, "choice": choice}
    refresh = {"fn": show, "inputs_kwargs": inputs, "outputs": outputs, **SHOWING}
    sources.connect(project, refresh)
    _connect(project, page, choice, made, refresh)
    _connect_comparison(project, choice, made, save, refresh)
    offer(made["download"], download, project)
    return View(show, seen, outputs, {"choice": choice})


def _live(elem_id: str, js: str = LISTEN) -> gr.HTML:
    return gr.HTML("", elem_id=elem_id, js_on_load=js + READ, elem_classes="live")


def _judgement(made: dict[str, Any]) -> None:
    """Beside the tables: shares of the signal, weights, distributions, rewards."""
    made["shares"] = gr.Plot(show_label=False, container=False, elem_id="preview-shares")
    with gr.Accordion(t("preview.weights"), open=True, elem_id="weights-of"):
        made["note"] = note_box("preview-note")
        made["weights"] = weights_box("preview-weights")
    made["scores"] = gr.Plot(show_label=False, container=False, elem_id="preview-scores")
    made["score_note"] = gr.HTML("", elem_id="preview-score-note")
    made["details"] = _live("preview-details")


def _comparison(made: dict[str, Any]) -> dict[str, Any]:
    with gr.Row(elem_classes="sb-form-row"):
        made["against"] = gr.Dropdown([], label=t("preview.against"), scale=2, min_width=200, elem_id="compare-with")
        go = gr.Button(t("preview.compare_now"), variant="primary", min_width=120, elem_id="compare-now")
        name = gr.Textbox(label=t("preview.table_name"), scale=2, min_width=180, elem_id="table-name")
        save = gr.Button(t("preview.save_table"), min_width=140, elem_id="save-table")
    made["comparison"] = _live("preview-comparison")
    return {"go": go, "name": name, "save": save}


def _connect(
    project: gr.Textbox, page: gr.Textbox, choice: gr.State, made: dict[str, Any], refresh: dict[str, Any]
) -> None:
    looking, looked = [made[name] for name in ("overview", "groups")], {"name": project, "choice": choice}
    for trigger in (*(part.click for part in looking), made["groups"].input):
        trigger(look, outputs=choice, inputs_kwargs=looked, **IN_TURN).then(**refresh)
    for name in ("status", "note", "details", "probes", "comparison"):
        made[name].click(told(act), project, page, **QUIET).then(**refresh)
    made["weights"].input(told(moved), outputs=refresh["outputs"], inputs_kwargs=refresh["inputs_kwargs"], **IN_TURN)


def _connect_comparison(
    project: gr.Textbox, choice: gr.State, made: dict[str, Any], save: dict[str, Any], refresh: dict[str, Any]
) -> None:
    against = {"name": project, "choice": choice, "against": made["against"]}
    made["against"].input(choose_against, outputs=choice, inputs_kwargs=against, **QUIET).then(**refresh)
    save["go"].click(told(compare), outputs=choice, inputs_kwargs=against, **QUIET).then(**refresh)
    called = {"name": project, "called": save["name"]}
    save["save"].click(told(save_table), outputs=save["name"], inputs_kwargs=called, **QUIET).then(**refresh)


def show(name: str, seen: Any, choice: Choice) -> tuple[Any, ...]:
    """What has changed since `seen`."""
    return changes(known(opened(name)), seen or {}, choice.of(name))


def changes(now: Known, before: Seen, choice: Choice) -> tuple[Any, ...]:
    """What differs from what a tab has seen, and what it has seen after that."""
    if _shown(now):
        preview_probes.start_when_due(now)
    tokens: Seen = tokens_of(PARTS, now, choice)
    tokens |= {"sources": sources_token(now), "runs": sampled_runs()}
    new = {name for name, token in tokens.items() if token != before.get(name)}
    tokens["drawing"] = now.drawing if "weights" in new else before.get("drawing", 0)
    drawn = drawn_anew(PARTS, before, tokens, now, choice)
    form = fill(now) if "sources" in new else [gr.skip()] * len(SETTINGS)
    run = run_choices(tokens["runs"], before.get("runs", [])) if "runs" in new else gr.skip()
    return (*drawn, *form, run, tokens if new else gr.skip())


def moved(name: str, seen: Any, choice: Choice, event: gr.EventData) -> tuple[Any, ...]:
    """Try what was moved; the sliders stay as they are, unless they have been drawn since, without it."""
    project, choice, before, move = opened(name), choice.of(name), seen or {}, said(event)
    formula = known(project).normalisation.multi_objective_aggregation
    taken = TRIALS.move(project, move)
    now = known(project)
    same = formula == now.normalisation.multi_objective_aggregation  # another has other choices
    if taken and same and before.get("drawing") == move["drawn"]:
        before = {**before, "weights": _weights_token(now, choice)}
    return changes(now, before, choice)
