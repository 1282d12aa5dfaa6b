"""algebra: spellings of formulas, and that nothing makes it wait for ever, in whatever thread or state it is."""

import os
import select
import signal
import subprocess
import sys
import threading
import time
from fractions import Fraction

import pytest

from rewards import algebra
from rewards.algebra import formula_text, same_formula, value_of
from rewards.declaration import RewardError

# sympy raises 20000 to the power 123456789 over it, in one operation that no thread and no signal handler interrupts.
ENDLESS = r"(\log(\pi)\pm 123456789\pm y)(20000y^{n})"


def parent(code):
    """What a Python process with this code prints."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$x$", "x"),
        ("2*x**2", "2*x^2"),
        ("2²", "2^{2}"),
        ("x >= pi", r"x \ge \pi"),
        ("x ≠ ∞", r"x \ne \infty"),
        ("sin(x) + arctan x", r"\sin(x) + \arctan x"),
        ("sqrt(x + 1)", r"\sqrt{x + 1}"),
        (r"\sqrt{2}\text{ cm}^2", r"\sqrt{2}"),
        (r"2\sqrt{3}\text{m}", r"2\sqrt{3}"),
        (r"2\mathrm{e}", "2e"),
        (r"\angle\text{A}", r"\angle\text{A}"),
        ("2x cm", "2x"),
        ("2x seconds", "2x"),
        ("2x bananas", "2x bananas"),
        (r"\mathrm{e}", "e"),
        ("1 and 2", "1, 2"),
        (r"1 \text{ or } 2", "1, 2"),
        (r"\text{Evelyn}", r"\text{Evelyn}"),
        (r"k\pi, k \in \mathbb{Z}", r"k\pi"),
        (r"x \in \mathbb{Z}", r"x \in \mathbb{Z}"),
        ("pier", "pier"),
    ],
)
def test_a_formula_is_put_in_one_spelling(text, expected):
    assert formula_text(text).split() == expected.split()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"\left(\frac{1}{2}\right)", (Fraction(1, 2), True, True)),
        (r"\sqrt{16}", (4, False, True)),
        ("5+37", (42, False, True)),
        ("0.5+0.25", (Fraction(3, 4), False, True)),
        (r"\infty", None),
        ("x", None),
        ("3i", None),
        (r"\{1\}", None),
        (r"\frac{1}{0}", None),
    ],
)
def test_a_formula_has_a_value_where_it_is_a_number(text, expected):
    found = value_of(text)
    assert found == (expected and algebra.Value(*expected))


def test_an_irrational_number_is_known_to_thirty_digits():
    found = value_of(r"\sqrt{17}")
    assert not found.rational
    assert abs(found.value**2 - 17) < Fraction(1, 10**28)


@pytest.mark.parametrize("in_thread", [False, True])
def test_what_would_take_for_ever_ends_and_the_next_question_is_answered(monkeypatch, in_thread):
    assert same_formula("x>3", "3<x")  # the process has started
    monkeypatch.setattr(algebra, "SECONDS", 1.0)
    outcomes = []

    def ask():
        try:
            same_formula("x>3", ENDLESS)
        except RewardError as error:
            outcomes.append(str(error))

    start = time.perf_counter()
    if in_thread:
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
    else:
        ask()
    assert "could not be compared" in outcomes[0]
    assert time.perf_counter() - start < 3
    monkeypatch.undo()
    assert value_of(f"6+{in_thread:d}").value == 6 + in_thread


def test_what_has_no_end_while_it_is_read_is_no_formula(monkeypatch):
    assert same_formula("x>6", "6<x")
    monkeypatch.setattr(algebra, "SECONDS", 1.0)
    monkeypatch.setattr(algebra, "COSTLY", algebra.re.compile("(?!)"))
    assert not same_formula("x>6", r"\sqrt[\sqrt[123456789]{123456789}]{6}")


def test_threads_that_ask_at_once_get_their_own_answers():
    found = {}
    threads = [
        threading.Thread(target=lambda n=n: found.update({n: value_of(f"{n} + {n}").value})) for n in range(100, 140)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {n: 2 * n for n in range(100, 140)}


def test_a_process_that_was_killed_is_replaced():
    assert value_of("7+1").value == 8
    os.kill(algebra.ALGEBRA._process.pid, signal.SIGKILL)
    algebra.ALGEBRA._process.wait()
    assert value_of("7+2").value == 9


def test_an_interrupted_question_leaves_no_answer_behind(monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    assert same_formula("x>7", "7<x")
    old = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    try:
        with pytest.raises(KeyboardInterrupt):
            same_formula("x>3", ENDLESS)
    finally:
        signal.signal(signal.SIGALRM, old)
    assert value_of("7+3").value == 10


def test_a_process_that_cannot_work_is_an_error_and_no_verdict(monkeypatch):
    broken = algebra._Algebra()
    monkeypatch.setattr(algebra, "ALGEBRA", broken)
    monkeypatch.setattr(algebra, "COMMAND", [sys.executable, "-c", "raise SystemExit(3)"])
    with pytest.raises(RewardError, match="code 3"):
        same_formula("x+11", "11+x")


def test_a_forked_child_has_a_process_of_its_own():
    printed = parent(
        """if True:
        import os
        from rewards.algebra import ALGEBRA, value_of
        value_of("1+1")
        child = os.fork()
        if child:
            os.waitpid(child, 0)
        print(ALGEBRA._process and ALGEBRA._process.pid, value_of("1+2").value, ALGEBRA._process.pid, flush=True)
        """
    )
    (none, three, childs), (pid, also_three, same_pid) = (line.split() for line in printed.splitlines())
    assert (none, three, also_three) == ("None", "3", "3")
    assert childs != pid == same_pid


def test_the_process_ends_with_its_parent():
    pid = int(
        parent(
            "import os, signal; from rewards.algebra import ALGEBRA, same_formula; same_formula('x', 'x');"
            "print(ALGEBRA._process.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
        )
    )
    try:
        ending = os.pidfd_open(pid)
    except ProcessLookupError:  # it has ended already
        return
    with os.fdopen(ending):
        assert select.select([ending], [], [], 10)[0]
