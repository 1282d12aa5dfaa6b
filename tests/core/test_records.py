import json

import pytest

from core.errors import UserError
from core.records import BLOCK, last_record, read_records


@pytest.fixture
def metrics(tmp_path):
    return tmp_path / "metrics.jsonl"


def line(step, split="train", **fields):
    return json.dumps({"step": step, "split": split, **fields}) + "\n"


class TestReading:
    def test_a_torn_last_line_is_left_until_it_is_whole(self, metrics):
        metrics.write_text(line(1) + line(2)[:9])
        assert [record["step"] for record in read_records(metrics)] == [1]
        metrics.write_text(line(1) + line(2))
        assert [record["step"] for record in read_records(metrics)] == [1, 2]

    @pytest.mark.parametrize("corrupt", ['{"step": 2, "sp', "\0\0\0\0", "[1, 2]", ""])
    def test_a_corrupt_line_in_the_middle_is_named_with_its_file(self, metrics, corrupt):
        metrics.write_text(line(1) + corrupt + "\n" + line(3))
        with pytest.raises(UserError, match=r"metrics\.jsonl line 2: this is no record"):
            read_records(metrics)

    def test_a_file_that_is_not_there_has_no_records(self, metrics):
        assert read_records(metrics) == []
        assert last_record(metrics, "train") is None


class TestLast:
    def test_it_is_the_last_of_its_split(self, metrics):
        metrics.write_text(line(0, "held_out") + line(1) + line(2) + line(2, "held_out") + line(3))
        assert last_record(metrics, "train")["step"] == 3
        assert last_record(metrics, "held_out")["step"] == 2

    def test_the_first_line_is_found_too(self, metrics):
        metrics.write_text(line(0, "held_out") + line(1))
        assert last_record(metrics, "held_out")["step"] == 0

    def test_a_torn_line_is_no_record(self, metrics):
        metrics.write_text(line(1) + line(2).rstrip("\n"))
        assert last_record(metrics, "train")["step"] == 1
        metrics.write_text(line(1).rstrip("\n"))
        assert last_record(metrics, "train") is None

    def test_a_corrupt_line_is_passed_over(self, metrics):
        metrics.write_text(line(1) + '{"split": "train"' + "\n")
        assert last_record(metrics, "train")["step"] == 1

    def test_a_task_of_the_same_name_is_no_split(self, metrics):
        metrics.write_text(line(1) + line(1, "held_out", tasks=[{"task": "train"}]))
        assert last_record(metrics, "train") == {"step": 1, "split": "train"}

    @pytest.mark.parametrize("length", [BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK])
    def test_lines_longer_than_what_is_read_at_once_are_whole(self, metrics, length):
        first = line(1, text="x" * length)
        metrics.write_text(first + line(0, "held_out", text="y" * length))
        assert last_record(metrics, "train") == json.loads(first)
