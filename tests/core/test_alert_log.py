"""An episode of an alert is written once; a resume takes out what came after its checkpoint."""

import json

from toy_runs import append, make_run, record, task_entry

from core.alert_log import QUIET_STEPS, AlertLog, alerts_path, read_alerts, rewind_alerts
from core.runs import RunFolder


def step(n, kl=0.05):
    return record(n, [task_entry("math", n / 100)], trainer={"kl": kl})


def look(run, log, steps, kl=0.05):
    for n in steps:
        append(run, step(n, kl))
        log.look()


def kinds(run):
    return [(alert.kind, alert.step) for alert in read_alerts(run)]


def test_an_episode_is_written_when_it_begins_and_not_again_while_it_lasts(tmp_path):
    run = make_run(tmp_path / "run", [step(n) for n in range(1, 30)])
    log = AlertLog(run)
    look(run, log, range(30, 40), kl=9.0)
    assert kinds(run) == [("kl", 31)]  # the median of three: one spike is none


def test_after_a_quiet_while_it_is_another_episode(tmp_path):
    run = make_run(tmp_path / "run", [step(n) for n in range(1, 60)])
    log = AlertLog(run)
    look(run, log, range(60, 65), kl=9.0)
    look(run, log, range(65, 65 + QUIET_STEPS + 5))
    look(run, log, range(80, 85), kl=9.0)
    assert [kind for kind, _ in kinds(run)] == ["kl", "kl"]


def test_what_holds_when_a_run_is_resumed_is_not_written_again(tmp_path):
    run = make_run(tmp_path / "run", [step(n) for n in range(1, 30)])
    look(run, AlertLog(run), range(30, 35), kl=9.0)
    look(run, AlertLog(run), range(35, 38), kl=9.0)
    assert len(kinds(run)) == 1


def test_a_rewind_takes_out_what_came_after_and_half_a_line(tmp_path):
    run = make_run(tmp_path / "run", [step(n) for n in range(1, 30)])
    log = AlertLog(run)
    look(run, log, range(30, 33), kl=9.0)
    with alerts_path(run).open("a") as file:
        file.write('{"kind": "nan", "st')
    assert len(read_alerts(run)) == 1
    rewind_alerts(run, 31)
    assert kinds(run) == [("kl", 31)]
    rewind_alerts(run, 30)
    assert kinds(run) == []
    assert alerts_path(run).read_text() == ""


def test_an_alert_of_another_version_is_left_out(tmp_path):
    run = RunFolder(tmp_path)
    known = {"kind": "stalled", "step": 4, "reason": "a", "mend": "b"}
    lines = [known, {**known, "kind": "of tomorrow"}, {**known, "step": "four"}, [], {"kind": "stalled"}]
    alerts_path(run).write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert [(alert.kind, alert.step) for alert in read_alerts(run)] == [("stalled", 4)]
