"""The form of one route: weight, label and parameters made from the reward's declaration; help, examples, a trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape
from typing import Any

import gradio as gr

from core.data import some_rows
from core.errors import Problem, UserError, did_you_mean
from core.preview import Group, Preview, read_groups
from core.projects import Project
from core.readiness import report
from core.reward_docs import outcome
from core.reward_form import Field, fields, read, values
from core.reward_versions import save_version
from core.route_edits import change_route, remove_route, route_of
from core.routing import RoutingTable, check_routes
from core.services import SERVICES
from core.spec import DEFAULT_ROUTE, Draft, Route
from core.spec_errors import field_path
from rewards import registry
from rewards.declaration import Example, Reward
from ui.code_editor import TRIED, draw_editor, try_on_samples
from ui.html import button, figure, live_html
from ui.messages import inform, told, warn
from ui.reward_grid import Chosen
from ui.schedule_form import draw_schedule, entered_schedule
from ui.texts import t

SHORT = ("number", "integer", "choice", "switch", "text")  # kinds of fields that stand side by side
WEIGHT, LABEL = "weight", "label"
FEW_ROWS = 4  # of each task, for a trial without samples
# Whatever is typed or chosen in the form is unapplied until it is drawn anew; to open something else then asks first.
UNAPPLIED = """
window.sbUnapplied = false;
const form = document.querySelector('#route-form');
for (const event of ['input', 'paste', 'change']) {
    form?.addEventListener(event, (e) => { if (!e.target.closest('#version, #against')) window.sbUnapplied = true; });
}
"""
CODE = "param_code"  # the parameter that is edited as code, in the reward that has one


def draw_form(project: Project, what: Chosen, chosen: gr.State) -> None:
    """Draw the form of a cell, inside `gr.render`; `chosen` is where it puts what to open next."""
    try:
        route = route_of(project.draft(), what.task, what.key)
    except UserError as error:  # another tab has removed it
        gr.HTML(f'<p class="sb-note">{escape(str(error))}</p>')
        return
    reward = registry().get(route.name)
    if reward is None:
        _unknown(route.name)
        return
    gr.HTML(_heading(reward, what.task))
    with gr.Row(elem_id="route-form"):
        with gr.Column(scale=3, min_width=280):
            with gr.Row():
                boxes: dict[str, Any] = {
                    WEIGHT: gr.Number(
                        route.weight,
                        label=t("form.weight"),
                        info=t("form.weight_help"),
                        min_width=140,
                        interactive=True,
                    ),
                    LABEL: gr.Textbox(
                        route.label or "",
                        label=t("form.label"),
                        info=t("form.label_help", name=route.name),
                        interactive=True,
                    ),
                }
            others = [one.key for one in RoutingTable(project.draft().rewards).of(what.task) if one.key != route.key]
            boxes |= draw_schedule(route.schedule, others)
            boxes |= draw_fields(fields(reward.parameters), values(reward.parameters, route.params))
            if CODE in boxes:
                draw_editor(project, route.key, _columns(project), boxes[CODE])
            with gr.Row():
                apply = gr.Button(t("form.apply"), variant="primary", elem_id="apply-route", min_width=120)
                attempt = gr.Button(t("form.try"), elem_id="try-route", min_width=180)
                remove = live_html("remove-route", _remove_button(what), min_width=180)
            tried = gr.HTML(elem_id="tried")
            gr.HTML("", js_on_load=UNAPPLIED)
        with gr.Column(scale=2, min_width=260):
            gr.Markdown("\n\n".join(filter(None, (reward.help, reward.details))), elem_classes="sb-details")
            gr.HTML(reward_help(reward))

    def keep(**given: Any) -> Chosen:
        return applied(project, what, reward, given)

    def rehearse(**given: Any) -> str:
        return trial(project, what.task, reward, given)

    def drop() -> Chosen:
        project.change(lambda draft: remove_route(draft, what.task, what.key))
        return replace(what, key="", drawn=what.drawn + 1)

    for asked in (apply.click, boxes[WEIGHT].submit, boxes[LABEL].submit):
        asked(told(keep), None, chosen, inputs_kwargs=boxes, api_visibility="private")
    attempt.click(told(rehearse), None, tried, inputs_kwargs=boxes, api_visibility="private", concurrency_limit=None)
    remove.click(told(drop), None, chosen, api_visibility="private")


def draw_fields(drawn: Sequence[Field], shown: Mapping[str, Any]) -> dict[str, Any]:
    """The component of each parameter, by its name with `param_` in front: short ones side by side at the end."""
    boxes = {f"param_{field.name}": draw_field(field, shown[field.name]) for field in drawn if field.kind not in SHORT}
    with gr.Row():
        boxes |= {f"param_{field.name}": draw_field(field, shown[field.name]) for field in drawn if field.kind in SHORT}
    return boxes


def draw_field(field: Field, value: Any) -> Any:
    """The component that a field's kind asks for."""
    words: dict[str, Any] = {
        "label": field.title,
        "info": field.help or None,
        "elem_id": f"param-{field.name}",
        "interactive": True,
    }
    if field.kind in SHORT:
        words["min_width"] = 180
    match field.kind:
        case "number" | "integer":
            limits = {"minimum": field.minimum, "maximum": field.maximum}
            return gr.Number(value, precision=0 if field.kind == "integer" else None, **limits, **words)
        case "switch":
            return gr.Checkbox(bool(value), **words)
        case "choice":
            return gr.Dropdown(list(field.choices), value=value, **words)
        case "code":
            gr.HTML(f'<span class="sb-note">{escape(field.help)}</span>')
            return gr.Code(
                value or "", language="python", label=field.title, lines=12, elem_id=words["elem_id"], interactive=True
            )
        case "list":
            text = "\n".join(map(str, value)) if value else ""
            return gr.Textbox(
                text, lines=3, max_lines=12, **{**words, "info": f"{field.help} {t('form.lines')}".strip()}
            )
        case "object":
            text = "" if value is None else str(value)
            return gr.Textbox(
                text, lines=3, max_lines=16, **{**words, "info": f"{field.help} {t('form.yaml')}".strip()}
            )
    lines = 6 if field.kind == "long_text" else 1
    return gr.Textbox("" if value is None else str(value), lines=lines, max_lines=20, **words)


