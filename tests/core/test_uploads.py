import pytest

from core.uploads import keep_upload


@pytest.fixture
def upload(tmp_path):
    """A file as the browser leaves it, in a folder that will not last."""

    def _upload(content, name="rows.jsonl", session="one"):
        path = tmp_path / "sessions" / session / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    return _upload


def test_an_upload_outlives_its_session_beside_the_runs(upload, tmp_path):
    source = upload(b"rows")
    kept = keep_upload(source)
    source.unlink()
    assert kept.read_bytes() == b"rows"
    assert (kept.name, kept.parent.parent) == ("rows.jsonl", tmp_path / "runs" / "uploads")


def test_the_same_file_twice_is_one_copy(upload):
    first = keep_upload(upload(b"rows", session="one"))
    before = first.stat().st_mtime_ns
    assert keep_upload(upload(b"rows", session="two")) == first
    assert first.stat().st_mtime_ns == before


def test_another_content_under_the_same_name_is_another_file(upload):
    first, second = keep_upload(upload(b"rows")), keep_upload(upload(b"other rows"))
    assert (first.read_bytes(), second.read_bytes()) == (b"rows", b"other rows")


def test_nothing_half_copied_is_left_beside_it(upload):
    kept = keep_upload(upload(b"x" * (3 << 20)))
    assert (list(kept.parent.iterdir()), kept.stat().st_size) == ([kept], 3 << 20)


def test_a_copy_that_broke_off_is_made_again(upload):
    kept = keep_upload(upload(b"rows"))
    kept.rename(kept.with_name(f".{kept.name}.part"))
    assert keep_upload(upload(b"rows")).read_bytes() == b"rows"


def test_a_name_in_another_script_is_kept(upload):
    assert keep_upload(upload(b"rows", name="数据 é.csv")).name == "数据 é.csv"
