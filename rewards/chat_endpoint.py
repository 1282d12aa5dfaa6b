"""Asks a chat model at any OpenAI-compatible endpoint: what the rewards share that are judged by a model.

Questions of a batch are sent side by side. What passes (too many requests, a fault of the server, a lost connection) is
tried again, and a question without a usable answer is an error of its own. An answer that could be used is kept on
disk, so that a resumed or repeated run does not pay for it twice: under `judge/answers/` of the cache folder, with the
judge's own words. Every batch adds a line to `judge/usage.jsonl` there: what was asked, answered from disk, and its
tokens.

The key is read from the environment when it is needed and goes into one header of requests to this endpoint; it is in
no file and in no message, and redirects are not followed. A spec from a stranger can name any endpoint and variable. So
whoever runs the app can say which key may go where: SIGNALBOX_JUDGE_KEYS="OPENAI_API_KEY=https://api.openai.com/v1
OTHER_KEY=http://127.0.0.1:8000/v1" allows these and no others. On a Hugging Face Space, where strangers write specs,
none is allowed unless it is named there; elsewhere all are while the variable is not set.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import random
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field

from rewards.declaration import RewardError
from rewards.rubric import Parts
from rewards.text import shown

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

NOBODY = {"base_url": "http://127.0.0.1:8000/v1", "model": "judge"}  # of worked examples, which ask nobody
TIME_LIMIT = 600.0  # seconds that a batch may take before its process is ended, and all its scores with it
DEADLINE = 570.0  # seconds after which the questions still open are errors of their own
FIRST_WAIT = 1.0  # seconds before the second try; twice as long before each further one
LONGEST_WAIT = 60.0
TRY_AGAIN = (408, 429)  # and whatever is 500 or more
RESERVED = ("messages", "model", "n", "stream")
ENVIRONMENT_NAME = re.compile(r"(?:[A-Z][A-Z0-9_]*)?")
KEYS = "SIGNALBOX_JUDGE_KEYS"
HIDDEN = "(what was given is not shown, since it may be a key)"


def _name_or_hidden(value: Any) -> str:
    """Keys are pasted where their names belong, and a complaint shows what it complains of."""
    return value if isinstance(value, str) and ENVIRONMENT_NAME.fullmatch(value) else HIDDEN


def _without_password(value: Any) -> Any:
    """The same for a password or a query in an address."""
    return re.sub(r"//[^/]*@|\?.*", HIDDEN, value) if isinstance(value, str) else value


def _not_reserved(body: dict[str, Any]) -> dict[str, Any]:
    if taken := [name for name in RESERVED if name in body]:
        raise ValueError(f"{', '.join(taken)} cannot be set here")
    return body


BaseUrl = Annotated[
    str,
    BeforeValidator(_without_password),
    Field(pattern=r"^https?://[^\s@?#()]+$", description="The endpoint's address up to /v1, without any key in it"),
]
Model = Annotated[str, Field(min_length=1, description="The judge's name at the endpoint")]
ApiKeyEnv = Annotated[
    str,
    BeforeValidator(_name_or_hidden),
    Field(
        pattern="^([A-Z][A-Z0-9_]*)?$",
        description="NAME of the environment variable that holds the key, such as OPENAI_API_KEY; empty: no key",
    ),
]
Temperature = Annotated[float | None, Field(ge=0, le=2, description="Of the judge's sampling; null: not sent")]
MaxTokens = Annotated[
    int | None, Field(ge=1, description="Longest answer; one that is cut off is an error; null: not sent")
]
ExtraBody = Annotated[
    dict[str, Any],
    AfterValidator(_not_reserved),
    Field(description="More fields of the request, such as {max_completion_tokens: 2000} or {reasoning_effort: low}"),
]
Concurrency = Annotated[int, Field(ge=1, le=256, description="Requests at a time, in each of two scoring processes")]
Retries = Annotated[int, Field(ge=0, le=20, description="Further tries after 429, 5xx, a timeout or a lost connection")]
Timeout = Annotated[float, Field(gt=0, le=DEADLINE, description="Seconds that one request may take")]
Cache = Annotated[bool, Field(description="Keep answers on disk, and take from there what was asked before")]


@dataclass(frozen=True)
class Question(Generic[T]):
    """What the judge is asked, as one user message.

    Attributes:
        parts: the text, with a marker at every joint; see `rewards.rubric`.
        read: makes of an answer what is wanted; RewardError where it is not to be used.
        sample: tells questions apart that are asked several times.
    """

    parts: Parts
    read: Callable[[str], T]
    sample: int = 0


@dataclass(frozen=True)
class Endpoint:
    """Where and how to ask; the attributes are the parameters of the same name above."""

    base_url: str
    model: str
    api_key_env: str
    temperature: float | None
    max_tokens: int | None
    extra_body: Mapping[str, Any]
    concurrency: int
    retries: int
    timeout: float
    cache: bool

    def body(self, content: str) -> dict[str, Any]:
        """A request."""
        optional = {"temperature": self.temperature, "max_tokens": self.max_tokens}
        return {
            "model": self.model,
            "messages": [{"role": "user", "content": content}],
            **{name: value for name, value in optional.items() if value is not None},
            **self.extra_body,
        }

    def key(self, question: Question[Any]) -> str:
        """What an answer is kept under: endpoint, model, settings and content, but not the marker."""
        asked = [1, self.base_url, self.body(""), question.parts, question.sample]
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


@dataclass
class Usage:
    """What a batch cost.

    Attributes:
        questions: different ones.
        cached: of these, how many had their answer on disk.
        requests: sent, further tries included.
        failed: questions without a usable answer.
        prompt_tokens: that the endpoint counted, of unusable answers too.
        completion_tokens: likewise.
        uncounted: answers that came without a count.
    """

    questions: int = 0
    cached: int = 0
    requests: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    uncounted: int = 0


def ask(endpoint: Endpoint, questions: Sequence[Question[T]]) -> list[T | RewardError]:
    """What each answer says, in order; questions that are the same are asked once.

    Raises:
        RewardError: the key is missing.
    """
    call = _Call(endpoint)
    keys = [endpoint.key(question) for question in questions]
    wanted = dict(zip(keys, questions, strict=True))
    found: dict[str, Any] = {}  # key -> T | RewardError
    if endpoint.cache:
        found.update((key, value) for key, asked in wanted.items() if (value := call.kept(key, asked)) is not None)
    call.usage.questions, call.usage.cached = len(wanted), len(found)
    left = {key: question for key, question in wanted.items() if key not in found}
    try:
        found |= asyncio.run(call.all(left)) if left else {}
        call.usage.failed = sum(isinstance(value, RewardError) for value in found.values())
    finally:
        if wanted:
            call.record()
    return [found[key] for key in keys]


def judge_folder() -> Path:
    """Where answers and usage are kept: in the cache folder, as `core.cache` has it (rewards may not import it)."""
    named = os.environ.get("SIGNALBOX_CACHE")
    parent = os.environ.get("XDG_CACHE_HOME")
    return (Path(named) if named else Path(parent or "~/.cache").expanduser() / "signalbox") / "judge"


class _Call:
    """One batch of questions on its way."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.usage = Usage()
        self._endpoint = endpoint
        self._folder = judge_folder()
        self._secret = ""

    async def all(self, questions: Mapping[str, Question[Any]]) -> dict[str, Any]:
        """Ask all, by key; when the deadline comes, what is there counts."""
        import httpx

        self._secret = _secret(self._endpoint.api_key_env, self._endpoint.base_url)
        self._gate = asyncio.Semaphore(self._endpoint.concurrency)
        self._end = asyncio.get_running_loop().time() + DEADLINE
        headers = {"Authorization": f"Bearer {self._secret}"} if self._secret else {}
        limits = httpx.Limits(max_connections=self._endpoint.concurrency)
        async with httpx.AsyncClient(headers=headers, limits=limits, timeout=None) as client:
            tasks = {key: asyncio.create_task(self._one(client, key, question)) for key, question in questions.items()}
            _, late = await asyncio.wait(tasks.values(), timeout=DEADLINE)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        too_late = RewardError(f"no answer from the judge within {DEADLINE:g} s; raise `concurrency`, or ask less")
        return {key: too_late if task.cancelled() else task.result() for key, task in tasks.items()}

    async def _one(self, client: httpx.AsyncClient, key: str, question: Question[T]) -> T | RewardError:
        """One question's answer, read, and kept where it can be used."""
        try:
            async with self._gate:
                answer = await self._answer(client, question)
            value = question.read(answer)
        except RewardError as error:
            return error
        if self._endpoint.cache:
            self._keep(key, answer)
        return value

    async def _answer(self, client: httpx.AsyncClient, question: Question[Any]) -> str:
        """Ask until there is an answer. Waiting keeps the question's place, so that a throttled endpoint gets less."""
        loop = asyncio.get_running_loop()
        marker = secrets.token_hex(8)
        content = marker.join(question.parts)
        for tried in range(self._endpoint.retries + 1):
            answer, problem, wished = await self._try(client, content)
            if answer is not None and marker in answer.rpartition("</think>")[2]:
                raise RewardError("the judge repeats what it was shown, so its verdict may be one of a completion")
            if answer is not None:
                return answer
            wait = max(wished, min(LONGEST_WAIT, FIRST_WAIT * 2**tried) * random.uniform(0.5, 1))
            if tried == self._endpoint.retries:
                break
            if loop.time() + wait > self._end:
                raise RewardError(f"the judge gave {problem}, and no time is left to wait {wait:.0f} s and ask again")
            await asyncio.sleep(wait)
        tries = self._endpoint.retries + 1
        raise RewardError(f"the judge gave {problem}, {tries} time{'s' * (tries > 1)}; check base_url and the server")

    async def _try(self, client: httpx.AsyncClient, content: str) -> tuple[str | None, str, float]:
        """An answer, or what went wrong and how many seconds the endpoint wishes us to wait.

        Raises:
            RewardError: trying again would not help.
        """
        import httpx

        self.usage.requests += 1
        url = f"{self._endpoint.base_url.rstrip('/')}/chat/completions"
        try:
            async with asyncio.timeout(self._endpoint.timeout):  # httpx's own limits are by read, not for the whole
                response = await client.post(url, json=self._endpoint.body(content))
        except TimeoutError:
            return None, f"no answer within {self._endpoint.timeout:g} s", 0.0
        except httpx.RequestError as error:
            return None, self._safe(f"no answer ({type(error).__name__}: {error})"), 0.0
        if response.status_code == 200:
            return self._text(response), "", 0.0
        problem = self._safe(f"HTTP {response.status_code}{_reason(response)}")
        if response.status_code not in TRY_AGAIN and response.status_code < 500:
            raise RewardError(f"the judge gave {problem}; check base_url, model, key and the fields of the request")
        return None, problem, _retry_after(response.headers.get("Retry-After", ""))

    def _text(self, response: httpx.Response) -> str:
        """The text of an answer that came in full; its tokens are counted in any case."""
        try:
            document = response.json()
        except (ValueError, RecursionError):
            self.usage.uncounted += 1
            raise RewardError(self._safe(f"the judge's endpoint gave no JSON: {shown(response.text)}")) from None
        self._count(document)
        match document:
            case {"choices": [{"message": {"content": str(text)}, **rest}, *_]} if text.strip():
                if rest.get("finish_reason") == "length":
                    raise RewardError(f"the judge's answer was cut off: ...{text[-80:]!r}; raise `max_tokens`")
                return text
            case {"choices": [{"finish_reason": "length"}, *_]}:
                raise RewardError("the judge had no tokens left for an answer; raise `max_tokens`")
        raise RewardError(self._safe(f"the judge's endpoint gave no text: {json.dumps(document):.200}"))

    def _count(self, document: Any) -> None:
        match document:
            case {"usage": {"prompt_tokens": int(asked), "completion_tokens": int(answered)}}:
                self.usage.prompt_tokens += asked
                self.usage.completion_tokens += answered
            case _:
                self.usage.uncounted += 1

    def _safe(self, text: str) -> str:
        """A message without the key: an endpoint may give back what it was sent."""
        return text.replace(self._secret, "***") if self._secret else text

    def _path(self, key: str) -> Path:
        return self._folder / "answers" / key[:2] / f"{key}.json"

    def kept(self, key: str, question: Question[T]) -> T | None:
        """What an answer on disk says; a file that is missing, broken or no longer readable is none."""
        try:
            answer = json.loads(self._path(key).read_text(encoding="utf-8"))["answer"]
            return question.read(answer) if isinstance(answer, str) else None
        except (OSError, ValueError, TypeError, KeyError, RewardError):
            return None

    def _keep(self, key: str, answer: str) -> None:
        """A file of its own for each answer, moved into place whole; where that fails, it will be asked again."""
        path = self._path(key)
        scratch = path.with_name(f"{key}.{os.getpid()}.{secrets.token_hex(4)}")
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            scratch.write_text(json.dumps({"model": self._endpoint.model, "answer": answer}), encoding="utf-8")
            scratch.replace(path)

    def record(self) -> None:
        """A line for this batch; short enough to be appended whole by several processes."""
        where = {"base_url": self._endpoint.base_url[:500], "model": self._endpoint.model[:500]}
        line = {"time": datetime.now(UTC).isoformat(timespec="seconds"), **where, **asdict(self.usage)}
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            with (self._folder / "usage.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")


