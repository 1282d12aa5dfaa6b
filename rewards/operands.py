r"""Numbers that are a part of something larger: 42 in `x + 42`, `42x`, `sqrt(42)`, `x < 42`, `2^42`, `42 mod 5`.

The value of a part is nobody's answer. What makes a part is told by what stands right before and after the number, in
the notations of mathematics, LaTeX and programs. Words, units and the marks of a text make none: `42 apples`, `42 km`,
`= 42`, `-> 42`, `Answer - 42`, `**42**` and `42!` at the end of a sentence are answers.
"""

from __future__ import annotations

import re

REACH = 40  # characters before and after a number that are looked at

GREEK = (
    r"\\(?:(?:var)?(?:alpha|beta|gamma|delta|epsilon|theta|lambda|mu|nu|xi|pi|rho|sigma|tau|phi|chi|psi|omega)|infty)"
    r"(?![A-Za-z])|[αβγδεζηθικλνξπρστφχψωℯ∞]"
)
FUNCTION = r"(?:arcsin|arccos|arctan|sinh|cosh|tanh|sin|cos|tan|cot|sec|csc|ln|log|exp|sqrt|cbrt)"
RELATION = r"[≤≥≠⩽⩾≪≫]|<=|>=|!=|\\(?:leq?|geq?|leqslant|geqslant|lt|gt|neq?|ll|gg|equiv)(?![A-Za-z])"
# Most numbers stand after a word or a colon: nothing else needs to be looked at then.
PLAIN_BEFORE = re.compile(r"(?:[:=,;] |[.!?]\s|\b(?:is|are|equals|about|the|of|to|answer|get|so|have|gives)\s)$")
MARKS = r"[$*_ \t]*"  # of emphasis and formulas, between an operator and what it belongs to
# A variable before a dash, but not the letter of an option: `B - 42`.
BEFORE = re.compile(
    rf"""(?:
        [0-9)\]}}]!?\s*[-+*×÷·]\s*
      | [0-9]:
      | [0-9A-Za-z)\]}}]\s*/\s*
      | [\^_]\s*\{{?\s*
      | \}}\s*\{{\s*
      | \\(?:times|cdot|div|pm|mp)\s*
      | \\(?!text|math|bold|bm\b|f?box)[A-Za-z]+\s*\{{\s*
      | [√]\s*\(?\s*
      | (?:[^\W\d_]|[?…])[$_]*[ \t]*[+×÷·]{MARKS}                           # x + 42, cost + 42
      | [A-Za-z](?:\*\*?|[ \t]+\*[ \t]+)                                     # x*42; *42* is emphasis
      | (?<![A-Za-z])(?:[a-zF-Z]\$?[ \t]*-|[A-E]-){MARKS}                    # x - 42
      | (?:{GREEK})\$?[ \t]*[-+*]{MARKS}
      | [0-9]\s?x\s?                                                         # 3 x 42
      | (?<![A-Za-z\\])(?:(?<!\\left)[A-Za-z][A-Za-z0-9_]*|[0-9])\(\s*       # f(42), 2(42)
      | (?<![A-Za-z]){FUNCTION}(?:_\{{?\w+\}}?)?\s*[({{]?\s*
      | (?<![A-Za-z])p?mod(?:ulo)?\s*[({{]?\s*
      | (?:[0-9]|(?<![A-Za-z])[xyz])\s+(?:plus|times|choose|divided\ by)\s+
      | (?:{RELATION}){MARKS}
    )$""",
    re.VERBOSE,
)
LESS = re.compile(rf"(?:(?P<less><)|>){MARKS}$")
# `>` that compares nothing: a quotation at the start of a line, an arrow, the end of a tag.
NO_MORE = re.compile(r"(?:^|\n)[ \t]*(?:>[ \t]*)*>[$*_ \t]*$|[-=]+>[$*_ \t]*$|</?[A-Za-z_][^<>\n]*>[$*_ \t]*$")
SIGNED = re.compile(r"[0-9A-Za-z)\]}]$|(?:[0-9)\]}]|(?<![A-Za-z])[b-df-hj-np-tv-xz])[ \t]+$")
LETTERS = "abceiknpqrtuvwxyz"  # of variables; 42m, 42s and 42g have units
AFTER = re.compile(
    rf"""
        \s*(?:{GREEK}|\\(?:sqrt|times|cdot|div|p?mod|bmod|[lr]?frac|pm|mp)(?![A-Za-z])|[√×÷])
      | \s*\^(?!\s*\{{?\s*\\circ)
      | [*/][0-9(\\]
      | ,[0-9]
      # 42! is an exclamation where a sentence ends, else a factorial
      | !(?:[!*_"')\]]*[ \t]*[a-z0-9+\-/×÷=$\\^(]|[ \t]+\*[ \t]*[0-9])
      | (?!(?:in|pt|px|ct|kn|yr|qt|bit|cup|kb|tb|nb)\b)[{LETTERS}]{{1,3}}(?![A-Za-z])          # 42x, 42i
      | [ \t]*\*?[ \t]*[xyz](?![A-Za-z'’])(?=[ \t]*(?:[+*/=^$)}}.,;:!?<>\n]|$)|[ \t]+-)     # 42 x
      | [ \t]*[-+*][ \t]*[A-Za-z](?![A-Za-z'’])(?=[ \t]*(?:[-+*/=^$).,;!?<>\n]|$))            # 42 + x
      | [ \t]*[-+*/]?[ \t]*(?<![A-Za-z])(?:{FUNCTION}\s*\(|\\?sqrt(?![A-Za-z])|(?:pi|tau)(?![A-Za-z]))
      | /[xyz](?![A-Za-z])
      | \(\s*-?[A-Za-z][ \t]*[-+*/^]                                                           # 42(x + 1)
      | \s*(?:mod|modulo)(?![A-Za-z])
      | \s*(?:{RELATION})\s*-?[0-9A-Za-z\\]
      | \s*<(?:\s+|=?)(?:[0-9]|[A-Za-z](?![A-Za-z>]))
      | \s*>\s*(?:[0-9]|[A-Za-z](?![A-Za-z]))
    """,
    re.VERBOSE,
)


def is_operand(text: str, start: int, end: int) -> bool:
    """Whether the number from `start` (its sign included) to `end` of a text is a part of something larger."""
    before, after = text[max(0, start - REACH) : start], text[end : end + REACH]
    if AFTER.match(after):
        return True
    if PLAIN_BEFORE.search(before[-12:]):
        return False
    if BEFORE.search(before):
        return True
    if text[start] in "-+" and SIGNED.search(before):  # x+42, 40-42
        return True
    sign = LESS.search(before)
    return sign is not None and (sign["less"] is not None or not NO_MORE.search(before))
