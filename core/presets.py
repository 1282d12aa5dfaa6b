"""Sets of routes that suit a kind of task, and the guess which of them suits a task by its columns and their values.

In: what a task's rows carry. Out: a `Preset`, whose routes are a starting point to edit. This is the only place that
guesses rewards: a first run spec (`core.suggest`) takes the main route of the preset that is suggested here.
"""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from core.data import some_rows
from core.library import need_of, needed
from core.routing import TaskColumns
from core.spec import Route
from rewards import registry
from rewards.declaration import RewardError
from rewards.text import from_json

if TYPE_CHECKING:
    from datasets import Dataset

Samples = Mapping[str, Sequence[Any]]  # column -> values of some rows

SAMPLED_ROWS = 200
MOST_LABELS = 8
LONG_ANSWER = 8  # words from which an answer is hardly given word for word
MOSTLY = 0.8
MATHEMATICS = re.compile(r"\\[A-Za-z]+|\$[^$]+\$|^####", re.MULTILINE)  # TeX, or the last line of GSM8K


@dataclass(frozen=True)
class Seen:
    """What a guess goes by.

    Attributes:
        full: columns that no row of the task has empty.
        samples: values of some rows.
    """

    full: frozenset[str]
    samples: Samples

    def values(self, *columns: str) -> Sequence[Any]:
        """Of the first of these columns that is full; none where none is."""
        return next((self.samples.get(name, ()) for name in columns if name in self.full), ())

    def texts(self, *columns: str) -> list[str]:
        """The same as text."""
        return [str(value) for value in self.values(*columns)]


@dataclass(frozen=True)
class Preset:
    """Routes for a kind of task.

    Attributes:
        name: what it is called in code.
        title: the name shown to people.
        help: what it is for, and what to set, in a sentence or two.
        routes: the main reward first; the others are light.
        recognised: whether values look like this kind of task, where every needed column is full.
        filled: parameters of the main reward that come from the values.
    """

    name: str
    title: str
    help: str
    routes: tuple[Route, ...]
    recognised: Callable[[Seen], bool] = field(default=lambda seen: True, repr=False)
    filled: Callable[[Seen], dict[str, Any]] = field(default=lambda seen: {}, repr=False)

    @property
    def needs(self) -> tuple[tuple[str, ...], ...]:
        """Columns that rows must carry, each as the names of which one will do."""
        return tuple(dict.fromkeys(names for route in self.routes for names in needed(registry()[route.name])))


def fits(preset: Preset, columns: TaskColumns) -> tuple[str, ...]:
    """The columns that a preset needs and no row of a task has; empty where it can be used."""
    needs = [need_of(names, columns) for names in preset.needs]
    return tuple(str(need) for need in needs if need.column is None or need.empty >= columns.rows)


def suggested(columns: TaskColumns, samples: Samples) -> Preset | None:
    """The preset that suits a task best, filled in; None where nothing in its rows says what is right.

    Args:
        columns: what the task's rows carry.
        samples: values of some of them; see `samples_of`.
    """
    seen = _seen(columns, samples)
    found = (preset for preset in PRESETS if _suits(preset, seen))
    return next((fill(preset, columns, samples) for preset in found), None)


def fill(preset: Preset, columns: TaskColumns, samples: Samples) -> Preset:
    """A preset with what a task's values say, such as the labels of a choice."""
    main, *light = preset.routes
    if filled := preset.filled(_seen(columns, samples)):
        main = main.model_copy(update={"params": {**main.params, **filled}})
    return replace(preset, routes=(main, *light))


def samples_of(rows: Dataset) -> dict[str, dict[str, list[Any]]]:
    """For each task, values of its columns in rows that are spread over it."""
    chosen = some_rows(rows, SAMPLED_ROWS)
    return {task: rows.select(numbers)[:] for task, numbers in chosen.items()}


def find_preset(name: str) -> Preset:
    """The preset of a name; KeyError where there is none."""
    return {preset.name: preset for preset in PRESETS}[name]


def _seen(columns: TaskColumns, samples: Samples) -> Seen:
    return Seen(frozenset(name for name, empty in columns.empty.items() if empty == 0), samples)


def _suits(preset: Preset, seen: Seen) -> bool:
    return all(any(name in seen.full for name in names) for names in preset.needs) and preset.recognised(seen)


def _never(seen: Seen) -> bool:
    """Of presets that people choose: no value says that they are meant."""
    return False


def _reads_input(seen: Seen) -> bool:
    tests = [_items(value, "tests") for value in seen.values("tests")]
    return any(isinstance(item, Mapping) for items in tests for item in items)


def _are_calls(seen: Seen) -> bool:
    if "tool_calls" in seen.full:
        return True
    items = [item for value in seen.values("answer") for item in _items(value, "answer")]
    return bool(items) and all(isinstance(item, Mapping) and {"name", "function"} & item.keys() for item in items)


def _items(value: Any, column: str) -> Sequence[Any]:
    """The items of a list, which may be JSON text; none where it is no list."""
    try:
        found = from_json(value, column)
    except RewardError:
        return ()
    return found if isinstance(found, Sequence) and not isinstance(found, str) else ()


def _are_labels(seen: Seen) -> bool:
    return "choices" in seen.full or bool(_labels(seen))


def _labels(seen: Seen) -> list[str]:
    """The few answers that come again and again, each in one spelling; none where answers are of another kind."""
    answers = seen.texts("answer")
    spellings = {" ".join(answer.casefold().split()): answer for answer in answers}
    labels = sorted(spellings.values())
    few = "" not in spellings and 2 <= len(labels) <= MOST_LABELS and len(answers) >= 4 * len(labels)
    return labels if few and not _are_mathematics(seen) else []


