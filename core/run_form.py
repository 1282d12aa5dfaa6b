"""The form of a run: what is entered in a field as a change of the draft. The fields are core.run_fields's.

A blank box, or the default itself, takes the field out of the draft, with the parts that hold nothing else then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from core.documents import parse_yaml
from core.errors import Problem, UserError, did_you_mean
from core.options import check_options
from core.run_fields import NOT_SET, RunField, field_at, task_place
from core.spec import Draft, parse_draft

WHOLE = "run spec"  # how problems call the spec itself


def edit(draft: Draft, place: str, entered: str | bool, task: str = "") -> Draft:
    """A draft with another value in one field; a blank one, or the default itself, leaves the field out.

    Args:
        draft: what to change; it stays as it is.
        place: of the field.
        entered: the text of its box, or the state of its switch.
        task: whose field it is.

    Raises:
        UserError: it cannot be read as what the field is, or the field does not take it.
    """
    field = field_at(draft, place, task)
    value = _read(field, entered)
    return put(draft, {(place, task): None if _is_default(field, value, entered) else (value,)})


def put(draft: Draft, values: Mapping[tuple[str, str], tuple[Any] | None]) -> Draft:
    """A draft with values at places, checked: (place, task) -> (value,), or None to leave the field out."""
    document = draft.model_dump(mode="json", exclude_unset=True)
    for (place, task), given in values.items():
        path = ("tasks", task, place) if task else tuple(place.split("."))
        _set(document, path, given)
    places = [task_place(place, task) for place, task in values]
    changed = _parsed(document, places[0] if len(places) == 1 else WHOLE)
    wrong = [*check_options("grpo", changed.grpo), *check_options("lora", changed.lora)]
    if mine := [problem for problem in wrong if problem.where in places]:
        raise UserError(mine)
    return changed


def _parsed(document: Mapping[str, Any], where: str) -> Draft:
    """The draft that a document is; what is wrong with it is said of `where`."""
    try:
        return parse_draft(document, WHOLE)
    except UserError as error:
        found = [replace(p, where=p.where.removeprefix(f"{WHOLE}: ")) for p in error.problems]
        raise UserError([replace(p, where=where) if where != WHOLE else p for p in found]) from None


def _set(document: dict[str, Any], path: Sequence[str], given: tuple[Any] | None) -> None:
    """Put a value at a path, or take it away with the parts that hold nothing else."""
    head, *rest = path
    if rest:
        part = document.setdefault(head, {})
        _set(part, rest, given)
        if not part:
            del document[head]
    elif given is None:
        document.pop(head, None)
    else:
        document[head] = given[0]


def _is_default(field: RunField, value: Any, entered: str | bool) -> bool:
    blank = isinstance(entered, str) and not entered.strip()
    return blank or (value == field.default and type(value) is type(field.default))


def _read(field: RunField, entered: str | bool) -> Any:
    """What was entered, as the spec has it; `UserError` where it is something else."""
    if isinstance(entered, bool):
        return entered
    text = entered.strip()
    if not text:
        return field.default
    if text.lower() == NOT_SET and field.optional:
        return None
    match field.kind:
        case "integer" | "number":
            return _number(field, text)
        case "switch":
            return text == "true"
        case "choice":
            return _chosen(field, text)
        case "yaml":
            return parse_yaml(text, task_place(field.place, field.task))
        case "long_text":
            return entered.strip("\n")
    return text


def _number(field: RunField, text: str) -> int | float:
    try:
        value = float(text.replace("_", ""))
    except ValueError:
        kind = "a whole number" if field.kind == "integer" else "a number"
        mend = f"Write {kind}, such as {field.shown(field.default)}." if field.default is not None else ""
        raise UserError(Problem(task_place(field.place, field.task), f"{text!r:.40} is not {kind}.", mend)) from None
    if field.kind == "integer" and not value.is_integer():
        raise UserError(Problem(task_place(field.place, field.task), f"{text!r:.40} is not a whole number."))
    return int(value) if value.is_integer() and not isinstance(field.default, float) else value


def _chosen(field: RunField, text: str) -> Any:
    found = {field.shown(choice): choice for choice in field.choices}
    if text not in found:
        where = task_place(field.place, field.task)
        raise UserError(Problem(where, f"{text!r:.40} is none of the choices.", did_you_mean(text, found)))
    return found[text]
