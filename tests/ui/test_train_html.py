"""The HTML of the page Train: what people and models write is data, numbers that are not known are dashes."""

from html.parser import HTMLParser

import pytest
from toys import write_rows

from core.errors import Problem, UserError
from core.machine import Machine
from core.projects import create_project
from core.services import SERVICES
from core.spec import parse_draft
from core.step_time import RunTime
from ui.train_actions import look_up
from ui.train_checks import _time_html, estimate_html, note, problems_html, spoken, summary_html
from ui.train_forecast import forecast_html
from ui.train_form import advanced_html, simple_html, tasks_html
from ui.train_presets import command_html, merged, presets_html
from ui.train_state import Look, Refused, known, lookup_name, remember, remembered

HOSTILE = '"><script>alert(1)</script>'


class Tags(HTMLParser):
    """The tags of a piece of HTML, and which of them are not closed."""

    def __init__(self):
        super().__init__()
        self.seen, self.open = [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        if tag not in ("input", "br", "wbr", "option"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag != "option":
            assert self.open.pop() == tag


def tags(html):
    parser = Tags()
    parser.feed(html)
    assert parser.open == []
    return parser.seen


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setenv("SIGNALBOX_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("SIGNALBOX_CACHE", str(tmp_path / "cache"))
    rows = [{"task": HOSTILE, "prompt": f"{n}", "answer": f"{n}"} for n in range(20)]
    document = {
        "model": f"nobody/{HOSTILE}",
        "data": {"path": str(write_rows(tmp_path / "rows.jsonl", rows))},
        "rewards": {HOSTILE: [{"name": "exact_match", "label": HOSTILE}]},
        "grpo": {"run_name": HOSTILE, "num_generations": 3},
        "tasks": {HOSTILE: {"system_prompt": HOSTILE}},
    }
    return create_project("test", parse_draft(document, "test"))


@pytest.fixture
def now(project):
    refused = Refused(HOSTILE, (Problem(HOSTILE, HOSTILE, HOSTILE),))
    return known(project, Look(project.name, {("grpo.learning_rate", ""): refused}, preset="quick"))


@pytest.mark.parametrize(
    "draw",
    [
        simple_html,
        lambda now: advanced_html(now, "", False),
        lambda now: advanced_html(now, HOSTILE, False),
        tasks_html,
        problems_html,
        estimate_html,
        summary_html,
        forecast_html,
        presets_html,
        command_html,
    ],
)
def test_what_somebody_wrote_is_never_markup_and_every_tag_is_closed(now, draw):
    html = draw(now)
    assert "script" not in tags(html)
    assert html


def test_an_entry_that_was_refused_stays_in_its_box_with_its_reason(now):
    html = simple_html(now)
    assert 'aria-invalid="true"' in html
    assert html.count("&lt;script&gt;") >= 2


def test_what_is_not_known_is_a_dash_and_said(now):
    assert summary_html(now).count(">-<") == 4  # memory, time, disk, signal
    assert "Nothing is known of the model" in estimate_html(now)


def test_the_note_counts_what_blocks(now):
    assert note(now) == "Errors to mend before a run can start: 2. They are listed below."


def test_an_entry_that_was_refused_keeps_a_run_from_starting(now):
    assert not now.ready
    problems = [problem for refused in now.look.refused.values() for problem in refused.problems]
    assert [finding.problem for finding in now.findings][: len(problems)] == problems


def test_a_model_that_is_not_here_is_a_warning_until_the_hub_was_asked_about_it(now, monkeypatch):
    def findings():
        seen = known(now.project, now.look)
        return [finding.problem for finding in seen.findings if finding.problem.where == "model"]

    [before] = findings()
    assert before.severity == "warning"
    assert "is not on this machine" in before.what
    answer = Problem("model", "the Hub has no such model.")

    def ask(model):
        raise UserError(answer)

    monkeypatch.setattr("ui.train_actions.ask_hub", ask)
    look_up(now.project)
    assert SERVICES.jobs.get(lookup_name(now.project, now.draft.model)).wait(10)
    assert findings() == [answer]
    now.project.change(lambda draft: draft.model_copy(update={"model": "nobody/else"}))
    assert [problem.severity for problem in findings()] == ["warning"]
    now.project.change(lambda draft: draft.model_copy(update={"model": "./not/there"}))
    assert findings() == [], "a folder is no id: that it is missing is said of it elsewhere"


def test_a_search_leaves_what_matches_and_opens_it(now):
    html = advanced_html(now, "entropy_coef_min", False)
    assert html.count("<details") == html.count(" open>") == 1
    assert html.count("data-place") == 1


def test_only_what_is_set_is_what_differs_from_its_default(now):
    html = advanced_html(now, "", True)
    places = {part.partition('"')[0] for part in html.split('data-edit="option" data-place="')[1:]}
    assert places == {"model", "grpo.num_generations", "grpo.run_name"}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.31, "0.31 s"), (12.4, "12 s"), (300, "5 min"), (7200, "2.0 h"), (3 * 86400, "3.0 days")],
)
def test_times_are_said_as_roughly_as_they_are_known(seconds, text):
    assert spoken(seconds) == text


def test_what_is_typed_as_text_takes_back_nothing_that_another_tab_has_changed():
    shown = parse_draft({"name": "a", "grpo": {"max_steps": 5}}, "test")
    typed = parse_draft({"name": "a", "grpo": {"max_steps": 7}}, "test")
    now = parse_draft({"name": "a", "grpo": {"max_steps": 5}, "on_reward_error": "stop"}, "test")
    found = merged(now, typed, shown.to_yaml())
    assert (found.grpo, found.on_reward_error) == ({"max_steps": 7}, "stop")
    assert merged(shown, typed, shown.to_yaml()) == typed


def test_what_was_found_in_a_draft_is_remembered_for_that_draft_alone(now):
    remember(now)
    assert remembered(now.project.name, now.draft) == now.of_draft != ()
    assert remembered(now.project.name, now.draft.model_copy(update={"model": "another"})) == ()


def test_a_busy_machine_is_said_beside_the_time():
    found = RunTime(step=1.0, whole=9.0, steps=9, evaluations=1, length=8.0, source="model")
    assert "load 3.0 on 2 cores" in _time_html(found, Machine(2, 8.0, 8.0, False, load=3.0), 0.0)
    assert "sample up to 2 times as much again" in _time_html(found, Machine(2, 8.0, 8.0, False), 2.0)
    assert "load" not in _time_html(found, Machine(2, 8.0, 8.0, False, load=0.4), 0.0)
