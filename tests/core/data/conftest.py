"""Toys for the data tests: a temporary cache for each, files written in one line, problems as plain text."""

import json
import os

import datasets
import pytest

from core.data import load_data
from core.errors import UserError
from core.spec import DataSpec


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("SIGNALBOX_CACHE", str(folder))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "hub-cache"))
    return folder


@pytest.fixture
def write(tmp_path):
    """Write a file of bytes, of text, or of rows as JSON Lines; gives its path as text."""

    def _write(name, content):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, list):
            content = "\n".join(json.dumps(row) for row in content)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        os.utime(path, ns=(1, 1))
        return str(path)

    return _write


@pytest.fixture
def load():
    """Every row of a file, in order: nothing is held out unless the test says so."""

    def _load(path=None, **fields):
        fields = {"held_out": {"rows_per_task": 0}, **fields}
        return load_data(DataSpec.model_validate({"path": path, **fields}))

    return _load


@pytest.fixture
def complaints(load):
    """What is said about a bad file, one line per problem."""

    def _complaints(path=None, **fields):
        with pytest.raises(UserError) as caught:
            load(path, **fields)
        return [str(problem) for problem in caught.value.problems]

    return _complaints
