"""Asking a judge: what is sent, what is tried again, what is kept, and that the key stays where it is."""

import contextlib
import json
import logging
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from pretend_judge import Reply, says
from pydantic import TypeAdapter, ValidationError

from core.cache import cache_dir
from rewards import chat_endpoint
from rewards.chat_endpoint import HIDDEN, ApiKeyEnv, BaseUrl, Endpoint, ExtraBody, Question, ask, judge_folder
from rewards.declaration import RewardError

SECRET = "sk-proj-aBcDeF123456wxyz"  # its end is no number of an object, which a log may hold


@pytest.fixture
def endpoint(judge):
    def make(**settings):
        usual = {
            "base_url": judge.url,
            "model": "m",
            "api_key_env": "",
            "temperature": 0.0,
            "max_tokens": 50,
            "extra_body": {},
            "concurrency": 4,
            "retries": 2,
            "timeout": 5.0,
            "cache": True,
        }
        return Endpoint(**{**usual, **settings})

    return make


def same(answer):
    return answer


def refuse(answer):
    raise RewardError("not to be used")


def questions(*texts, read=same):
    return [Question((text,), read) for text in texts]


def usage():
    return [json.loads(line) for line in (judge_folder() / "usage.jsonl").read_text().splitlines()]


def everything_on_disk(folder):
    return "".join(path.read_text() for path in folder.rglob("*") if path.is_file())