def _label_params(seen: Seen) -> dict[str, Any]:
    return {} if "choices" in seen.full else {"labels": _labels(seen)}


def _are_mathematics(seen: Seen) -> bool:
    answers = seen.texts("answer")
    numbers = [_is_number(answer) for answer in answers]
    marked = [MATHEMATICS.search(answer) is not None for answer in answers]
    either = sum(number or mark for number, mark in zip(numbers, marked, strict=True))
    return bool(answers) and (all(numbers) or (any(marked) and either >= MOSTLY * len(answers)))


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text.replace(",", "")))
    except ValueError:
        return False


def _asks_to_translate(seen: Seen) -> bool:
    prompts = seen.texts("prompt")
    return sum("translat" in prompt.casefold() for prompt in prompts) > len(prompts) / 2


def _are_long(seen: Seen) -> bool:
    words = [len(text.split()) for text in seen.texts("reference", "answer")]
    return "reference" in seen.full or (bool(words) and statistics.median(words) > LONG_ANSWER)


# A loop fills a completion to its limit; no gold answer of these tasks has one.
NO_LOOPS = Route(name="repetition", weight=0.1)
# A group in which no program passes a test still has better and worse ones to learn from.
COMPILES = Route(name="python_syntax", weight=0.1)
# The same where no field is right yet: JSON comes before right JSON.
JSON_OBJECT = Route(name="json_valid", weight=0.1, params={"kind": "object"})

# The order in which they are guessed: columns that only one kind of task has before those that many have.
PRESETS = (
    Preset(
        "code_stdin",
        "Code, by input and output",
        "Python programs that read standard input; tests are a list of {input, output}.",
        # Such programs start anew for each test.
        (Route(name="python_tests", params={"timeout_s": 4.0}), COMPILES),
        _reads_input,
    ),
    Preset(
        "code_asserts",
        "Code, by assert tests",
        "Python functions; tests are a list of assert statements, or one test program.",
        (Route(name="python_tests"), COMPILES),
    ),
    Preset(
        "procedural",
        "Procedural task (reasoning-gym)",
        "Tasks that reasoning-gym generates, each scored by its generator.",
        # Only the end of a completion is scored: one that is cut off at its limit has none.
        (
            Route(name="reasoning_gym"),
            Route(name="soft_overlong", weight=0.1, params={"maximum": 400, "cache": 100}),
        ),
    ),
    Preset(
        "extraction",
        "Extraction into JSON fields",
        "A JSON object whose values are known: the share of fields that are right.",
        (Route(name="json_fields"), JSON_OBJECT),
    ),
    Preset(
        "json_schema",
        "JSON by a schema",
        "A JSON object that must be valid against the schema of its row; values are not compared.",
        (Route(name="json_schema", params={"partial_credit": True}), JSON_OBJECT),
    ),
    Preset(
        "tool_calls",
        "Tool calls",
        "The right tools called with the right arguments.",
        # What is said beside the calls costs tokens and reaches no tool.
        (Route(name="tool_calls"), Route(name="soft_overlong", weight=0.1, params={"maximum": 200, "cache": 100})),
        _are_calls,
    ),
    Preset(
        "choice",
        "Choice of a label",
        "Classification and multiple choice: exactly one of a few labels is right.",
        # A label needs no essay; raise the maximum where the model should think first.
        (Route(name="choice"), Route(name="length", weight=0.1, params={"maximum": 10, "margin": 40})),
        _are_labels,
        _label_params,
    ),
    Preset(
        "mathematics",
        "Mathematics",
        "The final answer must be equal to the row's, in whatever form it is written.",
        (Route(name="math_answer"), NO_LOOPS),
        _are_mathematics,
    ),
    Preset(
        "translation",
        "Translation",
        "How close a text is to one or several reference translations, by characters (chrF).",
        # With recall counted twice, as is usual, saying it again in other words can earn more.
        (Route(name="chrf", params={"beta": 1}), NO_LOOPS),
        _asks_to_translate,
    ),
    Preset(
        "similarity",
        "Summary, or a text like another",
        "How many words a text shares with a reference, in order (ROUGE-L).",
        (Route(name="rouge"), NO_LOOPS),
        _are_long,
    ),
    Preset(
        "short_answer",
        "Short answer",
        "The answer itself and nothing else; case and punctuation do not count.",
        # Until the bare answer is met for the first time, only brevity leads towards it.
        (
            Route(name="exact_match", params={"ignore_case": True, "ignore_punctuation": True}),
            Route(name="length", weight=0.1, params={"maximum": 10, "margin": 40}),
        ),
    ),
    Preset(
        "reasoning",
        "Reasoning in tags",
        "Thoughts in <think>, then a mathematical answer in <answer>; ask for these tags in the system prompt.",
        # Form is learned within a few steps: a larger weight pays for well-formed wrong answers.
        (Route(name="math_answer"), Route(name="think_answer", weight=0.2)),
        _never,
    ),
    Preset(
        "chat_judge",
        "Chat, by a judge",
        "A chat model scores each completion by your rubric: set its address and its name.",
        # Judges like long answers, whatever they are told.
        (
            Route(name="llm_judge", params={"base_url": "http://localhost:8000/v1", "model": "judge"}),
            Route(name="length", weight=0.1, params={"maximum": 300, "margin": 200}),
            NO_LOOPS,
        ),
        _never,
    ),
)
