"""Tests see a program as if it were in their own process, in all that honest tests do."""

import pytest

from core.sandbox import Limits, Pool, run_tests

LIMITS = Limits(wall_s=5.0)

CLASSES = """
import collections, dataclasses, enum
class Stack:
    def __init__(self, items=()): self.items = list(items)
    def push(self, x): self.items.append(x)
    def pop(self):
        if not self.items: raise Empty('empty', 3)
        return self.items.pop()
    def __len__(self): return len(self.items)
    def __iter__(self): return iter(self.items)
    def __getitem__(self, i): return self.items[i]
    def __setitem__(self, i, x): self.items[i] = x
    def __eq__(self, other): return isinstance(other, Stack) and self.items == other.items
    def __add__(self, other): return Stack(self.items + other.items)
    def __lt__(self, other): return len(self) < len(other)
    def __repr__(self): return f'Stack({self.items})'
    def __enter__(self): return self
    def __exit__(self, *_): self.items.clear()
class Empty(LookupError): pass
class Emptier(Empty): pass
Point = collections.namedtuple('Point', 'x y')
@dataclasses.dataclass
class Pair: a: int; b: int
class Color(enum.Enum): RED = 1; BLUE = 2
def make(*items): return Stack(items)
def fail(): raise Emptier('more')
"""

FUNCTIONS = """
import math
from fractions import Fraction
LIMIT = 7
def add(a, b=1, *, c=0): return a + b + c
def same(x): return x
def sort(items): items.sort()
def fill(d): d['k'] = [1, 2]; d.pop('old', None)
def grow(s): s.add(9)
def each(f, items): return [f(x) for x in items]
def first(items): return next(iter(items))
def total(items): return sum(items)
def numbers(n):
    for i in range(n): yield i
def outer(n):
    def inner(x): return x + n
    return inner
def kind(t): return t('3')
def counts(text):
    import collections
    found = collections.defaultdict(int)
    for c in text: found[c] += 1
    return found
def divide(a, b): return a / b
def isclose(a, b): return abs(a - b) < 1e-9
async def later(x): return x + 1
class Queue: size = 2
queue = Queue()
array = [5]
"""


@pytest.mark.parametrize(
    "test",
    [
        "assert add(1) == 2 and add(1, 2) == 3 and add(1, b=2, c=3) == 6 and add(*[1], **{'c': 5}) == 7",
        "assert LIMIT == 7",
        "assert same(None) is None and same(True) is True and same(1.5) == 1.5",
        "for x in [2**70, -2**70, 'ö\\ud800', b'\\x00\\xff', 1e300, float('inf'), (1, (2,)), {1, 2}, frozenset({3}), 2j]:\n"
        "    assert same(x) == x and type(same(x)) is type(x)",
        "assert math.isnan(same(float('nan')))",
        "from collections import *\nfor x in [Counter('aab'), OrderedDict(a=1), deque([1]), defaultdict(int, a=1)]:\n"
        "    assert same(x) == x and type(same(x)) is type(x)",
        "import datetime as d, decimal\nfor x in [d.date(2026, 1, 2), d.datetime(2026, 1, 2, 3), d.timedelta(5, 6), decimal.Decimal('1.10')]:\n"
        "    assert same(x) == x and type(same(x)) is type(x)",
        "d = counts('aab')\nassert d == {'a': 2, 'b': 1} and d['c'] == 0",
        "from fractions import Fraction\nassert same(Fraction(1, 3)) == Fraction(1, 3)",
        "assert same(range(3)) == range(3) and same(...) is ...",
        "assert same({(1, 2): [3, {'a': None}]}) == {(1, 2): [3, {'a': None}]}",
        "x = [3, 1, 2]\nassert sort(x) is None\nassert x == [1, 2, 3]",
        "d = {'old': 1}\nfill(d)\nassert d == {'k': [1, 2]}",
        "s = {1}\ngrow(s)\nassert s == {1, 9}",
        "assert each(lambda x: x * 2, [1, 2]) == [2, 4]",
        "calls = []\neach(calls.append, [1, 2])\nassert calls == [1, 2]",
        "assert each(len, ['a', 'bb']) == [1, 2] and each(str.upper, ['a']) == ['A'] and kind(int) == 3",
        "assert first(iter([4])) == 4 and total(x for x in [1, 2]) == 3 and total(map(int, '12')) == 3",
        "assert list(numbers(3)) == [0, 1, 2] and next(numbers(1)) == 0 and [*numbers(2)] == [0, 1]",
        "assert 2 in numbers(3) and 5 not in numbers(3)",
        "assert outer(3)(4) == 7",
        "assert each(outer(1), [1]) == [2]",
        "assert callable(add) and add.__name__ == 'add'",
        "try:\n    divide(1, 0)\n    raise AssertionError\nexcept ZeroDivisionError as e:\n    assert str(e) == 'division by zero'",
        "import unittest\nwith unittest.TestCase().assertRaises(TypeError):\n    add()",
        "import unittest\nclass T(unittest.TestCase):\n    def test(self): self.assertEqual(add(1), 2)\n"
        "assert unittest.TextTestRunner().run(unittest.defaultTestLoader.loadTestsFromTestCase(T)).wasSuccessful()",
        "def check(candidate):\n    assert candidate(1) == 2\ncheck(add)",
        "import solution\nassert solution.add(1) == 2\nfrom solution import add as plus\nassert plus(2) == 3",
        "import asyncio\nassert isclose(0.1 + 0.2, 0.3) and math.isclose(divide(1, 3), 0.3333333333)",
        "try:\n    nothing_of_that_name\n    raise AssertionError\nexcept NameError:\n    pass",
        "import sys\nadd(1)\nsys.exit(0)",
        "import asyncio\nassert asyncio.run(later(1)) == 2",
        "import asyncio\nasync def main():\n    return [await later(1), *await asyncio.gather(later(2), later(3))]\n"
        "assert asyncio.run(main()) == [2, 3, 4]",
        "assert queue.size == 2 and array[0] == 5",
        "assert each(lambda x: each(lambda y: x + y, [1]), [1, 2]) == [[2], [3]]",
        "def bad(x): raise KeyError('k')\ntry:\n    each(bad, [1])\n    raise AssertionError\nexcept KeyError as e:\n    assert e.args == ('k',)",
        "import copy, random, string\nassert same(copy.deepcopy([1])) == [1]",
    ],
)
def test_functions(test):
    assert run_tests(FUNCTIONS, [test], limits=LIMITS) == [True]


