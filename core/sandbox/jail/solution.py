"""The process of an untrusted program under test: runs it, then does what the tester asks for and answers.

Nothing here needs to be trusted: whatever answers, the tester takes it for the program's own word. No test and no
expected value is in this process, only what a test passes to the program as an argument.
"""

from __future__ import annotations

import asyncio
import builtins
import collections
import importlib
import inspect
import operator
import os
import sys
import types
from collections.abc import Callable
from typing import Any

from channel import Channel, Gone

MUTABLE = (
    list,
    dict,
    set,
    bytearray,
    collections.deque,
    collections.Counter,
    collections.OrderedDict,
    collections.defaultdict,
)

OPERATIONS: dict[str, Callable[..., Any]] = {
    **{name: getattr(operator, name) for name in ("eq", "ne", "lt", "le", "gt", "ge")},
    **{name: getattr(operator, name) for name in ("add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "pow")},
    **{name: getattr(operator, name) for name in ("and_", "or_", "xor", "lshift", "rshift", "neg", "pos", "invert")},
    **{name: getattr(operator, name) for name in ("getitem", "setitem", "delitem", "index")},
    **{
        f.__name__: f
        for f in (abs, len, iter, next, hash, reversed, str, repr, bool, int, float, complex, bytes, format)
    },
    **{f.__name__: f for f in (dir, divmod, isinstance, issubclass, getattr, setattr, delattr)},
    "run": asyncio.run,
    "enter": lambda value: value.__enter__(),
    "exit": lambda value: value.__exit__(None, None, None),
}


class Solution:
    """A loaded program and what it has handed out.

    Args:
        descriptor: of the socket to the tester.
    """

    def __init__(self, descriptor: int) -> None:
        self._channel = Channel(descriptor, self._encode, self._decode)
        self._handed_out: list[Any] = []
        self._numbers: dict[int, int] = {}
        self._module = types.ModuleType("solution")

    def load(self, source: str) -> None:
        """Run the program's own lines."""
        sys.modules["solution"] = self._module
        exec(compile(source, "solution.py", "exec", dont_inherit=True), self._module.__dict__)

    def serve(self) -> None:
        """Answer until the tester is gone."""
        self._channel.send(["ready"])
        while True:
            self._answer(self._channel.receive())

    def _answer(self, request: list[Any]) -> None:
        try:
            reply = ["value", *self._do(*request)]
            self._channel.send(reply)
        except Gone:
            raise
        except BaseException as error:  # whatever it is, it is the program's answer
            self._channel.send(["raised", self._error(error)])

    def _do(self, what: str, *arguments: Any) -> list[Any]:
        if what == "name":
            return [self._channel.plain(getattr(self._module, arguments[0]))]
        if what == "call":
            function, positional, named = (self._channel.value(argument) for argument in arguments)
            values = [*positional, *named.values()]
            before = [self._channel.plain(value) if type(value) in MUTABLE else None for value in values]
            result = self._channel.plain(function(*positional, **named))
            after = [self._channel.plain(value) if type(value) in MUTABLE else None for value in values]
            changed = [[n, new] for n, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]
            return [result, changed]
        operation, operands = arguments
        return [self._channel.plain(OPERATIONS[operation](*self._channel.value(operands)))]

    def ask(self, number: int, what: str, *positional: Any, **named: Any) -> Any:
        """Let the tester call one of its own functions, or take the next of its items."""
        self._channel.send(["ask", number, what, self._channel.plain([list(positional), named])])
        while True:
            message = self._channel.receive()
            if message[0] == "told":
                return self._channel.value(message[1])
            if message[0] == "failed":
                kind = message[1]
                raise (self._handed_out[kind] if isinstance(kind, int) else getattr(builtins, kind))(*message[2])
            self._answer(message)

    def _encode(self, value: Any) -> dict[str, Any]:
        if isinstance(value, _Foreign):
            return {"theirs": value.number}
        if isinstance(value, type) and _is_builtin(value):
            return {"builtin": value.__name__}
        if isinstance(value, type) and issubclass(value, Exception):
            family = [kind for kind in value.__mro__ if issubclass(kind, Exception)]
            own = [kind for kind in family if not _is_builtin(kind)]
            base = next(kind for kind in family if _is_builtin(kind))
            return {"exception": [[[self._number(kind), kind.__name__] for kind in own], base.__name__]}
        return {"coroutine" if inspect.iscoroutine(value) else "ours": self._number(value)}

    def _number(self, value: Any) -> int:
        number = self._numbers.get(id(value))
        if number is None:
            number = self._numbers[id(value)] = len(self._handed_out)
            self._handed_out.append(value)  # stays alive, so that its id stays its own
        return number

    def _decode(self, data: dict[str, Any]) -> Any:
        ((tag, content),) = data.items()
        if tag == "ours":
            return self._handed_out[content]
        if tag == "theirs":
            return _Foreign(self, content)
        module, name = content
        return operator.attrgetter(name)(importlib.import_module(module)) if name else importlib.import_module(module)

    def _error(self, error: BaseException) -> list[Any]:
        kind = type(error) if isinstance(error, Exception) else RuntimeError
        try:
            arguments = self._channel.plain(list(error.args))
        except Exception:  # arguments of an exception are the program's own, too
            arguments = []
        return [self._encode(kind), arguments]


class _Foreign:
    """Something of the tester's: a function that can be called, or items that can be taken one by one."""

    def __init__(self, solution: Solution, number: int) -> None:
        self.number = number
        self._solution = solution

    def __call__(self, *positional: Any, **named: Any) -> Any:
        return self._solution.ask(self.number, "call", *positional, **named)

    def __iter__(self) -> _Foreign:
        return self

    def __next__(self) -> Any:
        return self._solution.ask(self.number, "next")


def _is_builtin(kind: type) -> bool:
    return vars(builtins).get(kind.__name__) is kind


def main(source: str, descriptor: int) -> None:
    """Run a program and answer for it until the tester is gone."""
    solution = Solution(descriptor)
    try:
        solution.load(source)
        solution.serve()
    except Gone:
        os._exit(0)
