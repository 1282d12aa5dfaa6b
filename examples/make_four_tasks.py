"""Writes four_tasks.jsonl and four_tasks_held_out.jsonl: python examples/make_four_tasks.py

Four tasks of different kind, easy enough for a 135M-parameter model to improve at within minutes: one-digit arithmetic
(`math`), one-line functions (`code`), a decision between two labels (`sentiment`), facts out of a sentence (`json`).
Rows are drawn without repetition from all combinations, with a fixed seed; held-out rows share no prompt with training.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TRAIN_ROWS = 120  # per task
HELD_OUT_ROWS = 16  # per task
SEED = 7

Row = dict[str, Any]


def math_rows() -> Iterator[Row]:
    """Sums and differences of one-digit numbers."""
    for a, b in itertools.product(range(1, 10), repeat=2):
        yield {"prompt": f"What is {a} + {b}? Reply with only the number.", "answer": str(a + b)}
        yield {
            "prompt": f"Tom has {a} pens and buys {b} more. How many pens now? Only the number.",
            "answer": str(a + b),
        }
        if a > b:
            yield {"prompt": f"What is {a} - {b}? Reply with only the number.", "answer": str(a - b)}


def code_rows() -> Iterator[Row]:
    """Functions of one or two numbers whose body is one return."""
    names = ("f", "g", "calc", "compute", "apply", "solve")
    for name, n in itertools.product(names, range(2, 7)):
        one_number = (
            (f"adds {n} to x", lambda x, n=n: x + n),
            (f"multiplies x by {n}", lambda x, n=n: x * n),
            (f"subtracts {n} from x", lambda x, n=n: x - n),
            (f"returns the larger of x and {n}", lambda x, n=n: max(x, n)),
            (f"returns True if x is greater than {n}", lambda x, n=n: x > n),
        )
        for what, truth in one_number:
            asserts = [f"assert {name}({x}) == {truth(x)!r}" for x in (0, n, 10, -3)]
            prompt = f"Write a one-line Python function {name}(x) that {what}. Reply with code only."
            yield {"prompt": prompt, "tests": asserts}


def sentiment_rows() -> Iterator[Row]:
    """Short reviews, half of them good."""
    things = ("phone", "hotel", "film", "book", "restaurant", "laptop", "game", "course", "camera", "chair")
    words = {
        "positive": (
            "I love this {}, it is wonderful.",
            "The {} was excellent from start to end.",
            "Great {}, I would buy it again at once.",
            "What a lovely {}! My whole family enjoyed it.",
            "Best {} I have had in years.",
            "The {} exceeded all my hopes.",
            "A beautiful {}, worth every cent.",
        ),
        "negative": (
            "I hate this {}, it is terrible.",
            "The {} was awful from start to end.",
            "Bad {}, I want my money back.",
            "What a boring {}! My whole family was disappointed.",
            "Worst {} I have had in years.",
            "The {} failed on the first day.",
            "An ugly {}, a waste of money.",
        ),
    }
    for label, sentences in words.items():
        for thing, sentence in itertools.product(things, sentences):
            review = sentence.format(thing)
            prompt = f'Is this review positive or negative? Reply with one word.\nReview: "{review}"'
            yield {"prompt": prompt, "answer": label, "choices": ["positive", "negative"]}


def json_rows() -> Iterator[Row]:
    """A person's name, age and city out of a sentence."""
    names = ("Anna", "Ben", "Carla", "David", "Emma", "Felix", "Grace", "Hugo")
    cities = ("Paris", "Rome", "Oslo", "Lima", "Cairo")
    for (i, name), (j, city), first in itertools.product(enumerate(names), enumerate(cities), range(4)):
        age = 20 + (7 * i + 11 * j + 13 * first) % 60
        sentence = f"{name} is {age} years old and lives in {city}."
        prompt = f'Extract the person as JSON with the keys "name", "age" and "city". Reply with JSON only.\n{sentence}'
        yield {"prompt": prompt, "fields": {"name": name, "age": age, "city": city}}


def main() -> None:
    """Draw, split and write, tasks in turn, so that the file reads as the mixture it is."""
    rng = random.Random(SEED)
    tasks = {"math": math_rows, "code": code_rows, "sentiment": sentiment_rows, "json": json_rows}
    drawn = {task: rng.sample(list(rows()), TRAIN_ROWS + HELD_OUT_ROWS) for task, rows in tasks.items()}
    folder = Path(__file__).parent
    for name, rows in (
        ("four_tasks", {task: rows[:TRAIN_ROWS] for task, rows in drawn.items()}),
        ("four_tasks_held_out", {task: rows[TRAIN_ROWS:] for task, rows in drawn.items()}),
    ):
        turns = zip(*([{"task": task, **row} for row in part] for task, part in rows.items()), strict=True)
        lines = [json.dumps(row, ensure_ascii=False) for turn in turns for row in turn]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
