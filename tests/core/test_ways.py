import pytest

from core.runs import RunFolder
from core.ways import Way, ways_of, write_ways


def test_what_is_written_is_read(tmp_path):
    run = RunFolder(tmp_path)
    assert ways_of(run) == {}
    write_ways(run, Way(True), Way(False, "a model of another make"))
    assert ways_of(run) == {"sampling": Way(True), "training": Way(False, "a model of another make")}


@pytest.mark.parametrize(
    "text", ["", "{broken", "[]", '{"sampling": 1}', '{"sampling": {"reason": "no word of whose"}}']
)
def test_a_file_that_says_nothing_of_the_kind_is_as_none(tmp_path, text):
    run = RunFolder(tmp_path)
    run.engine_path.write_text(text)
    assert ways_of(run) == {}
