"""Where rows come from: files, the Hub, reasoning-gym or an example."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from core.data.files import READERS
from core.data.gym import generators
from core.data.raw import raw_columns
from core.errors import Problem, UserError
from core.projects import Project
from core.runs import PROJECT
from core.spec import DataSpec, Draft, ReasoningGym, ReasoningGymTask, RunSpec, Tags, read_spec
from core.suggest import guessed_data, guessed_hub
from core.uploads import keep_upload
from ui.data_edits import Change, data_of, tags_of
from ui.data_mapping import tidied
from ui.data_parts import Section
from ui.data_reading import Look, take
from ui.frame import opened
from ui.html import button, live_html, said
from ui.messages import told
from ui.texts import t

EXAMPLES = PROJECT / "examples"
GYM_ROWS = 100
REPLACE, ADD = "replace", "add"

# The file field cannot give an upload up: its request can. The button is there as long as the request is. Requests do
# not say which field they are of, but each begins with files that are chosen or dropped.
CANCEL_UPLOAD = """
const button = element.querySelector('button'), plain = window.fetch;
let ours = false;
for (const kind of ['change', 'drop']) document.addEventListener(kind, (event) => {
    ours = Boolean(event.target.closest?.('#upload'));
}, true);
window.fetch = (input, init) => {
    if (!ours || !String(input.url ?? input).includes('/upload?')) return plain(input, init);
    const control = new AbortController();
    button.onclick = () => control.abort();
    button.hidden = false;
    return plain(input, {...init, signal: control.signal}).finally(() => { button.hidden = true; });
};
"""


def build(project: gr.Textbox) -> Section:
    """Four ways to choose rows; open where there are none yet."""
    with gr.Accordion(t("source.title"), open=True, elem_id="source") as box, gr.Tabs(elem_id="sources"):
        with gr.Tab(t("source.files"), id="files"):
            choices = [(t("source.replace"), REPLACE), (t("source.add"), ADD)]
            how = gr.Radio(choices, value=REPLACE, label=t("source.how"), visible=False, elem_id="upload-how")
            upload = gr.File(label=t("source.upload"), file_count="multiple", height=150, elem_id="upload")
            cancel = f'<button type="button" class="sb-button" hidden>{escape(t("source.cancel"))}</button>'
            gr.HTML(cancel, js_on_load=CANCEL_UPLOAD, elem_id="cancel-upload")
        with gr.Tab(t("source.hub"), id="hub"):
            with gr.Row():
                words: dict[str, Any] = {"max_lines": 1, "min_width": 140}
                hub = gr.Textbox(
                    label=t("source.hub_id"), placeholder="openai/gsm8k", elem_id="hub-id", scale=2, **words
                )
                config = gr.Textbox(label=t("source.hub_config"), placeholder="main", elem_id="hub-config", **words)
                split = gr.Textbox("train", label=t("source.hub_split"), elem_id="hub-split", **words)
            load = gr.Button(t("source.hub_load"), elem_id="hub-load")
        with gr.Tab(t("source.gym"), id="gym") as gym:
            with gr.Row():
                names = gr.Dropdown(
                    [],
                    multiselect=True,
                    label=t("source.gym_tasks"),
                    info=t("source.gym_help"),
                    elem_id="gym-tasks",
                    scale=3,
                    min_width=220,
                )
                size = gr.Number(
                    GYM_ROWS, label=t("source.gym_size"), precision=0, minimum=1, elem_id="gym-size", min_width=120
                )
                seed = gr.Number(42, label=t("source.gym_seed"), precision=0, elem_id="gym-seed", min_width=120)
            make = gr.Button(t("source.gym_make"), elem_id="gym-make")
        with gr.Tab(t("source.examples"), id="examples"):
            examples = live_html("examples", example_buttons())
    gym.select(gym_choices, None, names, api_visibility="private")
    done = [
        upload.upload(
            use_upload,
            outputs=upload,
            inputs_kwargs={"name": project, "files": upload, "how": how},
            api_visibility="private",
        ),
        load.click(
            use_hub,
            inputs_kwargs={"name": project, "hub": hub, "config": config, "split": split},
            api_visibility="private",
        ),
        make.click(
            use_gym,
            inputs_kwargs={"name": project, "names": names, "size": size, "seed": seed},
            api_visibility="private",
        ),
        examples.click(example_clicked, [project], None, api_visibility="private"),
    ]
    return Section([box, how], done)


def draw(look: Look, empty: bool | None) -> tuple[Any, ...]:
    """Updates of the box and of whether files are added; `empty`: whether there were no rows when it was drawn last.

    The box opens where there are no rows and closes when there are; in between it is left as the user has it.
    """
    data = look.draft.data
    label = t("source.title") if data is None else t("source.other")
    box = gr.skip() if empty == (data is None) else gr.Accordion(open=data is None, label=label)
    return box, gr.Radio(visible=data is not None and data.path is not None)


def example_names() -> list[str]:
    """The run specs that come with the project."""
    return sorted(path.stem for path in EXAMPLES.glob("*.yaml"))


def example_buttons() -> str:
    """A button for each example."""
    names = example_names()
    buttons = [button(t("data.example", name=name), act="example", name=name) for name in names]
    return f'<div class="sb-actions start">{"".join(buttons)}</div>'


@told
def example_clicked(name: str, event: gr.EventData) -> None:
    """Take an example."""
    match said(event):
        case {"act": "example", "name": str(example)} if example in example_names():
            use_example(opened(name), example)


def use_example(project: Project, example: str) -> None:
    """A project without rewards becomes the example; one with its own gets the rows."""
    spec = read_spec(EXAMPLES / f"{example}.yaml")
    take(project, lambda: lambda draft: _with_rows(draft, spec.data) if draft.rewards else _whole(spec))


def _whole(spec: RunSpec) -> Draft:
    return Draft(**{field: getattr(spec, field) for field in spec.model_fields_set})


def _with_rows(draft: Draft, data: DataSpec) -> Draft:
    return draft.model_copy(update={"data": data})


@told
def use_upload(name: str, files: list[str] | None, how: str) -> None:
    """Keep the uploaded files and take what can be guessed from them; the field is empty again for the next."""
    if files:
        add = how == ADD
        take(opened(name), lambda: _from_files(files, add), strict=add)


def _from_files(files: list[str], add: bool) -> Change:
    _check_files([Path(file) for file in files])
    paths = [str(keep_upload(Path(file))) for file in files]
    if add:
        return lambda draft: _more_files(draft, paths)
    data = _tidy(guessed_data(paths))
    return lambda draft: _with_rows(draft, data)


def _check_files(files: list[Path]) -> None:
    """What can never be rows is refused before it takes the place of any."""
    problems = [
        Problem(file.name, "it is empty.", "Choose another file.")
        if file.suffix.lower() in READERS
        else Problem(file.name, f"the extension {file.suffix!r} is unknown.", f"Use {', '.join(READERS)}.")
        for file in files
        if file.suffix.lower() not in READERS or not file.stat().st_size
    ]
    if problems:
        raise UserError(problems)


def _more_files(draft: Draft, paths: list[str]) -> Draft:
    """The files that there are and these; those that lack a tag are tagged by their name."""
    data = data_of(draft)
    before = (data.path,) if isinstance(data.path, str) else data.path or ()
    new = [path for path in paths if path not in before]
    if not new:
        raise UserError(Problem("upload", "these files are in the data already.", "Choose others."))
    guess = guessed_data([*before, *new])
    found = guess.tags or Tags()
    names = {Path(path).name for path in new}
    files = {file: tag for file, tag in found.files.items() if Path(file).name in names}
    tags = tags_of(draft).model_copy(
        update={
            "files": tags_of(draft).files
            | {file: tag for file, tag in files.items() if file not in tags_of(draft).files}
        }
    )
    return _with_rows(
        draft, data.model_copy(update={"path": (*before, *new), **({"tags": tags} if tags != Tags() else {})})
    )


def _tidy(data: DataSpec) -> DataSpec:
    try:
        return tidied(data, raw_columns(data))
    except UserError:  # the report says what is wrong
        return data


@told
def use_hub(name: str, hub: str, config: str, split: str) -> None:
    """Take a dataset of the Hub."""
    if not hub.strip():
        raise UserError(Problem(t("source.hub_id"), "this field is empty.", "Write an id such as openai/gsm8k."))
    source = DataSpec(hub=hub.strip(), hub_config=config.strip() or None, hub_split=split.strip() or "train")
    take(opened(name), lambda: _from_hub(source))


def _from_hub(source: DataSpec) -> Change:
    data = _tidy(guessed_hub(source))
    return lambda draft: _with_rows(draft, data)


@told
def use_gym(name: str, names: list[str], size: int | None, seed: int | None) -> None:
    """Generate tasks of reasoning-gym."""
    if not names:
        raise UserError(Problem(t("source.gym_tasks"), "nothing is chosen.", "Choose one task or several."))
    tasks = tuple(ReasoningGymTask(name=task, size=int(size or GYM_ROWS)) for task in names)
    data = DataSpec(reasoning_gym=ReasoningGym(tasks=tasks, seed=int(seed or 0)))
    take(opened(name), lambda: lambda draft: _with_rows(draft, data))


@told
def gym_choices() -> gr.Dropdown:
    """The generators that are installed; importing them takes a moment."""
    return gr.Dropdown(choices=sorted(generators()))
