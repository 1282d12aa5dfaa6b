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


def test_its_examples_hold(project):
    script = (
        "from rewards import registry\nfrom rewards.declaration import Batch\n"
        "for name in ('brevity', 'same_text'):\n"
        "    for e in registry()[name].examples:\n"
        "        batch = Batch([[]], [e.completion], {k: [v] for k, v in e.columns.items()})\n"
        "        assert registry()[name].score(batch, e.params) == [e.score], (name, e)\n"
    )
    run = subprocess.run([sys.executable, "-c", script], cwd=project, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
