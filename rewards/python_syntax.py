"""Python that can be compiled: a first step for models that do not write programs yet, before `python_tests`.

The program is found as in `python_tests`: the last fenced block tagged python or py, else the last fenced block, else
the whole completion. It is compiled and never run. Source can crash or hang the compiler itself, so that is done in
`core.sandbox`; what does so earns 0.
"""

from __future__ import annotations

from core.sandbox import Limits, SandboxError, run_python
from rewards.declaration import Example, RewardError, reward
from rewards.text import program_in

LIMITS = Limits(wall_s=5.0, memory_mb=512)  # a hundred times what a long completion takes
VERDICTS = {"compiles": 1.0, "does nothing": 0.0, "does not compile": 0.0}

# Runs in the sandbox, with the program as its standard input; it writes one of the verdicts.
CHECKER = """
import ast, sys, warnings

warnings.simplefilter("ignore")  # thousands of them could fill the output
ACTS = (ast.Call, ast.Await, ast.Yield, ast.YieldFrom, ast.NamedExpr)

def does_something(statement):
    if isinstance(statement, ast.Expr):
        return any(isinstance(node, ACTS) for node in ast.walk(statement))
    bare_annotation = isinstance(statement, ast.AnnAssign) and statement.value is None
    return not bare_annotation and not isinstance(statement, ast.Pass)

try:
    tree = ast.parse(sys.stdin.buffer.read().decode("utf-8"))
    compile(tree, "program.py", "exec")  # finds more than parsing does, such as a return outside a function
except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
    print("does not compile")
else:
    print("compiles" if any(map(does_something, tree.body)) else "does nothing")
"""

ADD = "def add(a, b):\n    return a + b"


@reward(
    title="Python syntax",
    family="code",
    examples=[
        Example(f"Here it is:\n```python\n{ADD}\n```\nIt adds.", 1.0, note="a block that compiles"),
        Example("```python\ndef add(a, b) return a + b\n```", 0.0, note="a colon is missing"),
        Example("", 0.0, note="empty"),
        Example("# add two numbers", 0.0, note="only a comment"),
        Example('"""Adds two numbers."""\npass', 0.0, note="only a docstring, and nothing"),
        Example("Answer: Paris", 0.0, note="prose that happens to be Python, without effect"),
        Example("return 42", 0.0, note="a return outside a function"),
        Example("(" * 10_000, 0.0, note="source that breaks the compiler"),
        Example(f"```python\n{ADD}\n```\nOutput:\n```\n5 6\n```", 1.0, note="a sample of its output may follow"),
    ],
    source="Compile rate, by Python's own compiler",
    timeout_s=30.0,
    timed=True,
    sandboxed=True,
)
def python_syntax(completion: str) -> float:
    """1 if the completion's program compiles as Python and does something, else 0.

    `python_syntax("print(42)")` is 1.0. Statements without effect do not count: docstrings, `pass`, bare names and
    formulas without a call, bare annotations (`Answer: Paris`). Nothing is run: `x = 1` passes for every task, so weigh
    it lightly beside `python_tests`. Syntax is that of the Python that Signalbox runs on.
    """
    try:
        outcome = run_python(CHECKER, program_in(completion), LIMITS)
    except SandboxError as error:
        raise RewardError(str(error)) from error
    verdict = outcome.stdout.strip()
    if outcome.exit_code == 0 and verdict in VERDICTS:
        return VERDICTS[verdict]
    if outcome.exit_code is None or outcome.exit_code < 0 or "MemoryError" in outcome.stderr:
        return 0.0  # the compiler hung, crashed or ran out of memory
    raise RewardError(f"the check ended with code {outcome.exit_code}: {outcome.stderr.strip()[-200:]}; report it")
