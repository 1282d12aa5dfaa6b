"""openai_grader: graders in OpenAI's JSON, as people bring them."""

import json

import pytest
from pydantic import ValidationError

from rewards import declared
from rewards.declaration import Batch, RewardError

PROMPT = [{"role": "user", "content": "?"}]
TEXT, ANSWER = "{{sample.output_text}}", "{{ item.answer }}"


def scored(grader, completions, columns, **params):
    settings = {"grader": grader, **params}
    return declared("openai_grader", settings).score(Batch([PROMPT] * len(completions), completions, columns), settings)


def one(grader, completion, **columns):
    return scored(grader, [completion], {name: [value] for name, value in columns.items()})[0]


def check(operation, **more):
    return {"type": "string_check", "name": "n", "input": TEXT, "reference": ANSWER, "operation": operation, **more}


def similar(metric):
    return {"type": "text_similarity", "name": "n", "input": TEXT, "reference": ANSWER, "evaluation_metric": metric}


def judge(**more):
    message = {"role": "user", "content": f"Compare {TEXT} with {ANSWER}."}
    return {"type": "score_model", "name": "n", "model": "judge", "input": [message], **more}


class TestStringCheck:
    @pytest.mark.parametrize(
        ("operation", "completion", "score"),
        [
            ("eq", "Paris", 1.0),
            ("eq", "paris", 0.0),
            ("ne", "Paris", 0.0),
            ("ne", "Rome", 1.0),
            ("like", "It is Paris.", 1.0),
            ("like", "It is paris.", 0.0),
            ("ilike", "It is PARIS.", 1.0),
            ("ilike", "Rome", 0.0),
        ],
    )
    def test_operations(self, operation, completion, score):
        assert one(check(operation), completion, answer="Paris") == score


class TestTemplates:
    @pytest.mark.parametrize(
        ("reference", "completion", "columns"),
        [
            ("{{item.answer}}!", "4!", {"answer": 4}),
            ("{{ item.a.b[1].c }}", "x", {"a": {"b": [{}, {"c": "x"}]}}),
            ("{{item.list}}", '["ä", 1]', {"list": ["ä", 1]}),
            ("{{item.answer}}", "{{item.secret}}", {"answer": "{{item.secret}}", "secret": "no"}),
            ("plain {braces} {x}", "plain {braces} {x}", {}),
        ],
    )
    def test_they_are_filled_in_once(self, reference, completion, columns):
        assert one(check("eq", reference=reference), completion, **columns) == 1.0

    def test_a_completion_that_is_json_can_be_reached_into(self):
        grader = check("eq", input="{{sample.output_json.city.name}}")
        assert one(grader, '{"city": {"name": "Paris"}}', answer="Paris") == 1.0

    @pytest.mark.parametrize(
        ("grader", "completion", "reason"),
        [
            (check("eq", reference="{{item.gold}}"), "x", "the row has no 'gold'"),
            (check("eq", reference="{{item.answer[3]}}"), "x", "there is no item.answer[3] in this row"),
        ],
    )
    def test_what_the_row_lacks_is_an_error(self, grader, completion, reason):
        assert reason in str(one(grader, completion, answer="x"))

    @pytest.mark.parametrize("completion", ["no json", "{}", "", "[1]"])
    @pytest.mark.parametrize("operation", ["eq", "ne"])
    def test_what_the_completion_lacks_is_its_own_fault(self, completion, operation):
        assert one(check(operation, input="{{sample.output_json.a}}"), completion, answer="x") == 0.0

    @pytest.mark.parametrize(
        ("more", "lowest"),
        [({"range": [2, 5]}, 2.0), ({"type": "label_model", "labels": ["a", "b"], "passing_labels": ["a"]}, 0.0)],
    )
    def test_no_judge_is_asked_about_what_the_completion_lacks(self, more, lowest):
        grader = judge(**more, input=[{"role": "user", "content": "{{sample.output_json.a}}"}])
        found = scored(grader, ["no json", '{"a": 1}'], {}, dry_run="Score: 5" if "range" in more else "Label: a")
        assert found == [lowest, 5.0 if "range" in more else 1.0]

    def test_the_columns_that_they_name_are_needed(self):
        grader = check("eq", reference="{{item.a.b}} {{item.c}} {{item.a}}")
        assert declared("openai_grader", {"grader": grader}).columns == ("a", "c")


class TestTextSimilarity:
    @pytest.mark.parametrize(
        "metric", ["fuzzy_match", "bleu", "gleu", "rouge_1", "rouge_2", "rouge_3", "rouge_4", "rouge_5", "rouge_l"]
    )
    def test_the_same_text_is_1_another_is_0_and_a_part_between(self, metric):
        gold = "the quick brown fox jumps over the lazy dog"
        same, part, other, empty = scored(
            similar(metric), [gold, "the quick brown fox jumps over it", "zzz", ""], {"answer": [gold] * 4}
        )
        assert same == pytest.approx(1.0)
        assert 0.2 < part < 0.9
        assert other < 0.1
        assert empty == 0.0

    def test_very_long_texts_do_not_hang(self):
        assert one(similar("fuzzy_match"), "x" * 30_000, answer="x") == 0.0
        assert "characters are not compared" in str(one(similar("fuzzy_match"), "x", answer="x" * 30_000))

    @pytest.mark.parametrize("metric", ["cosine", "meteor"])
    def test_what_cannot_be_computed_here_is_refused(self, metric):
        with pytest.raises(ValidationError):
            declared("openai_grader", {"grader": similar(metric)})


