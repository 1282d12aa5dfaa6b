"""A reward function that the user brings as source text, run in the sandbox.

Works unchanged: a function in TRL's contract (also async, or a callable class), `score(completion, row)`, and OpenAI's
Python grader `grade(sample, item)`; told apart by the names of their parameters. TRL passes completions as text where
prompts are text, and as messages where they are messages; here the code decides: messages where it mentions "content".

The code runs confined like a program of the model (docs/sandbox.md): standard library only, no files, no network, no
secrets. A function that needs more, and is trusted, goes into a file of its own in `rewards/` (docs/add-a-reward.md).
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from core.sandbox import Answer, Limits, SandboxError, call_function, describe_function
from rewards.blame import without_guilty
from rewards.declaration import BatchFunction, Example, Outcome, Reward, RewardError, checked, trl_reward

BUDGET_S = 120.0  # for all calls of a batch; a function that hangs again and again has had its chance
CHAT = re.compile(r"""["']content["']""")
LONGEST_S = BUDGET_S + 70.0  # with the last call, and some time to start

BY_ROW = "def score(completion, row):\n    return float(completion.strip() == row['answer'])"
TRL = "def reward(completions, answer, **kwargs):\n    return [float(c == a) for c, a in zip(completions, answer)]"
TRL_CHAT = "def reward(completions, **kwargs):\n    return [float(len(c[0]['content'])) for c in completions]"
BOOLS = "def reward(completions, answer, **kwargs):\n    return [c == a for c, a in zip(completions, answer)]"
GRADER = "def grade(sample, item):\n    return 1.0 if sample['output_text'] == item['answer'] else 0.0"


def _shaped(reward: Reward, parameters: BaseModel) -> Reward:
    """The columns that the code asks for; what is wrong with it, before anything runs."""
    settings = parameters.model_dump()
    try:
        found = describe_function(settings["code"], settings["function"], _limits(settings))
    except SandboxError as error:  # an exception, so that nothing is remembered of a sandbox that may work next time
        raise RewardError(str(error)) from error
    if found.failed:
        raise RewardError(_at(found))
    return replace(reward, columns=found.needs, timeout_s=LONGEST_S)


@trl_reward(
    title="Your own function",
    range=(None, None),
    examples=[
        Example("4", 1.0, {"answer": "4"}, {"code": BY_ROW}, "a function of one completion and its row"),
        Example("5", 0.0, {"answer": "4"}, {"code": TRL}, "a function in TRL's contract"),
        Example("four", 4.0, {}, {"code": TRL_CHAT}, "one that reads completions as messages"),
        Example("4", 1.0, {"answer": "4"}, {"code": GRADER}, "OpenAI's Python grader"),
        Example("", 0.0, {"answer": "4"}, {"code": BY_ROW}, "empty"),
        Example("4", None, {}, {"code": BY_ROW}, "the row has no answer", error="KeyError: 'answer' (line 2)"),
        Example("4", None, {}, {"code": "def score(completion, row): return None"}, "not applicable"),
        Example("4", 1.0, {"answer": "4"}, {"code": BOOLS}, "true and false in a list, as TRL takes them"),
        Example("4", None, {}, {"code": "def score(completion, row): return 1 / 0"}, error="ZeroDivisionError"),
        Example(
            "4", None, {}, {"code": "def score(completion, row): return open('/etc/passwd').read()"}, error="Permission"
        ),
    ],
    source="The contract of TRL's reward functions; OpenAI's Python grader",
    sandboxed=True,
    timed=True,
    shaped=_shaped,
)
def custom(
    *,
    code: Annotated[
        str,
        Field(
            min_length=1,
            max_length=200_000,
            description="Python source that defines a function",
            json_schema_extra={"format": "python"},
        ),
    ],
    function: Annotated[str, Field(description="Its name, where the code defines several")] = "",
    completions: Annotated[
        Literal["auto", "text", "messages"], Field(description="What a function in TRL's contract gets")
    ] = "auto",
    timeout_s: Annotated[float, Field(gt=0, le=60, description="Seconds a call may take")] = 10.0,
    memory_mb: Annotated[int, Field(ge=64, le=8192, description="MiB of memory the function may use")] = 512,
) -> BatchFunction:
    """The score that a function of your own gives, run in the sandbox.

    An exception costs its own completion an error. A completion at which the function hangs or dies gets an error, and
    the function is called again for those after it. A function that scores lists is then called with each completion
    alone, and once more with those that it can score; where they fail only together, all of them carry the error.
    """
    settings = {"timeout_s": timeout_s, "memory_mb": memory_mb}
    chat = wants_messages(code, completions)

    def scores(prompts: Sequence[Any], completions: Sequence[Any], **columns: Sequence[Any]) -> list[Outcome]:
        texts = [completion[0]["content"] for completion in completions]
        return call_all(code, function, prompts, texts, columns, chat, _limits(settings))[0]

    return scores


def wants_messages(code: str, completions: str) -> bool:
    """Whether a function in TRL's contract gets completions as messages, under the parameter of that name."""
    return completions == "messages" or (completions == "auto" and CHAT.search(code) is not None)


def call_all(
    code: str,
    function: str,
    prompts: Sequence[Any],
    texts: Sequence[str],
    columns: Mapping[str, Sequence[Any]],
    chat: bool,
    limits: Limits,
    budget_s: float = BUDGET_S,
) -> tuple[list[Outcome], list[Answer]]:
    """Call until all n completions have an outcome: a function of single ones goes on after one that it hung at.

    Returns:
        The outcomes (n), and what each call said.
    """
    outcomes: list[Outcome] = []
    answers: list[Answer] = []
    deadline = time.monotonic() + budget_s
    while len(outcomes) < len(texts):
        done = len(outcomes)
        rest = {name: values[done:] for name, values in columns.items()}
        try:
            answer = call_function(code, function, prompts[done:], texts[done:], rest, chat, limits)
        except SandboxError as error:  # those that are scored keep their scores
            return outcomes + [RewardError(str(error))] * (len(texts) - done), answers
        answers.append(answer)
        outcomes += _reached(answer, len(texts) - done)
        if len(outcomes) == len(texts):
            break
        reason = RewardError(_at(answer))
        if answer.contract == "batch":

            def some(numbers: Sequence[int]) -> list[Outcome] | RewardError:
                chosen = {name: [values[i] for i in numbers] for name, values in columns.items()}
                asked, wanted = [prompts[i] for i in numbers], [texts[i] for i in numbers]
                try:
                    answers.append(call_function(code, function, asked, wanted, chosen, chat, limits))
                except SandboxError as error:
                    return RewardError(str(error))
                found = _reached(answers[-1], len(numbers))
                return found if len(found) == len(numbers) else RewardError(_at(answers[-1]))

            return without_guilty(some, len(texts), reason, deadline - limits.wall_s, deadline), answers
        single = time.monotonic() < deadline
        outcomes += [reason] * (1 if single else len(texts) - len(outcomes))
    return outcomes, answers


def _reached(answer: Answer, count: int) -> list[Outcome]:
    """Outcomes of the completions up to the first that has none."""
    found: list[Outcome] = []
    for n in range(count):
        if n in answer.errors:
            found.append(RewardError(answer.errors[n]))
        elif n in answer.scores:
            found.append(checked(answer.scores[n]))
        else:
            break
    return found


def _at(answer: Answer) -> str:
    return f"{answer.failed} (line {answer.line})" if answer.line else answer.failed


def _limits(settings: Mapping[str, Any]) -> Limits:
    return Limits(wall_s=settings["timeout_s"], memory_mb=settings["memory_mb"])