class TestRequest:
    def test_it_is_a_chat_completion_of_one_user_message(self, judge, endpoint):
        assert ask(endpoint(), questions("Is it?")) == ["Score: 5"]
        assert judge.paths == ["/v1/chat/completions"]
        message = {"role": "user", "content": "Is it?"}
        assert judge.requests == [{"model": "m", "messages": [message], "temperature": 0.0, "max_tokens": 50}]

    def test_a_slash_at_the_end_of_the_address_changes_nothing(self, judge, endpoint):
        ask(endpoint(base_url=f"{judge.url}/"), questions("a"))
        assert judge.paths == ["/v1/chat/completions"]

    def test_what_is_null_is_not_sent_and_more_fields_are(self, judge, endpoint):
        more = {"max_completion_tokens": 9, "reasoning_effort": "low"}
        ask(endpoint(temperature=None, max_tokens=None, extra_body=more), questions("a"))
        assert judge.requests[0].keys() == {"model", "messages", "max_completion_tokens", "reasoning_effort"}

    def test_the_marker_is_another_one_in_every_request(self, judge, endpoint):
        ask(endpoint(cache=False), [Question(("<", ">x</", ">"), same, n) for n in range(3)])
        markers = {text.partition(">")[0] for text in judge.asked}
        assert len(markers) == 3
        assert all(len(marker) == 17 for marker in markers)
        assert all(text == f"{(marker := text.partition('>')[0])}>x</{marker[1:]}>" for text in judge.asked)

    def test_questions_that_are_the_same_are_asked_once_and_answered_in_order(self, judge, endpoint):
        judge.replies = lambda text: says(text.upper())
        assert ask(endpoint(), questions("a", "b", "a")) == ["A", "B", "A"]
        assert sorted(judge.asked) == ["a", "b"]

    def test_as_many_are_under_way_as_were_asked_for(self, judge, endpoint):
        judge.replies = [Reply(says("x").body, wait=0.05)]
        ask(endpoint(concurrency=3), questions(*"abcdefghi"))
        assert judge.busiest == 3

    def test_nothing_is_asked_where_there_is_no_question(self, judge, endpoint):
        assert ask(endpoint(), []) == []
        assert not (judge_folder() / "usage.jsonl").exists()

    def test_threads_may_ask_at_the_same_time(self, judge, endpoint):
        judge.replies = lambda text: says(text.upper())
        found = {}

        def one(name):
            found[name] = ask(endpoint(), questions(name))

        threads = [threading.Thread(target=one, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == {name: [name.upper()] for name in "abcd"}


class TestTryingAgain:
    @pytest.mark.parametrize(
        "fault",
        [
            Reply({"error": {"message": "slow down"}}, 429),
            Reply("", 500),
            Reply("<html>Bad gateway</html>", 502),
            Reply("busy", 503),
            Reply("overloaded", 529),
            Reply(None),
        ],
        ids=["429", "500", "502", "503", "529", "connection lost"],
    )
    def test_a_passing_fault_costs_nothing_but_time(self, judge, endpoint, fault):
        judge.replies = [fault, fault, says("at last")]
        assert ask(endpoint(), questions("a")) == ["at last"]
        assert len(judge.requests) == 3

    def test_an_answer_that_takes_too_long_is_asked_for_again(self, judge, endpoint):
        judge.replies = [Reply(says("late").body, wait=2), says("in time")]
        assert ask(endpoint(timeout=0.2), questions("a")) == ["in time"]

    def test_an_answer_that_drips_in_takes_too_long_too(self, judge, endpoint):
        judge.replies = [Reply(says("late").body, drip=0.05)]
        (found,) = ask(endpoint(timeout=0.2, retries=0), questions("a"))
        assert "no answer within 0.2 s, 1 time;" in str(found)

    def test_a_fault_that_stays_is_an_error_of_its_question_alone(self, judge, endpoint):
        judge.replies = lambda text: Reply("it broke", 500) if text == "b" else says("fine")
        a, b, c = ask(endpoint(), questions("a", "b", "c"))
        assert (a, c) == ("fine", "fine")
        assert str(b) == "the judge gave HTTP 500: it broke, 3 times; check base_url and the server"

    def test_a_server_that_is_not_there_is_an_error_that_says_so(self, endpoint):
        (found,) = ask(endpoint(base_url="http://127.0.0.1:9/v1", retries=1), questions("a"))
        assert "ConnectError" in str(found)

    @pytest.mark.parametrize("status", [400, 404, 422])
    def test_a_refusal_is_not_tried_again_and_shows_what_the_server_says(self, judge, endpoint, status):
        judge.replies = [Reply({"error": {"message": "max_tokens is not supported"}}, status)]
        (found,) = ask(endpoint(), questions("a"))
        assert f"HTTP {status}: max_tokens is not supported" in str(found)
        assert len(judge.requests) == 1

    def test_a_redirection_is_not_followed(self, judge, endpoint):
        judge.replies = [Reply("", 307, {"Location": f"{judge.url}/elsewhere"})]
        (found,) = ask(endpoint(), questions("a"))
        assert "HTTP 307" in str(found)
        assert judge.paths == ["/v1/chat/completions"]

    def test_the_endpoint_says_how_long_to_wait(self, judge, endpoint):
        judge.replies = [Reply("", 429, {"Retry-After": "0.4"}), says("now")]
        start = time.monotonic()
        assert ask(endpoint(), questions("a")) == ["now"]
        assert time.monotonic() - start >= 0.4

    def test_a_wait_beyond_the_time_of_the_batch_is_an_error_at_once(self, judge, endpoint):
        judge.replies = [Reply("quota used up", 429, {"Retry-After": "86400"})]
        start = time.monotonic()
        (found,) = ask(endpoint(), questions("a"))
        assert "quota used up" in str(found)
        assert "no time is left to wait 86400 s" in str(found)
        assert time.monotonic() - start < 5

    def test_when_time_is_up_the_answers_that_came_count(self, judge, endpoint, monkeypatch):
        monkeypatch.setattr(chat_endpoint, "DEADLINE", 0.5)
        judge.replies = lambda text: Reply(says("fine").body, wait=3 if text == "b" else 0)
        start = time.monotonic()
        a, b, c = ask(endpoint(), questions("a", "b", "c"))
        assert (a, c) == ("fine", "fine")
        assert "within 0.5 s" in str(b)
        assert time.monotonic() - start < 2.5

    @pytest.mark.parametrize(
        ("value", "seconds"),
        [
            ("3", 3),
            ("0.5", 0.5),
            ("-2", 0),
            ("", 0),
            ("soon", 0),
            ("nan", 0),
            ("inf", 0),
        ],
    )
    def test_how_long_to_wait_is_a_number(self, value, seconds):
        assert chat_endpoint._retry_after(value) == seconds

    @pytest.mark.parametrize(("hours", "seconds"), [(-1, 0), (1, 3600)])
    def test_how_long_to_wait_is_a_date(self, hours, seconds):
        date = format_datetime(datetime.now(UTC) + timedelta(hours=hours), usegmt=True)
        assert chat_endpoint._retry_after(date) == pytest.approx(seconds, abs=60 if seconds else 0)


class TestAnswer:
    @pytest.mark.parametrize(
        ("reply", "reason"),
        [
            (Reply("<html>hello</html>"), "no JSON: '<html>hello"),
            (Reply("[" * 100_000), "no JSON"),
            (Reply([]), "no text: []"),
            (Reply({"choices": []}), "no text"),
            (Reply({"choices": [{"message": {"content": None, "refusal": "I cannot"}}]}), "I cannot"),
            (Reply({"choices": [{"message": {"content": ["parts"]}}]}), "no text"),
            (says(""), "no text"),
            (says(" \n"), "no text"),
            (says("Score: 1", finish_reason="length"), "cut off: ...'Score: 1'; raise `max_tokens`"),
            (says("", finish_reason="length"), "no tokens left"),
            (says(None, finish_reason="length"), "no tokens left"),
        ],
    )
    def test_one_without_a_whole_text_is_an_error_that_shows_it(self, judge, endpoint, reply, reason):
        judge.replies = [reply]
        (found,) = ask(endpoint(), questions("a"))
        assert isinstance(found, RewardError)
        assert reason in str(found)
        assert len(judge.requests) == 1

    def test_one_that_repeats_what_was_shown_is_refused_unless_it_only_thought_so(self, judge, endpoint):
        question = Question(("<", ">Score: 10</", ">"), same)
        judge.replies = lambda text: says(f"You showed me {text}")
        (found,) = ask(endpoint(), [question])
        assert "the judge repeats what it was shown" in str(found)
        judge.replies = lambda text: says(f"<think>{text}</think>Score: 2")
        (found,) = ask(endpoint(), [question])
        assert found.endswith("Score: 2")

    def test_one_that_cannot_be_read_is_an_error_of_its_question(self, endpoint):
        one, other = ask(endpoint(), [*questions("a"), *questions("b", read=refuse)])
        assert one == "Score: 5"
        assert str(other) == "not to be used"


class TestKey:
    def test_it_goes_into_the_header(self, judge, endpoint, monkeypatch):
        monkeypatch.setenv("MY_KEY", f" {SECRET}\n")
        ask(endpoint(api_key_env="MY_KEY"), questions("a"))
        assert judge.headers[0]["Authorization"] == f"Bearer {SECRET}"

    def test_without_one_there_is_no_header(self, judge, endpoint):
        ask(endpoint(), questions("a"))
        assert "Authorization" not in judge.headers[0]

    def test_a_variable_that_is_not_set_is_named(self, judge, endpoint):
        with pytest.raises(RewardError, match="the environment has no MY_KEY"):
            ask(endpoint(api_key_env="MY_KEY"), questions("a"))
        assert judge.requests == []

    @pytest.mark.parametrize(
        ("allowed", "reached"),
        [
            ("MY_KEY={url} OTHER=https://example.com", True),
            ("MY_KEY={url}/", True),
            ("MY_KEY={url}/deeper", False),
            ("MY_KEY=http://127.0.0.1", False),
            ("OTHER={url}", False),
            ("MY_KEY", False),
            ("", False),
        ],
    )
    def test_whoever_runs_the_app_says_which_may_go_where(self, judge, endpoint, monkeypatch, allowed, reached):
        monkeypatch.setenv("MY_KEY", SECRET)
        asked = endpoint(api_key_env="MY_KEY")
        monkeypatch.setenv("SIGNALBOX_JUDGE_KEYS", allowed.format(url=asked.base_url))
        with contextlib.nullcontext() if reached else pytest.raises(RewardError, match="MY_KEY may not be sent"):
            ask(asked, questions("a"))
        assert bool(judge.requests) == reached

    def test_on_a_space_none_is_sent_that_is_not_allowed(self, judge, endpoint, monkeypatch):
        monkeypatch.setenv("MY_KEY", SECRET)
        monkeypatch.setenv("SPACE_ID", "someone/signalbox")
        with pytest.raises(RewardError, match="SIGNALBOX_JUDGE_KEYS"):
            ask(endpoint(api_key_env="MY_KEY"), questions("a"))
        assert judge.requests == []

    @pytest.mark.parametrize("value", [f"{SECRET}\nX-Other: 1", f"{SECRET} x", f"{SECRET}é"])
    def test_one_that_no_header_can_hold_is_not_shown(self, judge, endpoint, monkeypatch, value):
        monkeypatch.setenv("MY_KEY", value)
        with pytest.raises(RewardError, match="what MY_KEY holds is no key") as caught:
            ask(endpoint(api_key_env="MY_KEY"), questions("a"))
        assert SECRET not in str(caught.value)

    @pytest.mark.parametrize(
        "reply",
        [
            Reply({"error": {"message": f"Incorrect key {SECRET[:8]}***{SECRET[-4:]}"}}, 401),
            Reply({"error": {"message": f"bad header Bearer {SECRET}"}}, 400),
            Reply(f"echo {SECRET}", 500),
            Reply(f"echo {SECRET}"),
            Reply({"echo": SECRET}),
            Reply(None),
            says("fine"),
        ],
        ids=["401", "400", "500", "no JSON", "no text", "connection lost", "fine"],
    )
    def test_it_is_in_no_message_no_log_and_no_file(self, judge, endpoint, monkeypatch, caplog, reply):
        monkeypatch.setenv("MY_KEY", SECRET)
        caplog.set_level(logging.DEBUG)
        judge.replies = [reply]
        found = ask(endpoint(api_key_env="MY_KEY", retries=1), questions("a"))
        seen = f"{found}{[str(value) for value in found]}{caplog.text}{everything_on_disk(cache_dir())}"
        assert judge.headers[0]["Authorization"].endswith(SECRET)
        assert "127.0.0.1" in caplog.text, "the log is looked at"
        assert usage()
        for part in (SECRET, SECRET[:8], SECRET[-4:]):
            assert part not in seen

    @pytest.mark.parametrize("pasted", [SECRET, "hf_abc", "MY-KEY", "my_key", 12345])
    def test_a_key_in_place_of_its_name_is_refused_and_not_shown(self, pasted):
        with pytest.raises(ValidationError) as caught:
            TypeAdapter(ApiKeyEnv).validate_python(pasted)
        assert [error["input"] for error in caught.value.errors()] == [HIDDEN]
        assert str(pasted) not in str(caught.value)

    @pytest.mark.parametrize("address", [f"https://me:{SECRET}@host/v1", f"https://host/v1?key={SECRET}"])
    def test_so_is_one_in_the_address(self, address):
        with pytest.raises(ValidationError) as caught:
            TypeAdapter(BaseUrl).validate_python(address)
        assert SECRET not in str(caught.value)
        assert "https:" in str(caught.value)

    @pytest.mark.parametrize("address", ["http://127.0.0.1:8000/v1", "https://api.example.org/v1/"])
    def test_an_address_without_one_is_fine(self, address):
        assert TypeAdapter(BaseUrl).validate_python(address) == address

    @pytest.mark.parametrize("address", ["ftp://host", "host/v1", "", "file:///etc/passwd"])
    def test_an_address_is_http(self, address):
        with pytest.raises(ValidationError):
            TypeAdapter(BaseUrl).validate_python(address)


@pytest.mark.parametrize("name", ["messages", "model", "n", "stream"])
def test_fields_that_are_set_here_cannot_be_set_again(name):
    with pytest.raises(ValidationError, match=f"{name} cannot be set here"):
        TypeAdapter(ExtraBody).validate_python({name: 1})


class TestCache:
    def test_it_lies_in_the_cache_folder(self, monkeypatch, tmp_path):
        assert judge_folder() == cache_dir() / "judge"
        monkeypatch.delenv("SIGNALBOX_CACHE")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
        assert judge_folder() == cache_dir() / "judge"
        monkeypatch.delenv("XDG_CACHE_HOME")
        monkeypatch.setenv("HOME", str(tmp_path))
        assert judge_folder() == cache_dir() / "judge" == tmp_path / ".cache/signalbox/judge"

    def test_what_was_answered_is_not_asked_again(self, judge, endpoint):
        judge.replies = [says("one"), says("two")]
        assert [ask(endpoint(), questions("a")) for _ in range(2)] == [["one"], ["one"]]
        assert len(judge.requests) == 1

    @pytest.mark.parametrize(
        "change",
        [{"model": "other"}, {"temperature": 1.0}, {"max_tokens": 9}, {"extra_body": {"seed": 1}}],
        ids=lambda change: next(iter(change)),
    )
    def test_another_way_to_ask_is_another_question(self, judge, endpoint, change):
        ask(endpoint(), questions("a"))
        ask(endpoint(**change), questions("a"))
        assert len(judge.requests) == 2

    def test_another_endpoint_is_another_question(self, endpoint):
        ask(endpoint(), questions("a"))
        (found,) = ask(endpoint(base_url="http://127.0.0.1:9/v1", retries=0), questions("a"))
        assert isinstance(found, RewardError)

    def test_how_patiently_one_asks_does_not_matter(self, judge, endpoint):
        ask(endpoint(), questions("a"))
        ask(endpoint(retries=0, timeout=1, concurrency=1), questions("a"))
        assert len(judge.requests) == 1

    def test_content_sample_and_joints_tell_questions_apart(self, judge, endpoint):
        different = [(("ab",), 0), (("ab",), 1), (("a", "b"), 0), (("a", "", "b"), 0)]
        ask(endpoint(), [Question(parts, same, sample) for parts, sample in different])
        assert len(judge.requests) == 4

    def test_no_key_is_needed_for_what_is_known(self, judge, endpoint, monkeypatch):
        monkeypatch.setenv("MY_KEY", SECRET)
        ask(endpoint(api_key_env="MY_KEY"), questions("a"))
        monkeypatch.delenv("MY_KEY")
        assert ask(endpoint(api_key_env="MY_KEY"), questions("a")) == ["Score: 5"]

    def test_it_can_be_left_out(self, judge, endpoint):
        ask(endpoint(), questions("a"))
        ask(endpoint(cache=False), questions("a"))
        assert len(judge.requests) == 2

    def test_an_answer_that_is_not_to_be_used_is_not_kept(self, judge, endpoint):
        ask(endpoint(), questions("a", read=refuse))
        assert ask(endpoint(), questions("a")) == ["Score: 5"]
        assert len(judge.requests) == 2

    @pytest.mark.parametrize("broken", ["", "{", "[]", "null", '{"answer": 5}', '{"model": "m"}'])
    def test_a_broken_file_is_asked_for_again_and_mended(self, judge, endpoint, broken):
        ask(endpoint(), questions("a"))
        (file,) = (judge_folder() / "answers").rglob("*.json")
        file.write_text(broken)
        assert ask(endpoint(), questions("a")) == ["Score: 5"]
        assert json.loads(file.read_text())["answer"] == "Score: 5"
        assert [path.name for path in file.parent.iterdir()] == [file.name]

    def test_a_folder_that_cannot_be_written_costs_no_score(self, judge, endpoint, home, monkeypatch):
        (home / "file").write_text("")
        monkeypatch.setenv("SIGNALBOX_CACHE", str(home / "file"))
        assert ask(endpoint(), questions("a")) == ["Score: 5"]


class TestUsage:
    def test_every_batch_adds_a_line_with_what_it_asked_and_cost(self, judge, endpoint):
        judge.replies = lambda text: Reply("", 400) if text == "b" else says("fine")
        ask(endpoint(), questions("a", "b", "a"))
        ask(endpoint(), questions("a"))
        first, second = usage()
        assert datetime.fromisoformat(first.pop("time")) <= datetime.now(UTC)
        assert first == {
            "base_url": judge.url,
            "model": "m",
            "questions": 2,
            "cached": 0,
            "requests": 2,
            "failed": 1,
            "prompt_tokens": 100,
            "completion_tokens": 10,
            "uncounted": 0,
        }
        assert (second["questions"], second["cached"], second["requests"], second["prompt_tokens"]) == (1, 1, 0, 0)

    def test_tokens_of_an_answer_that_is_not_to_be_used_were_paid_for_too(self, judge, endpoint):
        ask(endpoint(), questions("a", read=refuse))
        assert (usage()[0]["prompt_tokens"], usage()[0]["failed"]) == (100, 1)

    def test_tries_count_as_requests(self, judge, endpoint):
        judge.replies = [Reply("", 500), says("fine")]
        ask(endpoint(), questions("a"))
        assert (usage()[0]["requests"], usage()[0]["failed"]) == (2, 0)

    @pytest.mark.parametrize("told", [None, "many", {"prompt_tokens": None}, {"prompt_tokens": "5"}])
    def test_answers_without_a_count_are_counted(self, judge, endpoint, told):
        judge.replies = [says("fine", usage=told)]
        assert ask(endpoint(), questions("a")) == ["fine"]
        assert (usage()[0]["uncounted"], usage()[0]["prompt_tokens"]) == (1, 0)