@pytest.mark.parametrize(
    "test",
    [
        "s = Stack([1])\ns.push(2)\nassert s.pop() == 2 and len(s) == 1 and list(s) == [1] and s[0] == 1",
        "s = Stack([1])\ns[0] = 5\nassert s[0] == 5 and s.items == [5]\ns.items = [7]\nassert s.pop() == 7",
        "assert Stack([1]) == make(1) and Stack([1]) != make(2) and make(1) + make(2) == make(1, 2)",
        "assert sorted([make(1, 2), make(3)])[0][0] == 3 and make() < make(1)",
        "assert str(make(1)) == repr(make(1)) == f'{make(1)}' == 'Stack([1])'",
        "assert isinstance(make(), Stack) and not isinstance(3, Stack) and not isinstance(make(), Pair)",
        "assert not make() and make(1)",
        "with make(1) as s:\n    assert len(s) == 1\nassert len(s) == 0",
        "try:\n    make().pop()\n    raise AssertionError\nexcept Empty as e:\n    assert e.args == ('empty', 3)",
        "try:\n    make().pop()\n    raise AssertionError\nexcept LookupError:\n    pass",
        "try:\n    fail()\n    raise AssertionError\nexcept Empty as e:\n    assert type(e).__name__ == 'Emptier'",
        "p = Point(1, 2)\nassert p == (1, 2) and p.x == 1 and p._asdict() == {'x': 1, 'y': 2}",
        "assert Pair(1, 2) == Pair(1, 2) and Pair(1, 2).b == 2 and Pair(1, 2) != Pair(1, 3)",
        "assert Color.RED.value == 1 and Color.RED.name == 'RED' and Color(1) == Color.RED and Color.RED is not Color.BLUE",
        "assert 1 in make(1, 2) and 3 not in make(1)",
        "a = make(1)\nb = [a, a]\nassert b[0] is b[1] is a and len({make: 1, Stack: 2}) == 2",
        "assert hasattr(make(), 'push') and not hasattr(make(), 'peek') and getattr(make(), 'peek', 5) == 5",
        "s = make(1)\ndel s.items\nassert not hasattr(s, 'items')",
    ],
)
def test_objects_of_the_programs_own_classes(test):
    assert run_tests(CLASSES, [test], limits=LIMITS) == [True]


@pytest.mark.parametrize(
    "test",
    [
        "assert add(1) == 3",
        "assert nothing(1)",
        "add(",
        "raise SystemExit(1)",
        "raise KeyboardInterrupt",
        "assert Pair(1, 2) * 2 == Pair(2, 4)",
        "1 / 0",
    ],
)
def test_a_test_that_does_not_come_to_its_end_has_failed(test):
    assert run_tests(FUNCTIONS + CLASSES, [test], limits=LIMITS) == [False]


def test_tests_are_judged_one_by_one():
    tests = ["assert add(1) == 2", "assert add(1) == 3", "assert add(2) == 3"]
    assert run_tests(FUNCTIONS, tests, limits=LIMITS) == [True, False, True]


def test_a_program_keeps_its_state_from_test_to_test():
    program = "count = 0\ndef up():\n    global count\n    count += 1\n    return count"
    assert run_tests(program, ["assert up() == 1", "assert up() == 2", "assert count == 2"]) == [True] * 3


def test_tests_after_the_time_is_up_have_failed():
    tests = ["assert add(1) == 2", "while True: pass", "assert add(1) == 2"]
    assert run_tests(FUNCTIONS, tests, limits=Limits(wall_s=0.5)) == [True, False, False]


def test_tests_after_the_end_of_the_program_have_failed():
    program = "import os\ndef f(): return 1\ndef g(): os._exit(0)"
    assert run_tests(program, ["assert f() == 1", "assert g() is None", "assert f() == 1"]) == [True, False, False]


