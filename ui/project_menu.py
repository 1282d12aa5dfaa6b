"""What can be done with a whole project: a new one, another name, a copy, a file to take along, the end of it."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from core.project_files import export_yaml, export_zip, import_project
from core.projects import (
    any_project,
    create_project,
    delete_project,
    duplicate_project,
    find_project,
    free_name,
    rename_project,
)
from core.services import SERVICES
from ui.downloads import new_folder, offer
from ui.messages import inform, told
from ui.preview_probes import LAST_PROBED
from ui.preview_trials import TRIALS
from ui.texts import t

OPEN_OR_CLOSE = """() => {
    const open = document.getElementById("project-menu").classList.toggle("open");
    document.getElementById("manage-projects").setAttribute("aria-expanded", open);
}"""
CONFIRM = "(name) => window.confirm(%s.replace('{name}', name)) ? name : ''"


def build(project: gr.Textbox, opener: gr.Button) -> None:
    """The menu below its opener; `project` holds the name of the open project and takes that of the next."""
    opener.click(None, None, None, js=OPEN_OR_CLOSE, api_visibility="private")
    with gr.Column(elem_id="project-menu"):
        with gr.Row():
            name = gr.Textbox(
                label=t("menu.name"), placeholder=t("menu.name_help"), max_lines=1, container=False, min_width=220
            )
            new = gr.Button(t("menu.new"), size="sm", min_width=110)
            rename = gr.Button(t("menu.rename"), size="sm", min_width=110)
            copy = gr.Button(t("menu.copy"), size="sm", min_width=110)
        with gr.Row():
            whole = gr.Button(t("menu.zip"), size="sm", min_width=170)
            alone = gr.Button(t("menu.yaml"), size="sm", min_width=170)
            bring = gr.UploadButton(t("menu.import"), file_types=[".zip", ".yaml", ".yml"], size="sm", min_width=170)
            delete = gr.Button(t("menu.delete"), variant="stop", size="sm", min_width=110, elem_id="delete-project")
    private = {"api_visibility": "private"}
    new.click(told(made), name, project, **private)
    named = {"project": project, "name": name}
    rename.click(told(renamed), outputs=project, inputs_kwargs=named, **private)
    copy.click(told(copied), outputs=project, inputs_kwargs=named, **private)
    offer(whole, zipped, project)
    offer(alone, written, project)
    bring.upload(told(imported), bring, project, **private)
    question = t("menu.confirm", name="{name}")
    delete.click(told(deleted), project, project, js=CONFIRM % repr(question), **private)


def made(name: str) -> str:
    """A new, empty project."""
    return create_project(name.strip() or free_name("project")).name


def renamed(project: str, name: str) -> str:
    """The open project under another name."""
    _leave(project)
    return rename_project(find_project(project), name.strip()).name


def copied(project: str, name: str) -> str:
    """A copy, opened."""
    return duplicate_project(find_project(project), name.strip() or free_name(project)).name


def zipped(project: str) -> str:
    """The project as a zip file."""
    return str(export_zip(find_project(project), new_folder()))


def written(project: str) -> str:
    """The project's draft as a YAML file."""
    return str(export_yaml(find_project(project), new_folder()))


def imported(path: str) -> str:
    """A project from an uploaded file, opened."""
    found = import_project(Path(path))
    inform(t("menu.imported", name=found.name))
    return found.name


def deleted(name: str) -> str:
    """Remove the project that was named in the question; the one changed last is opened."""
    if not name:
        return gr.skip()
    _leave(name)
    delete_project(find_project(name))
    return any_project().name


def _leave(name: str) -> None:
    """Forget what the app holds of a project, so that another one of that name begins without."""
    project = find_project(name)
    SERVICES.leave(project)
    TRIALS.drop(project)
    LAST_PROBED.pop(name, None)