def entered(reward: Reward, name: str, given: Mapping[str, Any]) -> Route:
    """The route that a form describes; `UserError` names each field that is wrong."""
    if given[WEIGHT] is None:
        raise UserError(Problem(WEIGHT, "this field is empty.", "Give a number; 0 watches without training."))
    params = {key.removeprefix("param_"): value for key, value in given.items() if key.startswith("param_")}
    found: dict[str, Any] = {"name": name, "weight": float(given[WEIGHT])}
    if plain := read(reward.parameters, params):
        found["params"] = plain
    label = (given[LABEL] or "").strip()
    if label and label != name:
        found["label"] = label
    if (schedule := entered_schedule(given)) is not None:
        found["schedule"] = schedule
    return Route(**found)


def applied(project: Project, what: Chosen, reward: Reward, given: Mapping[str, Any]) -> Chosen:
    """Keep what the form says, and a version of its code; the cell stays open."""
    route = entered(reward, reward.name, given)
    if CODE in given:
        save_version(project.rewards_path, route.key, given[CODE])
    routes = project.change(lambda draft: change_route(draft, what.task, what.key, route)).rewards[what.task]
    place = field_path(("rewards", what.task, [one.key for one in routes].index(route.key)))
    wrong = [
        problem
        for problem in check_routes({what.task: routes})
        if problem.severity == "error" and (problem.where == place or problem.where.startswith(f"{place}."))
    ]
    if wrong:
        warn(t("form.applied_wrong", reward=route.key, what=wrong[0].what))
    else:
        inform(t("form.applied", reward=route.key, task=task_name(what.task)))
    return replace(what, key=route.key, drawn=what.drawn + 1)