def _secret(name: str, base_url: str) -> str:
    """The key in an environment variable; what is wrong with it is said without showing it."""
    if not name:
        return ""
    _check_allowed(name, base_url)
    secret = os.environ.get(name, "").strip()
    if not secret:
        raise RewardError(f"the environment has no {name}, which api_key_env names; set it where the app is started")
    if not re.fullmatch("[!-~]+", secret):
        raise RewardError(f"what {name} holds is no key: it has spaces, line ends or letters beyond ASCII")
    return secret


def key_is_named(name: str, base_url: str) -> bool:
    """Whether whoever runs the app has named this key as one that may go to this endpoint."""
    allowed = [pair.partition("=")[::2] for pair in os.environ.get(KEYS, "").split()]
    return any(name == key and (base_url + "/").startswith(at.rstrip("/") + "/") for key, at in allowed if at)


def _check_allowed(name: str, base_url: str) -> None:
    """RewardError where whoever runs the app has not allowed this key for this endpoint; see the module's docstring."""
    if KEYS not in os.environ and "SPACE_ID" not in os.environ:
        return
    if not key_is_named(name, base_url):
        raise RewardError(
            f"the key {name} may not be sent to {base_url} here; whoever runs the app allows it with the environment "
            f"variable {KEYS}, such as {KEYS}='OPENAI_API_KEY=https://api.openai.com/v1'"
        )


def _reason(response: httpx.Response) -> str:
    """What a refusal says, cut short; nothing of one about the key, which may repeat a part of it."""
    if response.status_code in (401, 403):
        return " (the key was not accepted)"
    try:
        match response.json():
            case {"error": {"message": str(text)}} | {"error": str(text)} | {"message": str(text)}:
                return f": {text:.200}"
    except (ValueError, RecursionError):
        pass
    return f": {response.text:.200}" if response.text.strip() else ""


def _retry_after(value: str) -> float:
    """Seconds, from a number of them or from a date; 0 where it is neither."""
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):  # no date, or one without a time zone
            return 0.0
    return max(0.0, seconds) if seconds < float("inf") else 0.0
