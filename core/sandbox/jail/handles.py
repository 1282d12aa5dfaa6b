"""What stands in the tester's process for a value that stays in the program's.

What a handle does, it asks the program for, with one rule: an operator on two values is asked for only if both are the
program's own. Else `f(2) == 9.25` or `f(2) - 9.25` would hand over the expected value to an object that says yes to
everything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tester import Tester

BINARY = {"add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "pow", "lshift", "rshift", "divmod"}
LOGICAL = {"and": "and_", "or": "or_", "xor": "xor"}
COMPARISONS = ("lt", "le", "gt", "ge", "eq", "ne")
UNARY = ("neg", "pos", "invert", "abs", "len", "next", "reversed", "str", "repr", "bool", "int", "float", "complex")
PLAIN_RESULT = {"len": int, "str": str, "repr": str, "bool": bool, "int": int, "float": float, "complex": complex}


class Handle:
    """Stands for a value that stays in the program's process."""

    __slots__ = ("_number", "_tester")

    def __init__(self, tester: Tester, number: int) -> None:
        object.__setattr__(self, "_tester", tester)
        object.__setattr__(self, "_number", number)

    def __getattribute__(self, name: str) -> Any:
        if name == "__class__":
            # Nothing of the program's decides what a value is here: an object that says it is an `int` without being
            # one is equal to every Decimal, which reads its numerator and denominator.
            return Handle
        return do(self, "getattr", self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        do(self, "setattr", self, name, value)

    def __delattr__(self, name: str) -> None:
        do(self, "delattr", self, name)

    def __call__(self, *positional: Any, **named: Any) -> Any:
        return _tester(self).call(self, positional, named)

    def __getitem__(self, key: Any) -> Any:
        return do(self, "getitem", self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        do(self, "setitem", self, key, value)

    def __delitem__(self, key: Any) -> None:
        do(self, "delitem", self, key)

    def __iter__(self) -> Any:
        return do(self, "iter", self)

    def __index__(self) -> Any:
        return _exact(int, do(self, "index", self))

    def __format__(self, spec: str) -> str:
        return str(_exact(str, do(self, "format", self, spec)))

    def __hash__(self) -> int:
        return int(_exact(int, do(self, "hash", self)))

    def __enter__(self) -> Any:
        return do(self, "enter", self)

    def __exit__(self, *_: object) -> None:
        do(self, "exit", self)

    def __instancecheck__(self, value: Any) -> bool:
        return type(value) is Handle and _exact(bool, do(self, "isinstance", value, self))

    def __subclasscheck__(self, value: Any) -> bool:
        return type(value) is Handle and _exact(bool, do(self, "issubclass", value, self))


def _tester(handle: Handle) -> Tester:
    tester: Tester = object.__getattribute__(handle, "_tester")
    return tester


def do(handle: Handle, operation: str, *operands: Any) -> Any:
    return _tester(handle).ask(["do", operation, _tester(handle).channel.plain(list(operands))])[0]


def _exact(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise TypeError(f"the program's object gave no {kind.__name__}")
    return value


def _unary(operation: str) -> Callable[[Handle], Any]:
    kind = PLAIN_RESULT.get(operation)

    def method(self: Handle) -> Any:
        result = do(self, operation, self)
        return result if kind is None else _exact(kind, result)

    return method


def _binary(operation: str) -> Callable[[Handle, Any], Any]:
    def method(self: Handle, other: Any) -> Any:
        return do(self, operation, self, other) if type(other) is Handle else NotImplemented

    return method


for _name in UNARY:
    setattr(Handle, f"__{_name}__", _unary(_name))
for _name in (*BINARY, *COMPARISONS):
    setattr(Handle, f"__{_name}__", _binary(_name))
for _name, _operation in LOGICAL.items():
    setattr(Handle, f"__{_name}__", _binary(_operation))
