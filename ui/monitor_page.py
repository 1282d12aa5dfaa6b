"""The page that answers: is every task learning? It reads the run folder and nothing else."""

from __future__ import annotations

from typing import Any

import gradio as gr
import plotly.graph_objects as go
import pyarrow.parquet as pq

from core import progress
from core.runs import RunFolder, all_runs, launch_and_leave, state, stop, stop_requested
from core.series import Series, follow
from ui.figures import reward_curves
from ui.frame import View
from ui.messages import told
from ui.texts import t

LOG_LINES = 30
LOG_BYTES = 64_000  # more than these lines ever hold, less than a long run's log
COMPLETIONS_SHOWN = 16
HELD_OUT_HEADERS = [t(f"column.{name}") for name in ("task", "before", "after", "change", "scored")]
COMPLETION_HEADERS = [t(f"column.{name}") for name in ("task", "prompt", "completion", "total", "advantage", "errors")]
COMPLETION_WIDTHS = ["120px", "30%", "36%", "80px", "100px", "15%"]
PUT_RUN_INTO_URL = """(run) => {
    const url = new URL(window.location);
    if (run) url.searchParams.set("run", run);
    window.history.replaceState(null, "", url);
}"""


def build(project: gr.Textbox, page: gr.Textbox) -> View:
    """Choose a run, watch its curves, stop it or go on with it."""
    gr.Markdown(f"## {t('watch.question')}", elem_classes="question")
    with gr.Row(equal_height=True):
        run = gr.Dropdown([], label=t("watch.run"), scale=4, min_width=280, elem_id="run")
        with gr.Column(scale=3, min_width=240):
            stop_button = gr.Button(t("watch.stop"), interactive=False, size="md", elem_id="stop-run")
            resume_button = gr.Button(t("watch.resume"), interactive=False, size="md", elem_id="resume-run")
    status = gr.Markdown(t("watch.none"), elem_classes="status", elem_id="status")
    message = gr.Textbox(label=t("watch.message"), visible=False, interactive=False, lines=1, max_lines=12)
    curves = gr.Plot(label=t("watch.curves"), visible=False, elem_id="curves")
    held_out = gr.Dataframe(
        headers=HELD_OUT_HEADERS, label=t("watch.held_out"), interactive=False, visible=False, elem_id="held-out"
    )
    completions = gr.Dataframe(
        headers=COMPLETION_HEADERS,
        label=t("watch.completions"),
        interactive=False,
        visible=False,
        wrap=True,
        column_widths=COMPLETION_WIDTHS,
    )
    with gr.Accordion(t("watch.log"), open=False):
        log = gr.Code(language=None, interactive=False, lines=10, show_label=False)
    seen = gr.State()
    views = [status, stop_button, resume_button, message, curves, held_out, completions, log, seen]
    run.change(None, run, None, js=PUT_RUN_INTO_URL, api_visibility="private")
    run.change(show_run, [run, seen], views, show_progress="hidden", concurrency_limit=None, api_visibility="private")
    stop_button.click(stop_run, run, None, api_visibility="private")
    resume_button.click(resume_run, run, None, api_visibility="private")
    return View(show, seen, views, [run], {"run": run})


def show(project: str, seen: str | None, run_id: str | None) -> tuple[object, ...]:
    """What a run has come to since the last look, whatever project is open."""
    return show_run(run_id, seen)


def run_choices(chosen: str | None) -> gr.Dropdown:
    """The runs there are, newest first, with one chosen: the named one, or the newest."""
    ids = [run.id for run in all_runs()]
    value = chosen if chosen in ids else next(iter(ids), None)
    return gr.Dropdown(choices=ids, value=value)


def run_in_url(request: gr.Request) -> gr.Dropdown:
    """The run that the page's address names."""
    return run_choices(request.query_params.get("run"))


@told
def stop_run(run_id: str) -> None:
    """Ask the worker to finish its step and end."""
    stop(_folder(run_id))
    gr.Info(t("watch.stopping", run=run_id))


@told
def resume_run(run_id: str) -> None:
    """Go on from the last checkpoint."""
    launch_and_leave(_folder(run_id))


def show_run(run_id: str | None, seen: str | None) -> tuple[object, ...]:
    """Everything about a run; nothing where nothing has changed, so that zoom and focus stay."""
    if not run_id:
        return (gr.skip(),) * 9
    run = _folder(run_id)
    now, token = state(run), _token(run)
    if token == seen:
        return (gr.skip(),) * 9
    series = follow(run)
    stopping = now == "running" and stop_requested(run)
    return (
        "\n\n".join([status_line(t("watch.stopping_now") if stopping else now, series), *engine_lines(run)]),
        gr.Button(interactive=now == "running" and not stopping),
        gr.Button(interactive=now in ("created", "stopped", "failed", "lost")),
        _message(run, now, series),
        _curves(run_id, series),
        _held_out(series),
        _completions(run, series),
        log_tail(run),
        token,
    )


