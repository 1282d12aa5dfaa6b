"""Imports point one way, and the page comes up without the libraries that only workers need."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
SOURCES = [path for folder in ("core", "rewards", "ui") for path in sorted((PROJECT / folder).rglob("*.py"))]
FILES = [Path("app.py"), *(path.relative_to(PROJECT) for path in SOURCES)]
OURS = ("app", "ui", "core", "rewards", "tests", "examples", "bench")
HEAVY = ("torch", "transformers", "trl", "peft", "accelerate")
WORKER = ("core", "training")
SANDBOX = ("core", "sandbox")

ALLOWED = {
    "app": ("ui", "core"),
    "ui": ("ui", "core", "rewards"),
    "core": ("core", "rewards"),
    "rewards": ("rewards", "core.sandbox"),
}


def module_name(file):
    parts = file.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(node):
    """Full names that an import statement may bring in: `from core import sandbox` names core.sandbox."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert not node.level, "relative imports are not used here"
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def all_imports(tree):
    return [name for node in ast.walk(tree) for name in imported(node)]


def imports_on_import(tree):
    """Imports that run when the module is imported: not those in functions, nor for type checkers alone."""
    found, nodes = [], list(tree.body)
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            nodes += node.orelse
            continue
        found += imported(node)
        nodes += ast.iter_child_nodes(node)
    return found


def within(name, packages):
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def parsed(file):
    return ast.parse((PROJECT / file).read_text(encoding="utf-8"))


@pytest.mark.parametrize("file", FILES, ids=str)
def test_imports_point_one_way(file):
    sandbox = ("core.sandbox",) if file.parts[:2] == SANDBOX else None
    allowed = sandbox or ALLOWED[module_name(file).split(".")[0]]
    wrong = [name for name in all_imports(parsed(file)) if within(name, OURS) and not within(name, allowed)]
    assert wrong == []


@pytest.mark.parametrize("file", [file for file in FILES if "jail" in file.parts], ids=str)
def test_what_runs_beside_untrusted_code_needs_the_standard_library_alone(file):
    own = {other.stem for other in FILES if "jail" in other.parts}
    roots = {name.split(".")[0] for name in all_imports(parsed(file))}
    assert roots <= own | set(sys.stdlib_module_names)


@pytest.mark.parametrize("file", [file for file in FILES if file.parts[0] not in ("ui", "app.py")], ids=str)
def test_gradio_is_imported_by_the_ui_alone(file):
    assert not [name for name in all_imports(parsed(file)) if within(name, ["gradio"])]


@pytest.mark.parametrize("file", [file for file in FILES if file.parts[:2] != WORKER], ids=str)
def test_heavy_libraries_are_imported_at_the_top_of_worker_modules_alone(file):
    assert not [name for name in imports_on_import(parsed(file)) if within(name, HEAVY)]


@pytest.mark.parametrize("file", [file for file in FILES if file.parts[:2] != WORKER], ids=str)
def test_worker_modules_are_imported_at_the_top_by_one_another_alone(file):
    assert not [name for name in imports_on_import(parsed(file)) if within(name, ["core.training"])]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import torch", ["torch"]),
        ("from core import sandbox", ["core.sandbox"]),
        ("try:\n    import torch\nexcept ImportError:\n    pass", ["torch"]),
        ("class A:\n    import torch", ["torch"]),
        ("def f():\n    import torch", []),
        ("from typing import TYPE_CHECKING as T\nif T:\n    pass", ["typing.TYPE_CHECKING"]),
        ("if TYPE_CHECKING:\n    import torch\nelse:\n    import peft", ["peft"]),
    ],
)
def test_what_runs_on_import_is_told_from_what_does_not(source, found):
    assert imports_on_import(ast.parse(source)) == found


def test_no_two_test_modules_have_the_same_name():
    """Their folders are no packages: which of two pytest imports first decides whether the other is found."""
    names = [path.name for path in (PROJECT / "tests").rglob("test_*.py")]
    assert sorted({name for name in names if names.count(name) > 1}) == []


def test_the_page_comes_up_without_the_libraries_of_the_worker():
    script = f"import sys, ui.app; ui.app.build_app(); print(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=False, timeout=100
    )
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr
