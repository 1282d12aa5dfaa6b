"""The command line, a function for each command; those of runs are in core.run_commands. Prints, and asks others."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import yaml

from core import progress
from core.documents import read_document
from core.errors import Problem, UserError, did_you_mean
from core.reward_docs import bounds, outcome, parameter_rows, rewards_page
from core.routing import RoutingTable, broken_files
from core.run_commands import add_run_commands, print_problems
from core.runs import RunFolder
from core.spec import DEFAULT_ROUTE, Plan, RunSpec, read_plan, read_spec
from rewards import registry
from rewards.declaration import Reward

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from core.completion_rows import Tokenize
    from core.probes import TaskProbes
    from core.scored_file import Tally
    from core.signal import TaskSignal

MOST_REASONS = 5


def add_commands(commands: _SubParsersAction[ArgumentParser]) -> None:
    """Put every command on an argument parser; each sets `run`, a function of the parsed arguments."""
    one = commands.add_parser("check", help="validate a run spec; exit status 1 on an error")
    one.add_argument("spec", type=Path, metavar="RUN.yaml")
    one.set_defaults(run=check)
    add_run_commands(commands)
    one = commands.add_parser("evaluate", help="base against adapter on held-out rows: reward, pass@1, pass@k")
    one.add_argument("folder", type=Path, metavar="RUN_FOLDER")
    one.add_argument(
        "--checkpoint", metavar="N", help="that of this step, or best (default: the run's result, or its newest)"
    )
    one.add_argument("--samples", type=int, metavar="K", help="completions of each row (default: 4)")
    one.add_argument("--rows", type=int, metavar="N", help="held-out rows of each task (default: all)")
    one.set_defaults(run=evaluate)
    one = commands.add_parser("score", help="score rows that carry completions")
    one.add_argument("file", type=Path, metavar="FILE.jsonl")
    one.add_argument("--plan", type=Path, required=True, metavar="RUN.yaml", help="a run spec, or its rewards part")
    one.add_argument("--out", type=Path, metavar="SCORED.jsonl", help="where to write (default: standard output)")
    one.set_defaults(run=score)
    one = commands.add_parser(
        "probe", help="what the rewards give to answers that deserve nothing, before any training"
    )
    one.add_argument("spec", type=Path, metavar="RUN.yaml")
    one.add_argument("--rows", type=int, default=8, help="rows of each task to try (default: 8)")
    one.set_defaults(run=probe)
    one = commands.add_parser("rewards", help="list reward functions, or show one with its parameters and examples")
    one.add_argument("name", nargs="?")
    one.add_argument("--markdown", action="store_true", help="the whole library as a page of documentation")
    one.set_defaults(run=list_rewards)
    one = commands.add_parser("grader", help="OpenAI's graders: read one into a route, or write a task's routes as one")
    one.add_argument("file", type=Path, metavar="FILE", help="a grader in JSON; with --task a run spec or its rewards")
    one.add_argument("--task", help="the task whose routes are written as a grader")
    one.set_defaults(run=convert_grader)


def check(arguments: Namespace) -> int:
    """Validate only: errors and warnings, exit status 1 on an error."""
    from core.check import check as check_spec
    from core.data import task_counts

    spec = read_spec(arguments.spec)
    report = check_spec(spec)
    print_problems(report.problems)
    if report.data is not None:
        held_out = task_counts(report.data.held_out)
        for task, rows in task_counts(report.data.train).items():
            names = ", ".join(route.key for route in spec.rewards.get(task, spec.rewards.get("default", ())))
            print(f"{task}: {rows} rows, {held_out.get(task, 0)} held out, scored by {names or 'nothing'}")
    if report.sandbox is not None:
        print(report.sandbox)
    print(f"{_counted(len(report.errors), 'error')}, {_counted(len(report.warnings), 'warning')}")
    return 1 if report.errors else 0


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"


def evaluate(arguments: Namespace) -> int:
    """Sample and score both models, keep it in the run's folder, and print the figures."""
    from core.evaluation_command import evaluate_run

    run = RunFolder(arguments.folder.absolute())
    run.spec()
    return evaluate_run(run, arguments.checkpoint, arguments.samples, arguments.rows)


def score(arguments: Namespace) -> int:
    """Score a file of completions; the summary goes to standard error, so that rows can be piped."""
    from core.scored_file import score_file

    plan = read_plan(arguments.plan)
    if arguments.out is not None and arguments.out.resolve() == arguments.file.resolve():
        raise UserError(Problem(f"--out {arguments.out}", "this is the file being read.", "Name another."))
    with _target(arguments.out) as out:
        tally = score_file(arguments.file, plan, out, _tokenizer(plan), _rows_done if sys.stderr.isatty() else None)
    _print_tally(tally)
    _print_signals(tally.signals(plan.normalisation))
    return 0


def probe(arguments: Namespace) -> int:
    """Score gold, empty, echoed, wrong and padded answers of each task; warn where one earns what it should not."""
    from core.check import check as check_spec
    from core.data import some_rows
    from core.probes import probe_task
    from core.scoring import Scorer

    spec = read_spec(arguments.spec)
    report = check_spec(spec)
    if report.errors or report.data is None:
        raise UserError(report.errors)
    if arguments.rows < 1:
        raise UserError(Problem("--rows", f"found {arguments.rows}.", "Give a number above 0."))
    tokenize, rows = _tokenizer(spec), report.data.train
    with Scorer(RoutingTable(spec.rewards)) as scorer:
        for task, numbers in some_rows(rows, arguments.rows).items():
            _print_probes(probe_task(task, rows.select(numbers).to_list(), scorer, tokenize))
    return 0


