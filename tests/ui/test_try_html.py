"""What the page Try & export shows: answers as data and never as markup, errors apart from numbers, files by name."""

import re

import gradio as gr
import pytest
from toys import make_model, make_run, tagged_rows, write_rows

from core.evaluation import Evaluation, EvaluationSettings, Row, SideAnswers, write_evaluation
from core.run_adapters import find_adapter
from core.sampling import SamplingSettings
from core.services import SERVICES
from core.tries import Answer, Cell, Try, Turn
from ui import try_evaluate, try_export, try_talk
from ui.try_ask import sampling
from ui.try_page import PARTS, show
from ui.try_state import TRIES, Look, known

EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def run(model, tmp_path):
    return make_run(tmp_path / "runs" / "toy", model, write_rows(tmp_path / "rows.jsonl", tagged_rows(20)))


@pytest.fixture
def now(run):
    return known("toy", "", Look())


@pytest.fixture
def talk(run, now, monkeypatch):
    """Puts a conversation of one turn into the page."""

    def talk(base, adapter):
        turn = Turn(EVIL, {"base": base, "adapter": adapter})
        one = Try(find_adapter(run), {"task": EVIL, "prompt": EVIL}, SamplingSettings(), turns=(turn,))
        monkeypatch.setitem(TRIES._tries, "toy", one)
        return try_talk.talk_html(now)

    return talk


class TestTalk:
    def test_what_a_model_says_is_never_markup(self, talk):
        cells = (Cell(EVIL, 1.0, None, EVIL),)
        html = talk(Answer(EVIL, True, cells=cells), Answer(EVIL, True, cells=cells, unscored=""))
        assert "<img" not in html
        assert html.count("&lt;img src=x onerror=alert(1)&gt;") >= 6

    def test_a_number_a_dash_and_an_error_are_told_apart(self, talk):
        base = Answer("a", True, tokens=3, cells=(Cell("x", 1.0, 0.5, None), Cell("y", 0.5, None, None)), total=0.5)
        failed = (Cell("x", 1.0, None, "no gold"), Cell("y", 0.5, None, None))
        html = talk(base, Answer("b", True, clipped=True, tokens=9, cells=failed))
        rows = re.findall(r"<tr.*?</tr>", html)
        texts = [re.sub(r"<[^>]+>", "|", row) for row in rows]
        assert "0.5" in texts[1]
        assert "! no gold" in texts[1]
        assert texts[2].count("-") == 2
        assert "!" in texts[3]
        assert "9 tokens · cut off at the limit" in html

    def test_an_answer_of_nothing_says_so_and_one_that_could_not_be_scored_why(self, talk):
        html = talk(Answer("", True, unscored="no reward scores it"), Answer("", False))
        assert "no reward scores it" in html
        assert "broken off" in html

    def test_before_anything_is_asked_it_says_what_to_do(self, now):
        assert "answer beside each other" in try_talk.talk_html(now)
        assert not try_talk.can_follow(now)


def answers(*totals, errors=None):
    return SideAnswers(tuple(EVIL for _ in totals), totals, tuple(errors or [None] * len(totals)))


def evaluation(*rows):
    settings = EvaluationSettings(num_generations=2)
    return Evaluation("adapter", 2, "toy", 1.0, 1.0, settings, {"short": 1.0, "long": None}, rows)


class TestEvaluation:
    def test_figures_verdicts_and_what_was_left_out(self, run, now):
        rows = [Row("short", EVIL, answers(0.0, 0.0), answers(1.0, 1.0)) for _ in range(6)]
        rows += [Row("long", "x", answers(0.2, None, errors=[None, EVIL]), answers(0.2, 0.2)) for _ in range(4)]
        write_evaluation(run, evaluation(*rows))
        html = try_evaluate.results_html(now)
        assert "<img" not in html
        assert ">better<" in html
        assert ">no clear difference<" in html
        assert "+1.000" in html
        assert "4 answers could not be scored" in html
        assert html.count('data-edit="threshold"') == 2
        assert 'placeholder="-"' in html

    def test_without_one_it_says_so_and_a_broken_file_is_named(self, run, now):
        assert "not been evaluated yet" in try_evaluate.results_html(now)
        (run.path / "evaluations").mkdir()
        (run.path / "evaluations" / "1.json").write_text("{")
        assert "is no evaluation" in try_evaluate.results_html(now)

    def test_another_threshold_is_kept_until_it_is_no_number(self):
        look = Look("toy").with_threshold("short", "0.5").with_threshold("long", "2")
        assert look.thresholds == {"short": 0.5, "long": 2.0}
        for no_number in ("", "nan", "inf", "-inf"):
            assert look.with_threshold("short", no_number).thresholds == {"long": 2.0}
        assert look.of("other").thresholds == {}


class TestExport:
    def test_a_file_is_linked_once_it_is_made_and_gguf_says_what_is_missing(self, now, monkeypatch):
        monkeypatch.setattr(try_export, "gguf_converter", lambda: None)
        html = try_export.files_html(now)
        assert "convert_hf_to_gguf.py is not on this machine" in html
        assert html.count('data-act="make"') == 3
        before = try_export.files_token(now)
        try_export.export_adapter(now.adapter, lambda done, whole: None, lambda: False)
        html = try_export.files_html(now)
        assert 'download="toy.adapter.zip"' in html
        assert before != try_export.files_token(now)

    def test_the_token_is_in_no_job_and_its_box_is_emptied(self, run):
        assert try_export.push("toy", "adapter", "no-owner", True, "hf_Secret") == ""
        job = SERVICES.jobs.get("push run/toy")
        assert job.wait(60)
        assert "hf_Secret" not in repr(job)
        assert job.state == "failed"


def test_what_is_asked_is_sampled_as_the_run_does_where_the_form_says_nothing_else(run):
    spec = run.spec()
    run.spec_path.write_text(spec.model_copy(update={"grpo": {**spec.grpo, "top_p": 0.9}}).to_yaml())
    found = sampling(run, temperature=0.5, max_completion_length=None, seed=3)
    assert type(found) is SamplingSettings
    assert (found.temperature, found.top_p, found.seed, found.max_completion_length) == (0.5, 0.9, 3, 12)


class TestShow:
    def test_nothing_is_drawn_twice(self, run):
        first = show("any", None, "", "", Look())
        *_, run_id, adapter, seen = first
        assert (run_id, adapter) == ("toy", "adapter")
        again = show("any", seen, run_id, adapter, Look())
        assert len(again) == len(first)
        assert all(isinstance(part, dict) and part.get("__type__") == "update" for part in again)

    def test_without_runs_it_leads_to_train(self, tmp_path):
        head = show("any", None, "", "", Look())[[part.name for part in PARTS].index("head")]
        assert 'data-page="train"' in head

    def test_an_id_that_leads_out_of_the_root_is_none(self, run):
        assert known("../toy", "", Look()).run is None
        assert known("toy", "../../x", Look()).adapter.name == "adapter"

    def test_a_run_that_is_gone_is_said_and_no_other_takes_its_place(self, run):
        *_, named, adapter, _ = shown = show("any", None, "deleted", "", Look())
        assert "There is no run deleted any more." in shown[[part.name for part in PARTS].index("head")]
        assert (named, adapter) == (gr.skip(), gr.skip())

    def test_a_run_whose_rows_are_gone_can_still_be_asked_and_taken_along(self, run, tmp_path):
        (tmp_path / "rows.jsonl").unlink()
        assert len(show("any", None, "toy", "", Look())) == len(PARTS) + 11
