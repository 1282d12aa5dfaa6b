"""What can be done with a whole project: a new one, another name, a copy, a file to take along, the end of it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import gradio as gr

from core.project_files import export_yaml, export_zip, import_project
from core.projects import (
    all_projects,
    create_project,
    delete_project,
    duplicate_project,
    find_project,
    free_name,
    rename_project,
)
from ui.downloads import offer
from ui.messages import told
from ui.texts import t

CONFIRM = "(name) => window.confirm(%s.replace('{name}', name)) ? name : ''"


def build(project: gr.Textbox) -> None:
    """The menu; `project` holds the name of the open project and takes that of the next."""
    with gr.Accordion(t("menu.title"), open=False, elem_id="project-menu"):
        with gr.Row(equal_height=True):
            name = gr.Textbox(label=t("menu.name"), placeholder=t("menu.name_help"), max_lines=1, min_width=200)
            new = gr.Button(t("menu.new"), size="sm", min_width=110)
            rename = gr.Button(t("menu.rename"), size="sm", min_width=110)
            copy = gr.Button(t("menu.copy"), size="sm", min_width=110)
        with gr.Row():
            whole = gr.Button(t("menu.zip"), size="sm", min_width=170)
            alone = gr.Button(t("menu.yaml"), size="sm", min_width=170)
            bring = gr.UploadButton(t("menu.import"), file_types=[".zip", ".yaml", ".yml"], size="sm", min_width=170)
            delete = gr.Button(t("menu.delete"), size="sm", min_width=110, elem_id="delete-project")
    private = {"api_visibility": "private"}
    new.click(told(made), name, project, **private)
    rename.click(told(renamed), [project, name], project, **private)
    copy.click(told(copied), [project, name], project, **private)
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
    return rename_project(find_project(project), name.strip()).name


def copied(project: str, name: str) -> str:
    """A copy, opened."""
    return duplicate_project(find_project(project), name.strip() or free_name(project)).name


def zipped(project: str) -> str:
    """The project as a zip file."""
    return str(export_zip(find_project(project), Path(tempfile.mkdtemp())))


def written(project: str) -> str:
    """The project's draft as a YAML file."""
    return str(export_yaml(find_project(project), Path(tempfile.mkdtemp())))


def imported(path: str) -> str:
    """A project from an uploaded file, opened."""
    found = import_project(Path(path))
    gr.Info(t("menu.imported", name=found.name))
    return found.name


def deleted(name: str) -> str:
    """Remove the project that was named in the question; the one changed last is opened."""
    if not name:
        return gr.skip()
    delete_project(find_project(name))
    rest = all_projects()
    return rest[0].name if rest else create_project(free_name("first")).name