def status_line(now: str, series: Series) -> str:
    """State, step and time left in one line."""
    if series.last is None:
        return t("watch.loading", state=f"**{now}**") if now == "running" else f"**{now}**"
    values = {"state": f"**{now}**", "step": series.last["step"], "steps": series.last["steps"]}
    left = progress.seconds_left(list(series.latest))
    if now != "running" or left is None:
        return t("watch.ended", **values)
    return t("watch.progress", **values, left=progress.duration(left))


def engine_lines(run: RunFolder) -> list[str]:
    """Which parts of a step are TRL's own, slower way, and why; nothing where all is ours."""
    ways = run.engine() or {}
    reasons = {part: way["reason"] for part, way in ways.items() if not way["ours"]}
    lines = []
    if "sampling" in reasons:
        lines.append(t("watch.sampling", reason=reasons["sampling"]))
    if "training" in reasons:
        lines.append(t("watch.training", reason=reasons["training"]))
    return lines


def log_tail(run: RunFolder) -> str:
    """The last lines of the worker's log, without rewritten progress bars."""
    try:
        with run.log_path.open("rb") as file:
            file.seek(max(0, run.log_path.stat().st_size - LOG_BYTES))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    return "\n".join(line.rpartition("\r")[2] for line in text.rstrip("\n").split("\n")[-LOG_LINES:])


def held_out_rows(series: Series) -> list[list[str]]:
    """The before/after table, in text so that what does not exist is a dash."""
    return [
        [
            row.task,
            progress.number(row.before),
            progress.number(row.after),
            progress.number(row.change, sign=True),
            str(row.count),
        ]
        for row in progress.comparisons(series.evaluations)
    ]


def latest_completions(run: RunFolder, step: int | None) -> list[list[str]]:
    """Some completions of a training step: the first of each group, in turn."""
    shard = run.completions / f"train-{step:06d}-0000.parquet" if step is not None else None
    if shard is None or not shard.exists():
        return []
    turns: dict[int, int] = {}  # group -> completions of it so far
    rows = []
    for row in pq.read_table(shard).to_pylist():
        turns[row["group"]] = turns.get(row["group"], 0) + 1
        rows.append((turns[row["group"]], row["group"], row))
    first = sorted(rows, key=lambda entry: entry[:2])[:COMPLETIONS_SHOWN]
    return [_completion_row(row) for _, _, row in first]


def _completion_row(row: dict[str, Any]) -> list[str]:
    errors = "; ".join(value for name, value in row.items() if name.startswith("error/") and value)
    total, advantage = progress.number(row["total"]), progress.number(row["advantage"], sign=True)
    return [row["task"], row["prompt"], row["completion"], total, advantage, errors or "-"]


def _curves(run_id: str, series: Series) -> gr.Plot:
    figure: go.Figure | None = reward_curves(series, revision=run_id) if series.tasks else None
    return gr.Plot(value=figure, visible=bool(series.tasks))


def _held_out(series: Series) -> gr.Dataframe:
    rows = held_out_rows(series)
    return gr.Dataframe(value=rows, visible=bool(rows))


def _completions(run: RunFolder, series: Series) -> gr.Dataframe:
    rows = latest_completions(run, series.sampled)
    return gr.Dataframe(value=rows, visible=bool(rows))


def _message(run: RunFolder, now: str, series: Series) -> gr.Textbox:
    end = run.exit() if now != "running" else None
    lines = [*([end.message] if end else []), *error_lines(series)]
    if end and run.adapter.exists():
        lines.append(t("watch.adapter", path=run.adapter))
    return gr.Textbox(value="\n".join(lines), visible=bool(lines))


def error_lines(series: Series) -> list[str]:
    """What could not be scored at the latest step, by task and reward, with the most frequent reason."""
    return [
        t("watch.errors", task=task["task"], reward=reward["reward"], errors=reward["errors"], step=record["step"])
        + f" {next(iter(reward['reasons']))}"
        for record in ([series.last] if series.last else [])
        for task in record["tasks"]
        for reward in task["rewards"]
        if reward["errors"]
    ]


def _token(run: RunFolder) -> str:
    """Changes whenever the folder has something new to show."""
    files = (run.metrics_path, run.engine_path, run.log_path, run.exit_path, run.process_path, run.stop_path)
    sizes = [path.stat().st_size if path.exists() else -1 for path in files]
    return f"{run.id} {sizes}"


def _folder(run_id: str) -> RunFolder:
    found = next((run for run in all_runs() if run.id == run_id), None)  # so an id never leads out of the root
    if found is None:
        raise gr.Error(t("watch.gone", run=run_id), print_exception=False)
    return found
