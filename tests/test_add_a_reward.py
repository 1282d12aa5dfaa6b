"""What docs/add-a-reward.md promises: one new file, and the reward is in the list, in `check` and in `score`."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from toys import write_rows

PROJECT = Path(__file__).parent.parent
BLOCKS = re.findall(r"```python\n(.*?)```", (PROJECT / "docs/add-a-reward.md").read_text(), re.DOTALL)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project with the page's two rewards put where the page says."""
    copy = tmp_path_factory.mktemp("project")
    shutil.copy(PROJECT / "app.py", copy)
    for package in ("core", "rewards"):
        shutil.copytree(PROJECT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / "pyproject.toml", copy)
    (copy / "tests" / "rewards").mkdir(parents=True)
    for name in ("conftest.py", "test_examples.py"):
        shutil.copy(PROJECT / "tests" / "rewards" / name, copy / "tests" / "rewards")
    for name, block in zip(("brevity", "same_text"), BLOCKS, strict=True):
        (copy / "rewards" / f"{name}.py").write_text(block)
    rows = [{"task": "talk", "prompt": f"Say {n}.", "answer": "yes"} for n in range(4)]
    write_rows(copy / "rows.jsonl", rows)
    plan = {"talk": [{"name": "brevity", "params": {"longest": 5}}, {"name": "same_text"}]}
    spec = {"data": {"path": "rows.jsonl"}, "rewards": plan}
    (copy / "run.yaml").write_text(json.dumps(spec))
    return copy


def app(project, *arguments):
    command = [sys.executable, "app.py", *arguments]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=120)


def test_the_list_has_it_with_its_help_and_its_parameters(project):
    assert re.search(r"^brevity +1 for a single word", app(project, "rewards").stdout, re.MULTILINE)
    shown = app(project, "rewards", "brevity").stdout
    assert "longest (default 20): words from which the score is 0" in shown
    assert "saying nothing is not brief" in shown


def test_check_accepts_it_and_refuses_a_parameter_out_of_its_range(project):
    assert app(project, "check", "run.yaml").returncode == 0
    wrong = json.loads((project / "run.yaml").read_text())
    wrong["rewards"]["talk"][0]["params"]["longest"] = 1
    (project / "wrong.yaml").write_text(json.dumps(wrong))
    refused = app(project, "check", "wrong.yaml")
    assert refused.returncode == 1
    assert "rewards.talk[0].params.longest: Input should be greater than or equal to 2 (found 1)" in refused.stderr


def test_score_uses_it(project):
    rows = [{"task": "talk", "prompt": "?", "answer": "yes", "completion": text} for text in ("yes", "yes it is")]
    write_rows(project / "completions.jsonl", rows)
    scored = app(project, "score", "completions.jsonl", "--plan", "run.yaml")
    assert scored.returncode == 0, scored.stderr
    found = [json.loads(line)["rewards"] for line in scored.stdout.splitlines()]
    assert found == [{"brevity": 1.0, "same_text": 1.0}, {"brevity": 0.5, "same_text": 0.0}]


def test_its_examples_are_its_tests(project):
    command = [sys.executable, "-m", "pytest", "tests/rewards", "-k", "brevity or same_text"]
    run = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stdout
    assert "passed" in run.stdout


def test_a_file_that_cannot_be_imported_is_named_and_the_others_work(project):
    broken = project / "rewards" / "broken.py"
    broken.write_text("import a_package_that_is_not_there\n")
    listed = app(project, "rewards")
    refused = app(project, "check", "run.yaml")
    broken.unlink()
    assert "brevity" in listed.stdout
    assert "rewards/broken.py: it cannot be imported: ModuleNotFoundError" in listed.stderr
    assert refused.returncode == 0
    assert "warning: rewards/broken.py: it cannot be imported" in refused.stderr
