"""Arithmetic over named numbers, as a formula of rewards or an OpenAI multigrader writes it: parsed, never run as code.

Allowed are numbers, names, + - * / ** %, comparisons, `and`, `or`, `not`, `a if b else c`, brackets, and the functions
in FUNCTIONS. True and false are 1 and 0. Everything else is refused. Only what the value depends on is looked at: in
`a if gate else 0` the value of `a` is not looked at where the gate is shut.
"""

from __future__ import annotations

import ast
import math
import operator
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

LONGEST = 2000  # characters
LARGEST_POWER = 64

BINARY: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
COMPARISONS: dict[type[ast.cmpop], Callable[[float, float], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


def _mean(*values: float) -> float:
    return sum(values) / len(values)


def _clip(value: float, lowest: float, highest: float) -> float:
    return min(max(value, lowest), highest)


# Each with the least and most arguments it takes.
FUNCTIONS: dict[str, tuple[Callable[..., float], int, int]] = {
    "min": (min, 2, 100),
    "max": (max, 2, 100),
    "mean": (_mean, 1, 100),
    "clip": (_clip, 3, 3),
    "abs": (abs, 1, 1),
    "round": (lambda value: float(round(value)), 1, 1),
    "floor": (math.floor, 1, 1),
    "ceil": (math.ceil, 1, 1),
    "sqrt": (math.sqrt, 1, 1),
    "exp": (math.exp, 1, 1),
    "log": (math.log, 1, 1),
}


@dataclass(frozen=True)
class Expression:
    """A parsed expression.

    Attributes:
        text: as it was written.
        names: the names in it, each once, in order.
    """

    text: str
    names: tuple[str, ...]
    _tree: ast.expr

    def value(self, given: Mapping[str, float]) -> float:
        """The number that it comes to; ArithmeticError or ValueError where it comes to none, such as 1 / 0."""
        return float(_value(self._tree, given))


def parse(text: str) -> Expression:
    """Read an expression; ValueError says what is wrong with it."""
    if len(text) > LONGEST:
        raise ValueError(f"a formula has at most {LONGEST} characters")
    try:
        with warnings.catch_warnings(action="ignore"):
            tree = ast.parse(text.strip(), mode="eval").body
        _check(tree)
    except SyntaxError as error:
        raise ValueError(f"{text!r:.80} is no formula: {error.msg} at character {error.offset}") from None
    except (RecursionError, MemoryError):
        raise ValueError("the formula is nested too deeply") from None
    called = {node.func for node in ast.walk(tree) if isinstance(node, ast.Call)}
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node not in called]
    names.sort(key=lambda node: (node.lineno, node.col_offset))
    return Expression(text, tuple(dict.fromkeys(node.id for node in names)), tree)


def _check(node: ast.expr) -> None:
    """Refuse whatever is not arithmetic."""
    match node:
        case ast.Constant(value=bool() | int() | float() as value) if abs(value) < 1e300:
            return
        case ast.Name():
            return
        case ast.BinOp(left=left, op=op, right=right) if type(op) in BINARY:
            parts = [left, right]
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() | ast.Not(), operand=operand):
            parts = [operand]
        case ast.BoolOp(values=values):
            parts = values
        case ast.Compare(left=left, ops=ops, comparators=others) if all(type(op) in COMPARISONS for op in ops):
            parts = [left, *others]
        case ast.IfExp(test=test, body=body, orelse=orelse):
            parts = [test, body, orelse]
        case ast.Call(func=ast.Name(id=name), args=parts, keywords=[]) if name in FUNCTIONS:
            _, least, most = FUNCTIONS[name]
            if not least <= len(parts) <= most:
                wanted = str(least) if least == most else f"{least} or more"
                raise ValueError(f"{name}(...) takes {wanted} arguments, not {len(parts)}")
        case _:
            functions = ", ".join(FUNCTIONS)
            raise ValueError(f"{ast.unparse(node)!r:.80} is not allowed in a formula; functions are {functions}")
    for part in parts:
        _check(part)


def _value(node: ast.expr, given: Mapping[str, float]) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return given[name]
        case ast.BinOp(left=left, op=op, right=right):
            a, b = float(_value(left, given)), float(_value(right, given))
            if isinstance(op, ast.Pow) and (abs(b) > LARGEST_POWER or (a < 0 and not b.is_integer())):
                raise ValueError(f"{a:g} ** {b:g} is no number that a reward can use")
            return BINARY[type(op)](a, b)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not _value(operand, given)
        case ast.UnaryOp(op=op, operand=operand):
            value = _value(operand, given)
            return -value if isinstance(op, ast.USub) else value
        case ast.BoolOp(op=ast.And(), values=values):
            return all(_value(part, given) for part in values)
        case ast.BoolOp(values=values):
            return any(_value(part, given) for part in values)
        case ast.Compare(left=left, ops=ops, comparators=others):
            found = [_value(part, given) for part in (left, *others)]
            return all(COMPARISONS[type(op)](a, b) for op, a, b in zip(ops, found, found[1:], strict=False))
        case ast.IfExp(test=test, body=body, orelse=orelse):
            return _value(body if _value(test, given) else orelse, given)
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return FUNCTIONS[name][0](*[float(_value(part, given)) for part in arguments])
    raise AssertionError("refused by _check")
