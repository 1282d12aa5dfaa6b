"""Changes of a project's data as the page makes them: a draft in, a draft out; nothing is read here.

Tasks are edited under the names that people see; `data.tags` has both those and the names from before `rename`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from core.data.rows import wrong_tag
from core.errors import Problem, UserError
from core.spec import DEFAULT_ROUTE, DataSpec, Draft, HeldOut, TagRule, Tags, TaskSpec

Change = Callable[[Draft], Draft]
V = TypeVar("V")


def data_of(draft: Draft) -> DataSpec:
    """The data part; `UserError` where another tab has removed it."""
    if draft.data is None:
        raise UserError(Problem("data", "there are no rows any more.", "Choose some."))
    return draft.data


def with_data(draft: Draft, **fields: object) -> Draft:
    """The draft with some fields of its data set."""
    return draft.model_copy(update={"data": data_of(draft).model_copy(update=fields)})


def tags_of(draft: Draft) -> Tags:
    """The tags part, empty where there is none."""
    return (draft.data and draft.data.tags) or Tags()


def with_tags(draft: Draft, **fields: object) -> Draft:
    """The draft with some fields of its tags set; None where nothing is left of them."""
    tags = tags_of(draft).model_copy(update=fields)
    said = {name: value for name in Tags.model_fields if (value := getattr(tags, name))}
    return with_data(draft, tags=Tags(**said) if said else None)


def checked_tag(name: str) -> str:
    """A task's name without white space around it; `UserError` where it is none."""
    tag = name.strip()
    if wrong := wrong_tag(tag):
        raise UserError(Problem("task", *wrong))
    return tag


def rename_task(draft: Draft, old: str, name: str, tasks: Collection[str]) -> Draft:
    """Call a task otherwise; under the name of another task the two become one. Rewards and settings go along."""
    new = _not_dropped(draft, checked_tag(name))
    before = tags_of(draft).rename
    rename = {given: new if now == old else now for given, now in before.items()}
    if old not in before.values():
        rename[old] = new
    if new in tasks and new not in before.values():
        rename[new] = new  # remembered, so that both go along when the merged task is renamed
    return _with_moved(with_tags(draft, rename=_renaming(rename)), old, new)


def keep_name(draft: Draft, given: str) -> Draft:
    """Take a new name back; rewards and settings go along, unless other rows have the name too."""
    before = tags_of(draft).rename
    rename = _renaming({name: now for name, now in before.items() if name != given})
    draft = with_tags(draft, rename=rename)
    return (
        _with_moved(draft, before[given], given) if given in before and before[given] not in rename.values() else draft
    )


def _renaming(rename: Mapping[str, str]) -> dict[str, str]:
    """Without the names that are their own and nobody else's."""
    counts = Counter(rename.values())
    return {given: now for given, now in rename.items() if given != now or counts[now] > 1}


def drop_task(draft: Draft, task: str) -> Draft:
    """Leave a task's rows out."""
    return with_tags(draft, drop=(*tags_of(draft).drop, task))


def restore_task(draft: Draft, task: str) -> Draft:
    """Take a task's rows back in."""
    return with_tags(draft, drop=tuple(name for name in tags_of(draft).drop if name != task))


def tag_row(draft: Draft, place: str, task: str) -> Draft:
    """Give one row a task by hand; nothing where the name is empty."""
    return with_tags(draft, rows={**tags_of(draft).rows, place: checked_tag(task)}) if task.strip() else draft


def tag_file(draft: Draft, file: str, task: str) -> Draft:
    """Give all rows of a file a task; an empty name leaves it to the task column.

    The name that its rows had before is renamed no more, unless others in the spec have it.
    """
    tags = tags_of(draft)
    files = {name: tag for name, tag in tags.files.items() if name != file}
    files |= {file: checked_tag(task)} if task.strip() else {}
    before = tags.files.get(file)
    named = {*files.values(), *tags.rows.values(), tags.default, *(rule.task for rule in tags.rules)}
    rename = {given: now for given, now in tags.rename.items() if given != before or before in named}
    return with_tags(draft, files=files, rename=_renaming(rename))


def tag_rest(draft: Draft, task: str) -> Draft:
    """Give rows that have no tag a task; an empty name leaves them without one."""
    return with_tags(draft, default=checked_tag(task) if task.strip() else None)