def trial(project: Project, task: str, reward: Reward, given: Mapping[str, Any]) -> str:
    """What the form as it stands makes of the task's samples, without keeping it."""
    groups = samples_of(project, task)
    if CODE in given:
        settings = {key.removeprefix("param_"): value for key, value in given.items() if key.startswith("param_")}
        return try_on_samples(groups, settings)
    route = entered(reward, reward.name, given).model_copy(update={"schedule": None})  # what it waits for is not here
    draft = Draft(rewards={DEFAULT_ROUTE: (route,)}, model=project.draft().model)
    return trial_html(SERVICES.preview(groups, draft))


def samples_of(project: Project, task: str) -> list[Group]:
    """The sample outputs of a task; where it has none, the first rows of its data with an empty completion each."""
    groups = read_groups(project.samples_path) if project.samples_path.exists() else []
    found = [group for group in groups if task in (group.fields.get("task"), DEFAULT_ROUTE)]
    if found:
        return found
    data = report(project.draft()).data
    rows = some_rows(data.train, FEW_ROWS) if data else {}
    chosen = [number for name, numbers in rows.items() if task in (name, DEFAULT_ROUTE) for number in numbers]
    if data is None or not chosen:
        raise UserError(Problem(t("form.try"), t("form.no_samples", task=task_name(task)), t("form.get_samples")))
    return [Group(data.train[number], ("",)) for number in chosen]


def _remove_button(what: Chosen) -> str:
    task = task_name(what.task)
    ask = t("form.ask_remove", reward=what.key, task=task)
    return button(t("form.remove", task=task), kind="danger", act="remove", ask=ask)


def _columns(project: Project) -> list[str]:
    """Columns that rows carry, for code to read."""
    data = report(project.draft()).data
    return [name for name in data.train.column_names if name != "task"] if data else []


def trial_html(found: Preview) -> str:
    """Completions with their score or error, the first of them."""
    lines = []
    for i in range(min(TRIED, len(found.index))):
        text = found.groups[found.index[i]].completions[found.places[i]]
        error = found.scores.errors.get((i, 0))
        value = found.scores.values[i, 0]
        cell = f'<span class="sb-bad">{escape(error)}</span>' if error else figure(None if value != value else value)
        lines.append(f'<tr><td class="number">{cell}</td><td><pre class="sb-text">{escape(text)}</pre></td></tr>')
    more = len(found.index) - len(lines)
    rest = f'<p class="sb-note">{escape(t("form.more", count=more))}</p>' if more > 0 else ""
    head = f"<tr><th>{escape(t('column.score'))}</th><th>{escape(t('column.completion'))}</th></tr>"
    return f'<div class="sb-scroll"><table class="sb-table">{head}{"".join(lines)}</table></div>{rest}'


def reward_help(reward: Reward) -> str:
    """What can be known of a reward beside its text: range, source, worked examples."""
    source = f'<p class="sb-note">{escape(t("form.source", source=reward.source))}</p>' if reward.source else ""
    low, high = reward.range
    unbounded = low is None and high is None
    span = t("form.unbounded") if unbounded else t("form.range", low=figure(low), high=figure(high))
    examples = "".join(_example(example) for example in reward.examples)
    title = escape(t("form.examples", count=len(reward.examples)))
    return (
        f'<div class="sb-help"><p class="sb-note">{span}</p>{source}'
        f'<details><summary>{title}</summary><table class="sb-table">{examples}</table></details></div>'
    )


def task_name(task: str) -> str:
    """A task as people read it; the default route is every other task."""
    return t("grid.default") if task == DEFAULT_ROUTE else task


def _heading(reward: Reward, task: str) -> str:
    title = f"{task_name(task)} · {reward.title}"
    return f'<h3 class="sb-heading">{escape(title)} <code>{escape(reward.name)}</code></h3>'


def _example(example: Example) -> str:
    note = f'<span class="sb-note">{escape(example.note)}</span>' if example.note else ""
    return (
        f'<tr><td class="number">{escape(outcome(example))}</td>'
        f'<td><pre class="sb-text">{escape(example.completion)}</pre>{note}</td></tr>'
    )


def _unknown(name: str) -> None:
    text = f"{t('form.unknown', name=name)} {did_you_mean(name, registry())}"
    gr.HTML(f'<p class="sb-bad">{escape(text)}</p>')