class TestPython:
    def test_it_runs_in_the_sandbox(self):
        source = "def grade(sample: dict, item: dict) -> float:\n    return len(sample['output_text']) / item['n']"
        reward = declared("openai_grader", {"grader": {"type": "python", "name": "n", "source": source}})
        assert (reward.sandboxed, reward.timed) == (True, True)
        assert one({"type": "python", "source": source}, "ab", n=4) == 0.5

    def test_an_exception_is_an_error(self):
        source = "def grade(sample, item):\n    return open('/etc/passwd')"
        assert "PermissionError" in str(one({"type": "python", "source": source}, "ab"))

    def test_a_source_without_grade_is_named_before_anything_runs(self):
        with pytest.raises(RewardError, match="defines no 'grade'"):
            declared("openai_grader", {"grader": {"type": "python", "source": "def score(): pass"}})


class TestModels:
    """With `dry_run`: tests/rewards/test_llm_judge.py asks an endpoint."""

    @pytest.mark.parametrize(("answer", "score"), [("Fine. Score: 4", 4.0), ('{"score": 1}', 1.0)])
    def test_a_score_keeps_the_graders_own_scale(self, answer, score):
        assert scored(judge(range=[1, 5]), ["x"], {"answer": ["y"]}, dry_run=answer) == [score]

    def test_an_answer_off_the_scale_is_an_error(self):
        assert "off the scale" in str(scored(judge(), ["x"], {"answer": ["y"]}, dry_run="Score: 7")[0])

    def test_a_label_passes_or_not(self):
        grader = judge(type="label_model", labels=["good", "bad"], passing_labels=["good"])
        for answer, score in (("Because.\nLabel: good", 1.0), ("bad", 0.0)):
            assert scored(grader, ["x"], {"answer": ["y"]}, dry_run=answer) == [score]
        assert "none of the labels" in str(scored(grader, ["x"], {"answer": ["y"]}, dry_run="fine")[0])

    def test_passing_labels_must_be_labels(self):
        grader = judge(type="label_model", labels=["good"], passing_labels=["great"])
        with pytest.raises(RewardError, match="passing_labels must be among labels"):
            declared("openai_grader", {"grader": grader})

    def test_they_are_not_taken_for_deterministic(self):
        assert not declared("openai_grader", {"grader": judge()}).deterministic
        assert declared("openai_grader", {"grader": check("eq")}).deterministic

    def test_a_missing_column_is_an_error_of_its_own_completion(self):
        outcomes = scored(judge(), ["x", "y"], {"answer": [None, "y"]}, dry_run="Score: 1")
        assert [type(outcome) for outcome in outcomes] == [RewardError, float]


class TestMulti:
    def multi(self, formula, **graders):
        return {"type": "multi", "name": "n", "graders": graders, "calculate_output": formula}

    def test_a_formula_over_graders_with_their_power_sign(self):
        grader = self.multi("0.5 * a + max(b, 0.25) ^ 2", a=check("eq"), b=check("ne"))
        assert one(grader, "x", answer="x") == 0.5 + 0.0625

    def test_an_error_of_a_part_is_an_error_with_its_name(self):
        grader = self.multi("a", a=check("eq", reference="{{item.answer[3]}}"))
        assert str(one(grader, "x", answer="x")) == "a: there is no item.answer[3] in this row"

    def test_division_by_zero_is_an_error(self):
        assert "calculate_output has no value here" in str(one(self.multi("1 / a", a=check("ne")), "x", answer="x"))

    @pytest.mark.parametrize(
        ("formula", "reason"),
        [
            ("a + c", "calculate_output names c; the graders are a"),
            ("a +", "is no formula"),
            ("exec(a)", "not allowed"),
        ],
    )
    def test_a_formula_that_cannot_work_is_named_before_anything_runs(self, formula, reason):
        with pytest.raises(RewardError) as raised:
            declared("openai_grader", {"grader": self.multi(formula, a=check("eq"))})
        assert reason in str(raised.value)


@pytest.mark.parametrize(
    "grader",
    [
        {"type": "string_check", "input": TEXT, "reference": "x", "operation": "startswith"},
        {"type": "nothing"},
        {"type": "string_check"},
        "not json",
        3,
    ],
)
def test_what_is_no_grader_is_refused(grader):
    with pytest.raises(ValidationError):
        declared("openai_grader", {"grader": grader})


def test_a_range_runs_from_the_lowest_score_to_the_highest():
    with pytest.raises(ValidationError, match=r"the range \[5, 0\] runs from"):
        declared("openai_grader", {"grader": judge(range=[5, 0])})


def test_a_part_of_the_sample_that_does_not_exist_is_refused():
    with pytest.raises(RewardError, match="names no part of a sample"):
        declared("openai_grader", {"grader": check("eq", reference="{{sample.outputtext}}")})


def test_a_template_that_is_none_is_refused():
    with pytest.raises(RewardError, match="is no template"):
        declared("openai_grader", {"grader": check("eq", reference="{{answer}}")})


def test_a_grader_may_come_as_json_text():
    assert one(json.dumps(check("eq")), "Paris", answer="Paris") == 1.0