def add_rule(draft: Draft, column: str, condition: str, value: str, name: str, within: str = "") -> Draft:
    """Give rows a task whose column holds a text: those of one task (so it is split), or of all."""
    task = _not_dropped(draft, checked_tag(name))
    if not value:
        raise UserError(Problem("value", "the rule says no text to look for.", "Say what the column holds."))
    rules = [_rule(column, condition, value, task, old) for old in _before_renaming(draft, within)]
    return with_tags(draft, rules=(*tags_of(draft).rules, *rules))


def remove_rule(draft: Draft, rule: TagRule, position: int) -> Draft:
    """Take a rule away, which was at a position when it was shown; nothing where it is gone already."""
    rules = tags_of(draft).rules
    at = min((n for n, other in enumerate(rules) if other == rule), key=lambda n: abs(n - position), default=None)
    return draft if at is None else with_tags(draft, rules=rules[:at] + rules[at + 1 :])


def _rule(column: str, condition: str, value: str, task: str, within: str | None) -> TagRule:
    try:
        return TagRule.model_validate({"column": column, condition: value, "task": task, "within": within})
    except ValidationError as error:
        what = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise UserError(Problem("rule", f"{what}.", "Correct it.")) from None


def _before_renaming(draft: Draft, within: str) -> list[str | None]:
    """The tags, before they are renamed, of the rows that are called so now; None for all rows."""
    given = [old for old, now in tags_of(draft).rename.items() if now == within]
    return [*given] or [within or None]


def _not_dropped(draft: Draft, task: str) -> str:
    if task in tags_of(draft).drop:
        raise UserError(Problem("task", f"the rows of {task!r} are left out.", "Take them back in first."))
    return task


def _with_moved(draft: Draft, old: str, new: str) -> Draft:
    update = {"rewards": _moved(draft.rewards, old, new), "tasks": _moved(draft.tasks, old, new)}
    return draft.model_copy(update={field: value for field, value in update.items() if value != getattr(draft, field)})


def _moved(by_task: Mapping[str, V], old: str, new: str) -> dict[str, V]:
    """The entry of one task under another name, unless that has its own."""
    if old not in by_task:
        return dict(by_task)
    if new in by_task:
        return {task: value for task, value in by_task.items() if task != old}
    return {new if task == old else task: value for task, value in by_task.items()}


def set_share(draft: Draft, task: str, percent: str) -> Draft:
    """A task's part of every batch, in per cent; empty leaves it to the mixing."""
    try:
        share = float(percent.replace(",", ".").rstrip("% ")) / 100 if percent.strip() else None
        spec = TaskSpec.model_validate(
            {**draft.tasks.get(task, TaskSpec()).model_dump(exclude_unset=True), "share": share}
        )
    except ValueError:
        mend = "Write a number above 0, at most 100, or nothing."
        raise UserError(Problem(f"share of {task}", f"{percent!r:.40} is no part of a batch in %.", mend)) from None
    tasks = {**draft.tasks, task: spec}
    if spec == TaskSpec():
        del tasks[task]
    return draft.model_copy(update={"tasks": tasks})


def set_held_out(draft: Draft, rows: str) -> Draft:
    """How many rows of each task training never sees."""
    try:
        held_out = HeldOut.model_validate({**data_of(draft).held_out.model_dump(), "rows_per_task": rows.strip()})
    except ValueError:
        mend = "Write a whole number, 0 to hold out none."
        raise UserError(Problem("held-out rows per task", f"{rows!r:.40} is no number of rows.", mend)) from None
    return with_data(draft, held_out=held_out)


def strangers(draft: Draft, tasks: Collection[str]) -> list[str]:
    """Tasks that have rewards or settings and no rows."""
    named = dict.fromkeys([*draft.rewards, *draft.tasks])
    return [task for task in named if task not in tasks and task != DEFAULT_ROUTE]


def forget(draft: Draft, tasks: Collection[str]) -> Draft:
    """Without the rewards and settings of these tasks."""
    update: dict[str, Any] = {
        field: {task: value for task, value in getattr(draft, field).items() if task not in tasks}
        for field in ("rewards", "tasks")
    }
    return draft.model_copy(update=update)
