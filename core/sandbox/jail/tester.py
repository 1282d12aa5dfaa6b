"""The process that tests an untrusted program: it alone holds the tests and the file for verdicts.

Names that a test does not define itself are looked up in the program's process. Plain values cross; anything else
stays there, and a `Handle` stands for it here. Where a test calls a function of the program with an expected value as
an argument, the program has it: no grader can help that.
"""

from __future__ import annotations

import ast
import builtins
import collections
import operator
import os
import sys
import types
import unittest
from collections.abc import Iterator
from typing import Any

from channel import Channel, Gone
from handles import Handle, do

# Raised by anything but the next item, they would end a loop of the test as if all were well.
ENDS_OF_LOOPS = (StopIteration, StopAsyncIteration)


class Tester:
    """Runs tests against the program at the other end of a socket."""

    def __init__(self, descriptor: int) -> None:
        self.channel = Channel(descriptor, self._encode, self._decode)
        self._lent: list[Any] = []
        self._handles: dict[int, Handle] = {}
        self._exceptions: dict[int, type[Exception]] = {}
        self.asked = False  # whether the program has been tried in this test
        self.failed = False  # whether a test of unittest's has failed in it
        self.theirs: Exception | None = None  # what the program raised last

    def wait(self) -> bool:
        """Whether the program has run its own lines to their end."""
        try:
            return bool(self.channel.receive() == ["ready"])
        except Gone:
            return False

    def begin(self) -> None:
        """Another test: what the last one lent to the program is its own no more."""
        self.asked = self.failed = False
        self._lent.clear()

    def ask(self, request: list[Any]) -> list[Any]:
        """What the program answers, as values. While it works, it may call functions that were passed to it."""
        self.asked |= request[0] != "name"
        self.channel.send(request)
        while True:
            message = self.channel.receive()
            match message:
                case ["value", *data]:
                    return [self.channel.value(data[0]), *data[1:]]
                case ["raised", [kind, arguments]]:
                    self.theirs = self._raised(kind, arguments)
                    if isinstance(self.theirs, ENDS_OF_LOOPS) and request[:2] != ["do", "next"]:
                        raise RuntimeError("the program raised StopIteration") from self.theirs
                    raise self.theirs
                case ["ask", int(number), str(what), arguments]:
                    self._tell(number, what, arguments)
                case _:
                    raise Gone("not a message")

    def name(self, name: str) -> Any:
        """What the program calls by a name; NameError where it does not."""
        try:
            found = self.ask(["name", name])[0]
        except AttributeError:
            self.asked = True
            raise NameError(f"name {name!r} is not defined") from None
        self.asked |= type(found) is not Handle  # a function that is only named has not been tried
        return found

    def call(self, function: Handle, positional: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Call a function of the program; what it changes in lists, dicts and sets is changed here too."""
        plain = self.channel.plain
        values = [*positional, *named.values()]
        result, changed = self.ask(["call", plain(function), plain(list(positional)), plain(dict(named))])
        for number, new in changed:
            _replace(values[number], self.channel.value(new))
        return result

    def _tell(self, number: int, what: str, data: Any) -> None:
        try:
            positional, named = self.channel.value(data)
            lent: Any = self._lent[number] if number >= 0 else None
            result = lent(*positional, **named) if what == "call" else next(lent)
            self.channel.send(["told", self.channel.plain(result)])
        except Gone:
            raise
        except SystemExit as end:  # only a test itself may end a test
            raise RuntimeError("a function of the test called sys.exit") from end
        except Exception as error:
            kind = type(error)
            ours = next((number for number, known in self._exceptions.items() if known is kind), None)
            name = kind.__name__ if getattr(builtins, kind.__name__, None) is kind else "RuntimeError"
            texts = [argument for argument in error.args if isinstance(argument, str)]
            self.channel.send(["failed", name if ours is None else ours, texts])

    def _encode(self, value: Any) -> dict[str, Any]:
        if type(value) is Handle:
            return {"ours": object.__getattribute__(value, "_number")}
        if isinstance(value, types.ModuleType):
            return {"known": [value.__name__, ""]}
        module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
        if module in sys.modules and module != "__main__" and isinstance(name, str):
            try:
                if operator.attrgetter(name)(sys.modules[module]) is value:
                    return {"known": [module, name]}
            except AttributeError:
                pass
        if callable(value) or isinstance(value, Iterator):
            self._lent.append(value)
            return {"theirs": len(self._lent) - 1}
        raise TypeError(f"a {type(value).__name__} cannot be passed to the program")

    def _decode(self, data: dict[str, Any]) -> Any:
        match data:
            case {"ours": int(number)}:
                if number not in self._handles:
                    self._handles[number] = Handle(self, number)
                return self._handles[number]  # the same object each time, as it is there
            case {"coroutine": int(number)}:
                return self._awaited(Handle(self, number))
            case {"theirs": int(number)} if 0 <= number < len(self._lent):
                return self._lent[number]
            case {"builtin": str(name)} if _is_plain_type(getattr(builtins, name, None)):
                return getattr(builtins, name)
            case {"exception": [list(own), str(base)]}:
                return self._exception(own, base)
        raise Gone("not a value")

    async def _awaited(self, coroutine: Handle) -> Any:
        """A coroutine of the program's, which runs there when it is awaited here."""
        return do(coroutine, "run", coroutine)

    def _exception(self, own: list[Any], base: str) -> type[Exception]:
        """A class of our own for each exception class of the program, so that a test can catch it."""
        kind = getattr(builtins, base, None)
        if not (isinstance(kind, type) and issubclass(kind, Exception)):
            raise Gone("not an exception")
        if not own and not _is_plain_type(kind):
            raise Gone("a name for what a failing test raises")
        for number, name in reversed(own[:10]):
            kind = self._exceptions.setdefault(int(number), type(str(name), (kind,), {}))
        return kind

    def _raised(self, kind: Any, arguments: Any) -> Exception:
        match kind:
            case {"builtin": "Exception" | "AssertionError" as name}:  # may be raised, but no name may stand for it
                found = getattr(builtins, name)
            case _:
                found = self.channel.value(kind)
        if not (isinstance(found, type) and issubclass(found, Exception)):
            raise Gone("not an exception")
        values = self.channel.value(arguments)
        try:
            return found(*values)
        except Exception:  # some built-in ones want arguments of their own kind
            return RuntimeError(found.__name__)


def _is_plain_type(kind: Any) -> bool:
    """Whether a built-in type may cross: no exception that would end a test, or be taken for its own failure."""
    if not isinstance(kind, type):
        return False
    if issubclass(kind, BaseException):
        return issubclass(kind, Exception) and kind not in (Exception, AssertionError)
    return True


class _Names(dict[str, Any]):
    """What tests define, and behind it what the program does. Built-in names stay built-in."""

    def __init__(self, tester: Tester) -> None:
        super().__init__(__name__="__main__")
        self._tester = tester

    def __missing__(self, name: str) -> Any:
        if hasattr(builtins, name):
            raise KeyError(name)
        try:
            return self._tester.name(name)
        except NameError:
            raise KeyError(name) from None


class _Module(types.ModuleType):
    """`import solution` in a test program."""

    def __init__(self, tester: Tester) -> None:
        super().__init__("solution")
        self._tester = tester

    def __getattr__(self, name: str) -> Any:
        # The import system asks for names of its own, and `import *` must not replace what tests are made of.
        if name.startswith("__") or hasattr(builtins, name):
            raise AttributeError(f"module 'solution' has no attribute {name!r}")
        try:
            return self._tester.name(name)
        except NameError as error:
            raise AttributeError(str(error)) from None


class _Main(types.ModuleType):
    """The tests as the main module, where `unittest.main()` looks for them."""

    def __init__(self, names: _Names) -> None:
        super().__init__("__main__")
        self._names = names

    def __getattr__(self, name: str) -> Any:
        try:
            return self._names[name]
        except KeyError:
            raise AttributeError(name) from None

    def __dir__(self) -> list[str]:
        return list(self._names)


def _heed_unittest(tester: Tester) -> None:
    """A test of unittest's that fails has failed, whatever becomes of the result of its suite."""
    for name in ("addFailure", "addError", "addUnexpectedSuccess"):
        method = getattr(unittest.TestResult, name)

        def noted(result: Any, *given: Any, method: Any = method) -> Any:
            tester.failed = True
            return method(result, *given)

        setattr(unittest.TestResult, name, noted)
    add_sub_test = unittest.TestResult.addSubTest  # notes its failures by itself

    def sub_test_noted(result: Any, test: Any, subtest: Any, error: Any) -> Any:
        tester.failed |= error is not None
        return add_sub_test(result, test, subtest, error)

    setattr(unittest.TestResult, "addSubTest", sub_test_noted)  # noqa: B010


def _replace(old: Any, new: Any) -> None:
    """Make a list, dict, set, bytearray or deque what the program has made of its copy."""
    if type(old) is not type(new):
        raise Gone("another type")
    if isinstance(old, list | bytearray):
        old[:] = new
    elif isinstance(old, collections.deque):
        old.clear()
        old.extend(new)
    else:
        old.clear()
        old.update(new)


def modules_meant(tree: ast.AST) -> dict[str, types.ModuleType]:
    """Modules that a test uses by `name.attribute` without importing them, as if the program had.

    Taken from here and not from the program: its `math.isclose` would say yes to everything. A name is a module's only
    where the module has all that the test wants of it: `queue.push` is no business of the module queue.
    """
    nodes = list(ast.walk(tree))
    calls = [node.func for node in nodes if isinstance(node, ast.Call)]
    called = {function.id for function in calls if isinstance(function, ast.Name)}
    wanted: dict[str, set[str]] = {}
    for node in nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id not in called:
            wanted.setdefault(node.value.id, set()).add(node.attr)
    known = sys.stdlib_module_names & sys.modules.keys()
    return {
        name: sys.modules[name]
        for name, attributes in wanted.items()
        if name in known and all(hasattr(sys.modules[name], attribute) for attribute in attributes)
    }


def main(tests: list[str], candidate: str, descriptor: int, verdicts: int) -> None:
    """Run tests in turn and write "1" or "0" for each, or "-" for one that came to its end without the program.

    Args:
        tests: each a piece of Python that raises where the program is wrong.
        candidate: the program's name for what the tests call `candidate`; empty where they call none.
        descriptor: of the socket to the program.
        verdicts: file descriptor to write to.
    """
    tester = Tester(descriptor)
    if not tester.wait():
        return
    names = _Names(tester)
    sys.modules["solution"] = _Module(tester)
    sys.modules["__main__"] = _Main(names)
    sys.argv[:] = ["test.py"]
    _heed_unittest(tester)
    for test in tests:
        tester.begin()
        passed = _passes(test, candidate, names, tester)
        os.write(verdicts, b"0" if not passed or tester.failed else b"1" if tester.asked else b"-")


def _passes(test: str, candidate: str, names: _Names, tester: Tester) -> bool:
    try:
        tree = ast.parse(test, "test.py")
        for name, module in modules_meant(tree).items() if "." in test else ():
            names.setdefault(name, module)
        if candidate:
            names["candidate"] = tester.name(candidate)
            tester.asked = False
        exec(compile(tree, "test.py", "exec", dont_inherit=True), names)
    except ImportError as error:  # one of the test's own says nothing about the program
        tester.asked = error is tester.theirs or error.name == "solution"  # a name that the program lacks
        return not tester.asked
    except SystemExit as end:  # a test program's own: the program's cannot be raised here
        return end.code in (None, 0)
    except BaseException:  # whatever a test ends with, it is not passed
        return False
    return True