def _print_probes(found: TaskProbes) -> None:
    gold = f"gold is the reference {found.spelling}" if found.spelling else "its rows hold no reference answer"
    print(f"{found.task}: {gold}; highest total {progress.number(found.highest)}")
    for probe in found.probes:
        rewards = ", ".join(f"{name} {progress.number(value)}" for name, value in probe.rewards.items())
        errors = f", {_counted(probe.errors, 'error')}" if probe.errors else ""
        print(f"  {probe.kind:<9} {progress.number(probe.total):>7}   {rewards}{errors}")
    print_problems(found.problems)


def _rows_done(rows: int) -> None:
    """One line of a terminal, written over again and again."""
    print(f"{rows} rows scored", end="\r", file=sys.stderr, flush=True)


@contextmanager
def _target(path: Path | None) -> Iterator[TextIO]:
    """Standard output, or a file that takes the place of an older one only when all of it is written."""
    if path is None:
        yield sys.stdout
        return
    scratch = path.with_name(f".{path.name}.part")
    try:
        with scratch.open("w", encoding="utf-8") as out:
            yield out
        scratch.replace(path)
    except OSError as error:
        raise UserError(
            Problem(f"--out {path}", f"{error.strerror}.", "Name a file in a folder that is there.")
        ) from error
    finally:
        scratch.unlink(missing_ok=True)


def list_rewards(arguments: Namespace) -> int:
    """The library, or one reward whole."""
    rewards = registry()
    if arguments.markdown:
        print(rewards_page(), end="")
        return 0
    print_problems(broken_files())
    if arguments.name is None:
        width = max(map(len, rewards))
        for reward in rewards.values():
            print(f"{reward.name:<{width}}  {reward.help}")
        return 0
    if arguments.name not in rewards:
        mend = did_you_mean(arguments.name, rewards)
        raise UserError(Problem(arguments.name, "there is no such reward.", mend))
    _print_reward(rewards[arguments.name])
    return 0


def convert_grader(arguments: Namespace) -> int:
    """Print a route for a grader, or a grader for a task's routes."""
    from core.graders import from_openai, to_openai

    if arguments.task is None:
        route = from_openai(read_document(arguments.file))
        lines = {"rewards": {DEFAULT_ROUTE: [route.model_dump(exclude_none=True, exclude_defaults=True)]}}
        print(yaml.safe_dump(lines, sort_keys=False, allow_unicode=True), end="")
        return 0
    routes = RoutingTable(read_plan(arguments.file).rewards).of(arguments.task)
    if not routes:
        raise UserError(Problem(f"--task {arguments.task}", "no route scores this task.", "Name one of the plan's."))
    print(json.dumps(to_openai(routes, arguments.task), indent=2, ensure_ascii=False))
    return 0


def _tokenizer(plan: Plan | RunSpec) -> Tokenize | None:
    """How to count tokens, where a reward of the plan does.

    The plan's tokenizer takes seconds to load, so that waits for a row without token ids.
    """
    from core.scored_file import needs_tokens

    if not needs_tokens(plan):
        return None

    @cache
    def tokenizer() -> Callable[..., Any]:
        from core.models import load_tokenizer

        if "model" not in plan.model_fields_set:
            what = (
                f"it names no model, so completions without `completion_ids` are counted in tokens of {plan.model!r}."
            )
            mend = "Name your model, or give the rows `completion_ids`."
            print_problems([Problem("model", what, mend, "warning")])
        return load_tokenizer(plan.model)

    return lambda texts: tokenizer()(list(texts), add_special_tokens=False)["input_ids"]


def _print_tally(tally: Tally) -> None:
    print(f"{tally.rows} rows, {tally.completions} completions, {tally.refused} not scored", file=sys.stderr)
    for reason, times in tally.reasons.most_common(MOST_REASONS):
        print(f"    {times} x {reason}", file=sys.stderr)
    if len(tally.reasons) > MOST_REASONS:
        print(f"    and {len(tally.reasons) - MOST_REASONS} other reasons", file=sys.stderr)
    for task, record in tally.table():
        text = f"{task}  {record['reward']}: mean {progress.number(record['mean'])}, {record['count']} scored"
        print(f"{text}, {record['not_applicable']} not applicable, {record['errors']} errors", file=sys.stderr)
        for reason, times in record["reasons"].items():
            print(f"    {times} x {reason}", file=sys.stderr)


def _print_signals(signals: Iterable[TaskSignal]) -> None:
    """Where the training signal comes from, a line a task."""
    for task in signals:
        text = f"{task.task}  {progress.percent(task.share)} of the signal; {task.flat_groups} of {task.groups}"
        rewards = ", ".join(f"{reward.reward} {progress.percent(reward.share)}" for reward in task.rewards)
        print(f"{text} groups without spread; by reward: {rewards}", file=sys.stderr)


def _print_reward(reward: Reward) -> None:
    print(f"{reward.name} ({reward.title})\n{reward.help}\nscores {bounds(reward)}")
    print(f"columns: {', '.join(reward.columns) or 'none'}; optional: {', '.join(reward.optional_columns) or 'none'}")
    for name, default, text in parameter_rows(reward):
        print(f"  {name} ({'required' if default == 'required' else f'default {default}'}): {text}")
    print("examples:")
    for example in reward.examples:
        params = f" with {dict(example.params)!r:.120}" if example.params else ""
        columns = f"{dict(example.columns)!r:.80}"
        print(f"  {outcome(example):<8} {example.completion[:60]!r} {columns}{params}  {example.note}")