def test_a_program_that_does_not_run_fails_all_tests():
    assert run_tests("def f(: pass", ["assert True", "pass"]) == [False, False]


def test_the_function_under_test_may_have_any_name():
    test = "def check(candidate):\n    assert candidate([1, 2]) == 'mine'\ncheck(candidate)"
    assert run_tests("def sum(items): return 'mine'", [test], candidate="sum") == [True]
    assert run_tests("def other(): pass", [test], candidate="sum") == [False]


def test_large_values_cross_and_too_large_ones_fail_the_test():
    program = "def f(n): return list(range(n))\ndef g(n): return 'x' * n"
    tests = [
        "assert len(f(100_000)) == 100_000",
        "assert len(g(1_000_000)) == 1_000_000",
        "assert len(g(10**8)) == 10**8",
    ]
    assert run_tests(program, tests, limits=Limits(wall_s=5, memory_mb=1024)) == [True, True, False]


def test_values_that_hold_themselves_do_not_hang():
    program = "def f():\n    x = [1]\n    x.append(x)\n    return x"
    assert run_tests(program, ["assert f()[0] == 1 and f()[1][1][0] == 1"]) == [True]


@pytest.mark.parametrize("test", ["assert pow(2, 10) == 1024", "import math\nassert math.pi > 3", "pass"])
def test_a_test_that_asks_nothing_of_the_program_says_nothing_about_it(test):
    assert run_tests("def pow(a, b): return 0", [test]) == [None]


def test_the_same_program_does_the_same_in_every_server():
    program = "def f(): return list({'a', 'b', 'c', 'd', 'e'})"
    found = set()
    for _ in range(4):
        pool = Pool()
        found.add(tuple(run_tests(program, [f"assert f()[0] == {letter!r}" for letter in "abcde"], pool=pool)))
        pool.close()
    assert len(found) == 1


SUITE = "import unittest\nfrom solution import add\nclass T(unittest.TestCase):\n    def test(self): self.assertEqual(add(1), {})\n"


@pytest.mark.parametrize(
    "run",
    [
        "unittest.main()",
        "if __name__ == '__main__':\n    unittest.main()",
        "unittest.main(argv=[''], exit=False)",
        "unittest.TextTestRunner().run(unittest.defaultTestLoader.loadTestsFromTestCase(T))",
    ],
)
def test_a_suite_of_unittest_passes_if_all_its_tests_do(run):
    assert run_tests(FUNCTIONS, [SUITE.format(2) + run], limits=LIMITS) == [True]
    assert run_tests(FUNCTIONS, [SUITE.format(3) + run], limits=LIMITS) == [False]


@pytest.mark.parametrize(
    "test",
    [
        "from solution import add\ndef test_add():\n    assert add(1) == 3",
        SUITE.format(3),
        "import numpy\nassert add(1) == 2",
        "assert add(1) == 2\nfrom math import nothing",
    ],
)
def test_tests_that_never_run_or_cannot_say_nothing(test):
    assert run_tests(FUNCTIONS, [test], limits=LIMITS) == [None]


@pytest.mark.parametrize("program", ["", "def other(): pass", "def __getattr__(name): raise ImportError(name)"])
def test_a_program_that_lacks_what_tests_import_from_it_has_failed(program):
    assert run_tests(program, ["from solution import f\nassert f(2) == 4"], limits=LIMITS) == [False]


@pytest.mark.parametrize(
    "test",
    [
        "try:\n    bad()\nexcept Exception as error:\n    said = str(error)\nassert said == 'bad'",
        "try:\n    check(-1)\nexcept AssertionError as error:\n    said = error.args\nassert said == ('negative',)",
        "import unittest\nclass T(unittest.TestCase):\n    def test(self):\n"
        "        with self.assertRaises(Exception):\n            bad()\nunittest.main()",
    ],
)
def test_a_program_may_raise_a_bare_exception_or_its_own_failed_assertion(test):
    program = "def bad(): raise Exception('bad')\ndef check(x): assert x > 0, 'negative'"
    assert run_tests(program, [test], limits=LIMITS) == [True]
    assert run_tests("def bad(): pass\ndef check(x): pass", [test], limits=LIMITS) == [False]


def test_the_end_of_an_iterator_still_ends_a_loop():
    program = "def count():\n    yield 1\n    yield 2"
    tests = [
        "assert list(count()) == [1, 2]",
        "n = count()\nassert (next(n), next(n), next(n, 'end')) == (1, 2, 'end')",
    ]
    assert run_tests(program, tests, limits=LIMITS) == [True, True]


def test_a_part_of_a_unittest_that_fails_has_failed():
    test = (
        "import unittest\nclass T(unittest.TestCase):\n    def test(self):\n        for a, b in [(2, 4), (3, 6)]:\n"
        "            with self.subTest(a=a):\n                self.assertEqual(double(a), b)\nunittest.main(exit=False)"
    )
    assert run_tests("def double(x): return 2 * x", [test], limits=LIMITS) == [True]
    assert run_tests("def double(x): return 4", [test], limits=LIMITS) == [False]
