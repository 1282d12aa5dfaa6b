"""What the command line prints of a run; tests/test_app.py has the commands themselves."""

import json

import pytest
from toys import bare_spec

from core.run_commands import Printer
from core.runs import create_run, write_atomically


@pytest.fixture
def run():
    return create_run(bare_spec())


def line(step, time):
    record = {"step": step, "steps": 9, "split": "train", "time": time, "seconds": {"all": 1.0}, "tasks": []}
    return json.dumps(record) + "\n"


def printed(capsys):
    return [text.split()[1] for text in capsys.readouterr().out.splitlines()]


def test_only_what_is_new_is_printed(run, capsys):
    run.metrics_path.write_text(line(1, 10.0))
    printer = Printer(run)
    printer.print_new()
    assert printed(capsys) == []
    run.metrics_path.write_text(line(1, 10.0) + line(2, 11.0))
    printer.print_new()
    printer.print_new()
    assert printed(capsys) == ["2/9"]


def test_a_clock_that_is_put_back_hides_no_step(run, capsys):
    run.metrics_path.write_text(line(1, 1000.0))
    printer = Printer(run)
    run.metrics_path.write_text(line(1, 1000.0) + line(2, 10.0) + line(3, 11.0))
    printer.print_new()
    assert printed(capsys) == ["2/9", "3/9"]


def test_steps_that_a_resume_does_again_are_printed_again(run, capsys):
    write_atomically(run.metrics_path, line(1, 10.0) + line(2, 11.0))
    printer = Printer(run)
    write_atomically(run.metrics_path, line(1, 10.0) + line(2, 20.0))
    printer.print_new()
    assert printed(capsys) == ["2/9"]


def test_a_torn_line_is_printed_once_it_is_whole(run, capsys):
    printer = Printer(run)
    run.metrics_path.write_text(line(1, 10.0)[:20])
    printer.print_new()
    assert printed(capsys) == []
    run.metrics_path.write_text(line(1, 10.0))
    printer.print_new()
    assert printed(capsys) == ["1/9"]
