r"""math_answer agrees with math-verify on the examples of math-verify's own tests, or says here why it does not.

Source of the pairs and verdicts: github.com/huggingface/Math-Verify, tests/test_*.py at 5d148cf (0.8.0, Apache-2.0),
all that compare a gold answer with a completion, without duplicates. Texts of more than some hundred characters are cut
to the part that decides, which math-verify 0.9.0 judges as it does the whole. The groups are named after its tests.
"""

import pytest

from rewards.math_answer import math_answer

# Gold answer, completion, math-verify's verdict; parameters where that test sets a precision.
EXAMPLES = {
    "number_extraction": [
        ("-5", "-5", 1),
        ("7425000", "7,425,000", 1),
        ("1000", "1 000", 1),
        ("1000", "1000.0", 1),
        ("1000.0", "1,000.0", 1),
        ("1000.99", "1000,99", 1),
        ("1,22", "1.22", 1),
        ("2.74", "Soucis : 2,74 $ a..", 1),
        ("0.4", ".4", 1),
        ("1000.99", "1,000.99", 1),
        ("1000.99", "$1,000.99", 1),
        ("1000.99", "1,000.99$", 1),
        ("1000.99", "the number is not 10 which is 1,000.99€", 1),
        ("1000.99", "so the number is 10 which is 1,000.99m²", 1),
        ("1000.99", "not it's not 10 it's 1,000.99m²", 1),
        ("0,111", "0.111", 1),
        ("2", "AZYUK2A", 0),
    ],
    "simple_fraction_notation": [
        ("10/9", r"\frac{10}{9}", 1),
        ("-10/9", r"-\frac{10}{9}", 1),
    ],
    "sets_handling": [
        ("$[0,1)$", "$[0,1)$", 1),
        ("$[0,9)$", "$[0,1)$", 0),
        ("$(0,9)$", "$[0,9)$", 0),
        ("$1$", "$-[0,1)$", 0),
    ],
    "latex_notation": [
        ("$9$", r"Answer \[ 9 \]", 1),
        ("$9$", "Answer $ 9 $", 1),
        ("$9$", "Answer $$ 9 $$", 1),
        ("$9$", r"Answer \( 9 \)", 1),
        ("$10$", r"Answer \( (9+1) \)", 1),
        ("$9$", "Answer $ \n 9 \n $", 0),
        ("$9$", "Answer \\( \n 9 \n \\)", 0),
        ("$9$", "Answer \\[ \n 9 \n \\]", 1),
        ("$9$", "Answer $$ \n 9 \n $$", 1),
        ("$10/9$", r"Answer $ \frac{1}{2} \$ = \frac{10}{9} $", 1),
        ("$1/3$", r"$\frac13 $", 1),
        ("$1$", r"$\frac3{3} $", 1),
        (r"$\sqrt{3}$", r"$\sqrt3 $", 1),
        ("$1/3$", r"$\cfrac{1}{3} $", 1),
        ("$1/3$", r"$\dfrac{1}{3} $", 1),
        ("$1/3$", r"$\tfrac{1}{3} $", 1),
        ("$1/3$", "$ 1/3 $", 1),
        ("$1/3$", r"$\left( \frac{1}{3} \right)$", 1),
        ("$1/3$", r"$\boxed{\frac{1}{3}}$", 1),
        ("$1/3$", r"$\frac{1}{3} \text{meters}$", 1),
        ("$1/3$", r"$\frac{1}{3} \textbf{meters}$", 1),
        ("$1/3$", r"$k = \frac{1}{3}$", 1),
    ],
    "percent_notation": [
        (r"$28\%$", "28 percent", 1),
        (r"$28\%$", "28 pct", 1),
        (r"$28\%$", "28 %", 1),
        (r"$28\%$", "$28$ %", 1),
        (r"$28\%$", "$28$ percent", 1),
        (r"$28\%$", r"$\boxed{28}$ pct", 1),
        (r"$28\%$", r"$\boxed{28 pct}", 1),
        (r"$28\%$", r"$\boxed{28 percent}", 1),
        (r"$28\%$", r"$\boxed{28 percentage}", 1),
    ],
    "latex_notation_math": [
        ("$2-2p$", r"Since $x<2$, it follows that $|x-2|=2-x$. If $2-x=p$, then $x=2-p$. Thus $x-p=\boxed{2-2p}$.", 1),
        (
            "\\boxed{\n\\begin{pmatrix} 0 & 3 \\\\ 0 & -1 \\end{pmatrix}\n}.\n\\end{align*}",
            "\\boxed{\n\\begin{pmatrix} 0 & 3 \\\\ 0 & -1 \\end{pmatrix}\n}.\n\\end{align*}",
            1,
        ),
        (
            (
                r"final answer is $28 \%$. I hope it is correct. Note: The solution provided is incorrect. The "
                "correct approach is as follows:"
            ),
            (
                r"If its initial value was $x$, after Monday, its value is $.9x$, and after a further $20\%$ "
                r"loss, its value becomes $.8\cdot .9x = .72x$, making for a total loss of $\boxed{28\%}$."
            ),
            1,
        ),
        (
            (
                "is not a multiple of $3$, since $1 + 4 + 9 + 1 + 2 = 17.$ However, our next possibility, "
                "$14{,}916,$ is a multiple of $3,$ since $1 + 4 + 9 + 1 + 6 = 21.$ Therefore, "
                r"$\boxed{14{,}916}$ is our answer."
            ),
            (
                "final answer is $14 {, }916$. I hope it is correct. Note: The solution provided assumes that "
                "$A$ and $B$ are digits that are nonzero, and it correctly identifies the conditions for "
                "divisibility by 3 a"
            ),
            1,
        ),
        (
            (
                r"$\boxed{12\text{ and }13}$. To be more precise, $\sqrt{50}>7$, but we're still able to say "
                r"that $\sqrt{30}+\sqrt{50}<(6+7)$ when we add a slightly greater quantity to the left side "
                r"since the difference between $6$ and $\sqrt{30}$ is much greater than the difference between "
                r"$\sqrt{50}$ and $7$."
            ),
            (
                r"We have that \begin{align*} \sqrt{30 } + \sqrt{50 }&=\sqrt{30 } + \sqrt{25 \cdot2 } \ "
                r"&=\sqrt{30 } + 5 \sqrt{2 } \ &\approx5.477 + 5 \cdot1.414 \ &\approx5.477 + 7.07 \ "
                r"&\approx12.547. \end{align*}Therefore, the graph of the sum $\sqrt{30 } + \sqrt{50 }$ is "
                r"located between $\boxed{12 $ and $13 }. $ Final Answer: The final answer is \"$12 $ and $13 "
                r"$\". I hope it is correct."
            ),
            1,
        ),
        (
            r"$(3, \frac{\pi}{2})$",
            (
                r"red);\nlabel(\"$(0,3)$\", (0,3), W);\ndot((3,0), red);\n[/asy]\n\nTherefore, the polar "
                r"coordinates are $\\boxed{\\left( 3, \\frac{\\pi}{2} \\right)}.$"
            ),
            1,
        ),
        (
            r"$\frac{14}{3}$",
            (
                r"$f(-2)+f(-1)+f(0)=\frac{3(-2)-2}{-2-2}+\frac{3(-1)-2}{-1-2}+\frac{3(0)-2}{0-2}"
                r"=\frac{-8}{-4}+\frac{-5}{-3}+\frac{-2}{-2}=2+\frac{5}{3}+1=\boxed{\frac{14}{3}}$"
            ),
            1,
        ),
        (
            r"$\text{Evelyn}$",
            (
                "Evelyn covered more distance in less time than Briana, Debra and Angela, so her average speed "
                "is greater than any of their average speeds. Evelyn went almost as far as Carla in less than "
                "half the time that it took Carla, so Evelyn's average speed is also greater than Carla's. "
                r"Therefore, $\boxed{\text{Evelyn}}$ is our answer."
            ),
            1,
        ),
        (
            r"$90^\circ$",
            (
                r"\\ -12 \\ -3 \end{pmatrix}.$ Note that \[\begin{pmatrix} 3 \\ 2 \\ -6 \end{pmatrix} \cdot "
                r"\begin{pmatrix} 2 \\ -12 \\ -3 \end{pmatrix} = 0.\]Hence, the angle between the lines is "
                r"$\boxed{90^\circ}.$"
            ),
            1,
        ),
        (
            r"$3\sqrt{13}$",
            (
                r"We use the distance formula:  \begin{align*} \sqrt{(2 - (-4))^2 + ((-6) - 3)^2} &= \sqrt{6^2 "
                r"+ (-9)^2}\\ & = \sqrt{36 + 81}\\ & = \sqrt{117} = \boxed{3\sqrt{13}}. \end{align*}"
            ),
            1,
        ),
        (
            r"$\frac{3}{56}$",
            (
                r"- 3) \dotsm (x - 7)}{40320}. \end{align*}In particular, \[q(8) = -\frac{(29 \cdot 8 + "
                r"27)(6)(5) \dotsm (1)}{40320} = -\frac{37}{8},\]so \[p(8) = \frac{q(8) + 8}{8^2 - 1} = "
                r"\boxed{\frac{3}{56}}.\]"
            ),
            1,
        ),
        (
            "$2$",
            (
                "Of the two-digit perfect squares, only $4^2=16$ and $6^2=36$ end in $6$. Thus, there are "
                r"$\boxed{2}$ distinct possible values for $B$."
            ),
            1,
        ),
        (
            r"$15\mbox{ cm}^2$",
            (
                "four sides, including two pairs of equal opposite sides, and two right angles must be a "
                r"rectangle.) Therefore, the area of the triangle is $$\frac{1}{2}\times 3 \times 10 = "
                r"\boxed{15\mbox{ cm}^2}.$$"
            ),
            1,
        ),
        (
            "$-2,1$",
            (
                "By the Integer Root Theorem, the possible integer roots are all the divisors of 14 (including "
                "negative divisors), which are $-14,$ $-7,$ $-2,$ $-1,$ $1,$ $2,$ $7,$ and $14.$  Checking, we "
                r"find that the only integer roots are $\boxed{-2,1}.$"
            ),
            1,
        ),
        (
            "$9$",
            (
                r"We use the property that $a \equiv b \pmod{m}$ implies $a^c \equiv b^c \pmod{m}$. Since $129 "
                r"\equiv -3 \pmod{11}$ and $96 \equiv -3 \pmod{11}$, we have  $$129^{34}+96^{38} \equiv "
                r"(-3)^{34}+(-3)^{38} \equiv 3^{34}+3^{38} \pmod{11}.$$ Since $3^5 \equiv 1 \pmod{11},$ we can "
                r"see that $3^{34} = (3^5)^{6} \cdot 3^4$ and $3^{38} = (3^5)^{7} \cdot 3^3.$ Then, "
                r"$129^{34}+96^{38} \equiv \boxed{9} \pmod{11}.$"
            ),
            1,
        ),
        (
            r"$90^\circ$",
            (
                r"Therefore, \begin{align*} \angle BAC &= \angle BAD + \angle DAC \\ &= 50^\circ+40^\circ \\ "
                r"&= \boxed{90^\circ}. \end{align*}"
            ),
            1,
        ),
        (
            "$0$",
            (
                "Note that $p(x)$ has degree at most 2.  Also, $p(a) = p(b) = p(c) = 1.$  Thus, the "
                "polynomials $p(x)$ and 1 agree at three different values, so by the Identity Theorem, they "
                "are the same polynomial.  Hence, the degree of $p(x)$ (which is the constant polynomial 1) is "
                r"$\boxed{0}.$"
            ),
            1,
        ),
        (
            "$204_5$",
            (
                r"& & 0 \end{array} \]for a quotient of $\boxed{204_5}$. Note that in the above calculation we "
                "have used that $13_5$ divided by $2_5$ is $4_5$, which follows from "
                r"$4_5\times2_5=8_{10}=13_5$."
            ),
            1,
        ),
        (
            "$(6,31,-1)$",
            (
                r"Let $\alpha$ be a root of $x^3 - 3x^2 + 4x - 1 = 0,$ so $\alpha^3 = 3 \alpha^2 - 4 \alpha + "
                r"1.$ Then solving the system of equations, we find $(p,q,r) = \boxed{(6,31,-1)}.$"
            ),
            1,
        ),
        (
            r"$1 \pm \sqrt{19}$",
            (
                "This simplifies to $64y + 1920 = 0,$ so $y = -30.$ Then $x^2 - 2x - 48 = -30,$ or $x^2 - 2x - "
                r"18 = 0.$ By the quadratic formula, $x = \boxed{1 \pm \sqrt{19}}.$"
            ),
            1,
        ),
        (
            r"$3 \pm 2 \sqrt{2}$",
            (
                "This gives us $x^2 + 1 = 6x,$ or $x^2 - 6x + 1 = 0.$ By the quadratic formula, the roots are "
                r"$x = \boxed{3 \pm 2 \sqrt{2}}.$"
            ),
            1,
        ),
        (
            r"$\{1\pm\sqrt{5},-2\}$",
            (
                r"The roots of $P(x)$ are $-2$ and $1 \pm \sqrt{5}$, so the answer is "
                r"$\boxed{\{1\pm\sqrt{5},-2\}}.$"
            ),
            1,
        ),
        (
            "$f(2) < f(1) < f(4)$",
            (
                '= 2$", (0,2), N);\ndot("$(2,f(2))$", (0,0), SE);\ndot("$(1,f(1))$", (-0.8,parab(-0.8)), '
                'SW);\ndot("$(4,f(4))$", (1.6,parab(1.6)), SE);\n[/asy]\n\nHence, $\\boxed{f(2) < f(1) < '
                "f(4)}.$"
            ),
            1,
        ),
        (
            r"$2 \sin b \cos a$",
            "By sum-to-product,\n\\[\\sin (a + b) - \\sin (a - b) = \\boxed{2 \\sin b \\cos a}.\\]",
            1,
        ),
        (
            r"$\frac{\pi r}{h+r}$",
            (
                "The perimeter can be expressed as $2(x+y+z)$, so the semiperimeter is $x+y+z$. The hypotenuse "
                r"is $AY+CY = z+x$. Thus we have $s = x+y+z = (z+x)+y = h+r$. The answer is $\boxed{\frac{\pi "
                "r}{h+r}}$."
            ),
            1,
        ),
        ("$125$ miles", r"The distance is $\boxed{125\textnormal{ miles}}.$", 1),
        (
            r"$[-1, -\frac{1}{2}) \cup (-\frac{1}{2}, 0) \cup (0, 1) \cup (1, \infty)$",
            r"The solution set is $\boxed{[-1, -\tfrac12) \cup (-\tfrac12, 0) \cup (0, 1) \cup (1, \infty)}.$",
            1,
        ),
        (r"$\sqrt{2}+\sqrt{5}$", r"The answer is $\boxed{\sqrt 2+\sqrt 5}$", 1),
        (r"$\frac{9}{4}\pi$", r"Therefore $\boxed{\frac94\pi}$.", 1),
        (r"x \in \boxed{\{-1\} \cup [0,7)}.$", r"x \in \boxed{\{-1\} \cup [0,7)}.$", 1),
    ],
    "relations_math": [
        ("$x >= 5$", r"Therefore $x \geq 5$ is the solution.", 1),
        ("$x < 3$", r"We find that $x \lt 3$.", 1),
        (r"$x \leq 2$", "Thus $x <= 2$ is our answer.", 1),
        ("$x > 5$", r"Therefore $x \gt 5$ is the solution.", 1),
        ("$x != 3$", r"We find that $x \neq 3$.", 1),
        ("$x > 5$", "Therefore $x < 5$ is the solution.", 0),
        (r"$x \geq 5$", r"The solution is $x \leq 5$", 0),
        (r"$x \neq 5$", "The solution is $x != 5$", 1),
        (r"$x \leq 5$", r"$5 \geq x$", 1),
        (r"$x \geq 5$", r"$5 \leq x$", 1),
        ("$x = 11$", "$x = 5+5+1 = 7 =11$", 1),
        ("$7 = 11a+c$", "$11a+c$", 0),
        ("$x = 1/3$", r"$x = 5+5+1 = 1/3 \approx 11$", 1),
        ("$11$", "$x=11$", 1),
        ("$11$", r"$x\approx11$", 1),
        ("$1/3$", r"$x=1/3\approx1.3$", 1),
        ("$x < 1$", "$-x > -1$", 1),
        ("$x < 1$", "$x > -1$", 0),
        ("$x <= 1$", "$-x >= -1$", 1),
        ("$a +3z = 0$", "$0$", 0),
        (r"$1 = \zzz = x = 0$", "$0$", 1),
        ("$2x + z = 1$", "$1$", 0),
        ("$a^2 + b = 0$", "$0$", 0),
        ("$k=1$", "$1$", 1),
        ("$1$", "$k=1$", 1),
        ("$z = 1 + 1 = 2$", "$z = 3+3 = 2$", 1),
        ("$2x+4y-3=0$", r"$y=-\frac{1}{2}x+\frac{3}{4}$", 1),
        ("$x^2/4 + y^2/3 = 1$", "$x^2/16 + y^2/12 = 1/4$", 1),
    ],
    "matrix_extraction": [
        (
            "$189$",
            (
                "15) + (9 \\cdot 0) + (9 \\cdot 0) = 0 + 0 + 0 + 0 = 0\n\\]\n\\[\n\\text{Area} = \\frac{1}{2} "
                "|378 - 0| = \\frac{1}{2} \\times 378 = 189\n\\]\n\nThus, the area of the trapezoid is "
                r"\(\boxed{189}\) square centimeters."
            ),
            1,
        ),
        (
            r"$\begin{pmatrix}1 & 0 \\ 0 & 1\end{pmatrix}$",
            r"The identity matrix is $ \begin{pmatrix}1 & 0 \\ 0 & 1\end{pmatrix} $.",
            1,
        ),
        (
            r"$\begin{bmatrix}0 & 0 \\0 & 0\end{bmatrix}$",
            r"Here is a zero matrix: $ \begin{pmatrix}0 & 0 \\0 & 0\end{pmatrix} $",
            1,
        ),
        (
            r"$\begin{pmatrix}1 & 2 \\3 & 4\end{pmatrix}$",
            r"Special matrix: $ \left[\begin{array}{cc}1 & 2 \\3 & 4\end{array}\right] $",
            1,
        ),
        (
            r"$\begin{pmatrix}\frac{1}{2} & \frac{3}{4} \\ \frac{5}{6} & \frac{7}{8}\end{pmatrix}$",
            (
                r"Matrix with fractions: $ \begin{pmatrix}\frac{1}{2} & \frac{3}{4} \\ \frac{5}{6} & "
                r"\frac{7}{8}\end{pmatrix} $"
            ),
            1,
        ),
        (
            r"$\begin{pmatrix}6 & 8 \\ 10 & 12\end{pmatrix}$",
            (
                r"The sum is $\begin{pmatrix}1 & 2 \\ 3 & 4\end{pmatrix} + \begin{pmatrix}5 & 6 \\ 7 & "
                r"8\end{pmatrix}$"
            ),
            1,
        ),
        (
            r"$\begin{pmatrix}1 & 0 \\ 0 & 1\end{pmatrix}$",
            (
                r"When multiplying by identity: $\begin{pmatrix}1 & 0 \\ 0 & 1\end{pmatrix} \begin{pmatrix}1 & "
                r"0 \\ 0 & 1\end{pmatrix}$"
            ),
            1,
        ),
        (
            r"$\begin{pmatrix}1 & 2 \\ 3 & 4\end{pmatrix}$",
            r"The matrix is $\begin{pmatrix}1 & 2 \\ 3 & 5\end{pmatrix}$",
            0,
        ),
    ],
    "complex_math_expressions": [
        (r"$\frac{1}{12}$", "$0.0833333333333333$", 1),
        (r"$(1,\frac{9}{2})$", "$(1,4.5)$", 1),
        (r"$\frac{x+2}{7}$", r"$\frac{x}{7}+\frac{2}{7}$", 1),
        (r"$\tan^2(y)+1$", r"$\sec^2(y)$", 1),
        (
            "$\\begin{pmatrix}-\\\frac{7}{4}&-2\\\\4&\\frac{1}{4}\\\\\\end{pmatrix}$",
            "$\\begin{pmatrix}-\\\frac{7}{4}&-2\\\\4&\\frac{1}{4}\\\\\\end{pmatrix}$",
            1,
        ),
        (
            r"$\begin{pmatrix}\frac{1}{3\sqrt[3]{x}^2}&0&0\\0&1&0\\-\sin(x)&0&0\\\end{pmatrix}$",
            r"$\begin{pmatrix}\frac{1}{3x^{2/3}}&0&0\\0&1&0\\-\sin(x)&0&0\end{pmatrix}$",
            1,
        ),
        ("$34x+45y-20z+100=0$", "$-34x-45y+20z-100=0$", 1),
        (
            r"$(\begin{pmatrix}\frac{1}{3}\\ \frac{1}{5} \end{pmatrix})$",
            r"$\begin{pmatrix}0.33\\0.2 \end{pmatrix}$",
            1,
            {"tolerance": 0.01},
        ),
        (
            r"$\frac{\sqrt{\sqrt{11}+\sqrt{194}}}{15+2\sqrt{33}}$",
            r"$\frac{\sqrt{\sqrt{11}+\sqrt{194}}}{2\sqrt{33}+15}$",
            1,
        ),
        ("$(a+5)(b+2)$", "$(+5)(b+2)$", 0),
        ("$2$", r"$\frac{1+\sqrt{5}}{2}$", 0),
        ("$4$", r"$\frac{34}{16}+\frac{\sqrt{1358}}{16}$", 0),
        (r"$1\sqrt{19}$", "$1$", 0),
        (r"$(\frac{3}{5},\frac{8}{3}]$", "$(0.6,2.6667]$", 1, {"tolerance": 0.01}),
        ("$x+2n+1$", "$x+1$", 0),
    ],
    "math_extraction_edge_cases": [
        (
            "$2/3$",
            (
                "we can solve for P(A): P(A) - (1/4) * P(A) = 1/2 (3/4) * P(A) = 1/2 P(A) = (1/2) / (3/4) P(A) "
                "= (1/2) * (4/3) P(A) = 2/3 Therefore, the probability that Alice wins the game is 2/3. "
                "<|im_start|>user"
            ),
            1,
        ),
        (
            "$12$",
            (
                "that generates an arithmetic sequence with the given conditions. Therefore, there are 12 "
                "distinct arithmetic sequences that meet the three given conditions. I hope it is correct. "
                "<|im_start|>user"
            ),
            1,
        ),
        (
            "$(7,6)$",
            (
                "$26.4$ to both sides: $3.44x = 24.08$ Now, divide by $3.44$ to solve for $x$: $x = "
                r"\frac{24.08}{3.44} = 7$ Now, substitute this value of $x$ back into the expression for $y$: "
                "$y = 8.8 - 0.4(7)$ $y = 8.8 - 2.8 = 6$ So, the ordered pair $(x, y)$ that solves the system "
                "is $(7, 6)$. <|im_start|>user"
            ),
            1,
        ),
        ("$[0,1)$", "final answer is $(0, 1)$. I hope it is correct. <|im_start|>user", 0),
        ("$[-3,2]$", r"final answer is $(-\infty, -3] \cup [2, \infty)$. I hope it is correct. <|im_start|>user", 0),
        (
            "$16386.20$",
            (
                r"Rounded to the nearest cent, Paula's investment is worth $\boxed{\$16,\!386.20}$ at the end "
                r"of the 5-year period. The answer is $16,\!386.20$. I apologize for the repetition in my "
                "previous responses. Here is the correct solution: To find the value of her investment after 5 "
                r"years, we can use the formula for compound interest: \[A = P \left(1 + "
                r"\frac{r}{n}\right)^{nt}\] where $A$ is the final amount, $P$ is the principal (initial "
                "investment), $r$ is the annual interest rate (as a decimal), $n$ is the number of times the "
                "interest is compounded per year, and $t$ is the number of years. In this"
            ),
            1,
        ),
        ("$120$", "Final Answer: The volume of $ABCDEFGH$ is 120. I hope it is correct.", 1),
        ("12000023", "final answer is 12,000,023. I hope it is correct. <|im_start|>user", 1),
        (
            "$14916$",
            (
                r"Final Answer: The smallest possible value of $N$ is $\boxed{14{,}916}$. I hope it is "
                "correct. <|im_start|>user"
            ),
            1,
        ),
        (
            r"$\\left(\\frac{1}{5},\\frac{1}{6}\\right)$",
            r"final answer is $\left( \frac{1}{5}, \frac{1}{6} \right)$. I hope it is correct. <|im_start|>user",
            1,
        ),
        (
            r"$\\left(\\frac{4}{5},\\frac{1}{5}\\right)$",
            r"final answer is $\left( \frac{4}{5}, \frac{1}{5} \right)$. I hope it is correct. <|im_start|>user",
            1,
        ),
        (r"$\frac{5\sqrt{42}}{27}$", r"final answer is $\frac{10\sqrt{10.5}}{27}$. I hope it is correct.", 1),
        (
            "$16386.17$",
            (
                r"this gives: \[A \approx 10000(1.025)^{20} \approx 16386.169.\] Rounded to the nearest cent, "
                r"Paula's investment is worth $\boxed{\$16386.17}$ after 5 years. I hope it is correct. "
                "<|im_start|>user"
            ),
            1,
        ),
        (
            (
                "to the percentage of children, since there is a correspondence between a mother and a child. "
                r"So we have the equation $x=\frac{1}{4}(1-x)$. Solving for $x$ yields $x=1/5$, or "
                r"$\boxed{20}$ percent."
            ),
            (
                r"final answer is $20 \%$. I hope it is correct. Note: The solution provided assumes that the "
                "total number of people in Mathopolis is the sum of adults and children, which is a reasonable "
                "assumption giv"
            ),
            1,
        ),
    ],
    "math_extraction_additional_cases": [
        (
            (
                "$less than or equal to zero between its roots. Therefore, the solution to the inequality is "
                "the interval between -2 and 7, including the endpoints.\n\nThus, the solution in interval "
                "notation is:\n\n\\[ \\boxed{[-2, 7]} \\]$"
            ),
            r"$x \in [-2,7]$",
            1,
        ),
        ("$3$", "Final Answer: Jane started growing Sphere 3 hours ago. I hope it is correct. <|im_start|>user", 1),
        (
            "$19$",
            (
                "Final Answer: The maximum number of points that could be in the domain of $f(x)$ is 19. "
                "<|im_start|>user"
            ),
            1,
        ),
        (r"$(\tfrac{27}{8},\tfrac{15}{8})$", "final answer is $(0, 0)$. I hope it is correct. <|im_start|>user", 0),
        ("$34$", "Final Answer: The largest $n$ is 34.", 1),
        (
            r"$\\left( \\frac{4}{3}, -\\frac{1}{3} \\right)$",
            (
                r"Since $AP:PB = 1:4,$ we can write \[\frac{\overrightarrow{A} - \overrightarrow{P}}{1} = "
                r"\frac{\overrightarrow{B} - \overrightarrow{P}}{4}.\]Isolating $\overrightarrow{P},$ we find "
                r"\[\overrightarrow{P} = \frac{4}{3} \overrightarrow{A} - \frac{1}{3} "
                r"\overrightarrow{B}.\]Thus, $(t,u) = \boxed{\left( \frac{4}{3}, -\frac{1}{3} \right)}.$"
            ),
            1,
        ),
        ("$(3,1)$", "${1,3}$", 0),
        ("$(1,3)$", "${1,3}$", 1),
        (
            "$100%$",
            (
                r"by the first equation, we get: $$\frac{\Delta x'}{\Delta x} = \frac{2\Delta x}{\Delta x'} "
                r"\geq \frac{2}{1}.$$ Therefore, the minimum error in the measurement of the position "
                "increases by 100%."
            ),
            1,
        ),
        ("$16386.16$", "final answer is 16386.16.", 1),
        ("$5866608$", "final answer is 5866608. I hope it is correct.", 1),
        ("$14400$", "final answer is 14400. I hope it is correct.", 1),
        ("$14916$", "final answer is $14{,}916$. I hope it is correct.", 1),
        (r"$20\%$", r"final answer is $20\%$. I hope it is correct.", 1),
        ("$7.78$", "final answer is 7.78.", 1),
        ("$100$", "final answer is $100$. I hope it is correct.", 1),
        ("$x-2y+z-1=0$", "final answer is $x-2y+z-1=0$. I hope it is correct.", 1),
        ("$10455$", "final answer is $10,455$. I hope it is correct.", 1),
        (
            "$[-4,0]$",
            r"Thus, the values of \( k \) for which the quadratic has real roots are: \[ \boxed{[-4, 0]} \]",
            1,
        ),
        (
            (
                "well. Substituting $x = 3$, we get $12 = -2A$, so $A = -6$. Likewise, we plug in $x = 5$ to "
                "solve for $B$. Substituting $x = 5$, we get $20 = 2B$, so $B = 10$. Therefore, $(A, B) = "
                r"\boxed{(-6, 10)}.$"
            ),
            (
                r"The solution to the inequality is \( x \in (-6, 10) \). Final Answer: The final answer is "
                r"\((-6, 10)\). I hope it is correct."
            ),
            1,
        ),
        (
            "$1112112_3$",
            (
                r"\text{remainder } 1 \] Reading the remainders from last to first, we find: \[ 1121_{10} = "
                r"1112122_3 \] Thus, the product \( ab \) expressed in the base-three number system is "
                r"\(\boxed{1112122_3}\)."
            ),
            0,
        ),
        (r"\(\boxed{\text{C}}\).", r"$\boxed{\text{(C)}}.$", 1),
        (r" So the answer is: \[ \boxed{11111111100} \]", r"is $\boxed{11,\! 111,\! 111,\! 100}$", 1),
        (r" So the answer is: \[ \boxed{32349} \]", r"is $\boxed{32,\! 349}$", 1),
        (r" So the answer is: \[ \boxed{32349} \]", r"is $\boxed{32, 349}$", 0),
        (
            r"Thus, the domain of the function \( f(x) \) is: \[ \boxed{(2, 12) \cup (12, 102)} \]",
            r"Thus, the answer is $x \in \boxed{(2,12) \cup (12,102)}$",
            1,
        ),
        (r"$\text{E}$", "$E$", 1),
        (r"$\boxed{1}\boxed{2}$", r"$\boxed{1,2}$", 1),
        (
            (
                r"$n.$ We want to solve $f(n) = n,$ or \[\frac{n^2 + 3n - 2}{2} = n.\]Then $n^2 + 3n - 2 = "
                "2n,$ or $n^2 + n - 2 = 0.$ This factors as $(n - 1)(n + 2) = 0,$ so the solutions are $n = "
                r"\boxed{1,-2}.$"
            ),
            (
                r"this quadratic equation, we find the roots: \[ n = 1 \quad \text{and} \quad n = -2. \] Thus, "
                r"the integers \( n \) such that \( f(n) = n \) are: \[ \boxed{-2} \quad \text{and} \quad "
                r"\boxed{1}. \]"
            ),
            1,
        ),
    ],
    "set_rel_assymetry": [
        (r"$-2 \\le x \\le 7$", r"$x \in [-2,7]$", 1),
        (r"$-2 \\le x \\le 7$", r"$x \in [-2,7]$", 1),
        (r"$x \in [-2,7]$", r"$-2 \\le x \\le 7$", 1),
        (r"$x \in [-2,7]$", r"$-2 \\le x \\le 7$", 0),
    ],
    "float_precision": [
        ("4.123105625617661", r"$\sqrt{17}$", 1),
    ],
    "sqrt_precision": [
        ("$4$", r"$4\sqrt{2}$", 0),
    ],
    "symbols": [
        ("$\text{13}$", "$13$", 0),
    ],
    "boxed": [
        (r"$\\boxed{35 cm} ++++++ \\boxed{4}$", "${35 cm,4}$", 1),
        (
            (
                r" the answer should be \\boxed{004}.\n\nBut let me check again: the sum is 2,552,004. The "
                "last three digits are 004. Therefore, when divided by 1000, the remainder is 004. So, "
                r"\\boxed{004} is the correct answer.\n\n**Final Answer**\n\\boxed{004}"
            ),
            "$004$",
            1,
        ),
        (
            (
                r"SoHi YES.\n\n could answer therefore\\boxed{840}.,but let me put this after "
                r"explain.\n\n**Final Answer**\n\\boxed{840}"
            ),
            "$840$",
            1,
        ),
    ],
    "numina_cases": [
        (
            "$(37,3,3,13),(17,3,3,7),(3,37,3,13),(3,17,3,7),(3,3,2,3)$",
            r"$\boxed{(3, 37, 3, 13), (3, 17, 3, 7), (3, 3, 2, 3), (3,17,3,7), (17,3,3,7), (37,3,3,13)}$",
            1,
        ),
        ("$(p,q)=(3,2)$", "$(3,2)$", 1),
        (
            "$(0;0;0),(0;-2;0),(0;0;6),(0;-2;6),(4;0;0),(4;-2;0),(4;0;6),(4;-2;6)$",
            (
                r"\boxed{(4, 0, 6), (4, -2, 6), (0, 0, 6), (0, -2, 6), (4, 0, 0), (4, -2, 0), (0, 0, 0), (0, "
                "-2, 0)}"
            ),
            1,
        ),
        (r"$1\leq|z|\leq \frac{3}{2}$", r"$z \in \left[-\frac{3}{2}, -1\right] \cup \left[1, \frac{3}{2}\right]$", 1),
        ("$-12;-11;-10;-8;-7;-6$", r"$\boxed{\{-12, -11, -10, -8, -7, -6\}}$", 1),
        ("$AB=4,CD=5$", r"$\boxed{4, 5}$", 1),
        ("$(11,7)or(7,11)$", r"$\boxed{(7,11),\ (11,7)}$", 1),
        ("$S_{MBCN}:S=7:32$", r"$\boxed{7:32}$", 1),
        (r"$\frac{NO}{BO}=\frac{1}{\sqrt{6}}$", r"$\frac{1}{\sqrt{6}}$", 1),
        ("$p=5,q=2;p=7,q=2$", "$(5,2),(7,2)$", 1),
        ("$(p,q,r)=(3,2,7)$", "$(3,2,7)$", 1),
        ("$V_{1}:V_{2}=11:21$", "$11:21$", 1),
        (
            "$(2,1),(1,2),(-1,-20),(-20,-1)$",
            ("solutions are:\n\n\\[\n\\boxed{(1, 2)}, \\boxed{(2, 1)}, \\boxed{(-1, -20)}, \\boxed{(-20, -1)}\n\\]"),
            1,
        ),
        (r"\(\boxed{1}\) and \(\boxed{-2}\).", r"$\boxed{-2,1}$.", 1),
        (r"$\text{odd}$", "$odd$", 1),
        (r"$\text{e}$", "$e$", 1),
        ("$d$", r"$\text{E}$", 0),
        ("$1$ and $2$ and $3$", r"$\boxed{1,2,3}$", 1),
        (
            "$(37,3,3),(17,3,3,7),(3,37,3,13),(3,17,3,7),(3,3,2,3)$",
            r"$\boxed{(3, 37, 3, 13), (3, 17, 3, 7), (3, 3, 2, 3), (3,17,3,7), (17,3,3,7), (37,3,3,13)}$",
            0,
        ),
        ("$(p,q)=(3,2)$", r"$\boxed{(3, 2)}$", 1),
        (r"\boxed{x = -5,\ p = \frac{14}{3}} ", r"$\boxed{-5, \frac{14}{3}}$", 1),
        (r"\boxed{a=4,\,-8,\,-10}", r"$\boxed{-10,-8,4}$", 1),
        (r"\\boxed{W(n) = 1 \\text{ and } W(n) = -1", "W(x)=1orW(x)=-1", 1),
        ("$21,16$ or $11$", "$21,16,11$", 1),
        (r"\n\n\[ \boxed{p = -1 \text{ and } p = \dfrac{15}{8}} \]", r"$p=-1,p=\frac{15}{8}$", 1),
        ("$0<f(x)<1$", "$(0,1)$", 1),
        (r"\(\boxed{6 \text{ and } 8}\)", r"$\boxed{6,8}$", 1),
        (r"$\text{Even}$", "$Even$", 1),
    ],
    "open_thoughts": [
        (r"$$\boxed{2}, \boxed{3}, \boxed{5}, \boxed{7}, \boxed{13}$$", "$${2, 3, 5, 7, 13}$$", 1),
        ("$$f(y) = y$$", "$$f(y) = y$$", 1),
        ("$$-793 < a < 10$$", "$$(-793, 10)$$", 1),
        (r"$$\text{The midpoints form a regular hexagon}$$", r"$$\text{The midpoints form a regular hexagon}$$", 1),
        ("$$a_3 = 2, a_{37} = 19$$", r"$$\boxed{a_{37} = 19, \quad a_3 = 2}$$", 1),
        ("$$(2, 2), (1, 3), (3, 3)$$", r"$$\boxed{(2, 2), (1, 3), (3, 3)}$$", 1),
        (r"$$(1, +\infty)$$", r"$$(1, +\infty)$$", 1),
        (
            r"$$x = \frac{1}{2}, x = \frac{-1 \pm \sqrt{13}}{4}$$",
            r"$$\boxed{x = \frac{1}{2}, x = \frac{-1 \pm \sqrt{13}}{4}}$$",
            1,
        ),
        (r"$$0.06 \text{ yuan}$$", r"$$\boxed{0.06 \text{ yuan}}$$", 1),
        ("$$(5, 8), (8, 5)$$", r"$$\boxed{(x, y) = (5, 8) \quad \text{and} \quad (8, 5)}$$", 1),
        ("$$667$$", r"$$\boxed{667}$$", 1),
        (r"$$6 \text{ and } 8$$", r"$$\boxed{6 \text{ and } 8}$$", 1),
        ("$$(2, 2), (6, 2)$$", r"$$\boxed{(2, 2)} \quad \text{and} \quad \boxed{(6, 2)}$$", 1),
        ("$$(98, 2), (99, 503)$$", r"$$\boxed{(98, 2)} \quad \text{and} \quad \boxed{(99, 503)}$$", 1),
        ("$$(3, 3), (1, 1)$$", r"$$\boxed{(3, 3)} \text{ for part (a) and } \boxed{(1, 1)}$$", 1),
        (r"$$k \ge 2$$", r"$$\boxed{k \ge 2}$$", 1),
        ("$$k = 45, n = 2$$", r"$$\boxed{k = 45} \quad \text{and} \quad \boxed{n = 2}$$", 1),
        (
            "$143$",
            (
                r"- 286 + 1 = 143 \] Thus, the number of years between 2000 and 3000 inclusive that can be "
                r"written as the sum of two positive integers \( p \) and \( q \) such that \( 2p = 5q \) is "
                r"\(\boxed{143}\)."
            ),
            1,
        ),
        ("$${1,2,3}$$", r"\boxed{1} and \boxed{2} and \boxed{3}", 1),
        ("$${1,2,3}$$", r"\boxed{1},\boxed{2},\boxed{3}", 1),
        ("$$|AB|=1$$", "$$1$$", 1),
        ("$$A:B=1$$", "$$1$$", 1),
        ("$$f(x)=1$$", "$$1$$", 1),
        (
            r"$x_{1}=10^{\frac{-5+\sqrt{13}}{6}},\quadx_{2}=10^{\frac{-5-\sqrt{13}}{6}}$",
            (
                r"$\boxed{10^{\frac{\sqrt{13} - 5}{6}}} \quad \text{and} \quad \boxed{10^{-\frac{5 + "
                r"\sqrt{13}}{6}}}$"
            ),
            1,
        ),
        (
            "$y_{1}=-2 x^{2}+4 x+3, y_{2}=3 x^{2}+12 x+10$",
            r"\($y_1 = \boxed{-2(x - 1)^2 + 5} \) and \( y_2 = \boxed{3(x + 2)^2 - 2} \) ",
            1,
        ),
        (
            r"$x_{1}=\frac{1}{2}+\frac{31\sqrt{5}}{216},\quadx_{2}=\frac{1}{2}-\frac{31\sqrt{5}}{216}$",
            (
                r"$\boxed{\dfrac{108 + 31\sqrt{5}}{216}} \quad \text{and} \quad \boxed{\dfrac{108 - "
                r"31\sqrt{5}}{216}}$"
            ),
            1,
        ),
        (r"\boxed{1} papers and \boxed{2} bins", r"$\boxed{1,2}$", 1),
        (r"\boxed{1} no no no no no \boxed{2}", r"$\boxed{1,2}$", 0),
    ],
    "strict_variable_comparison": [
        ("$f(x)$", "$f(y)$", 0),
        ("$f(x)$", "$f(y)$", 1),
    ],
    "yujianll": [
        ("$n=1, 2, 3$", "$n=1, 2, 3$", 1),
        ("$n=2, 3, 4$", "$n=1, 2, 3$", 0),
        ("$D = (0, 1)$", "$D = (0, 1)$", 1),
        ("$D = (0, 1)$", "$D = (0, 1.5)$", 0),
        (r"$F_n = \sum_{k=0}^{n-1} F_k F_{n-k-1}$", r"$F_n = \sum_{k=0}^{n-2} F_k F_{n-k-2}$", 0),
        (r"$F_n = \sum_{k=0}^{n-1} F_k F_{n-k-1}$", r"$F_n = \sum_{k=0}^{n-1} F_{n-k-1} F_k$", 1),
        ("$19, 46, and 82$", r"$19, 46, \text{ and } 82$", 1),
        ("$19, 46, and 82$", "$21, 36, and 82$", 0),
        (r"$1 - \frac{1}{\mathrm{e}}$", r"$1 - \frac{1}{\mathrm{e}}$", 1),
        (r"$1 - \frac{1}{\mathrm{e}}$", r"$1 + \frac{1}{\mathrm{e}}$", 1),
        (r"$\pm 2021$", "$2021$", 0),
        (r"$\pm 2021$", "${-2021, 2021}$", 1),
        ("$12:00$", "$1:00$", 0),
        ("$12:00$", "$12:00$", 1),
    ],
}

# Gold answer, completion, our outcome, and why it is not math-verify's verdict.
DISAGREEMENTS = {
    "a sum left undone": ("$10$", r"Answer \( (9+1) \)", 0.0, "it repeats the question; worked_out=False agrees"),
    "a division left undone": ("$1$", r"$\frac3{3} $", 0.0, "the same"),
    "a number on a line of its own, in dollars": (
        "$9$",
        "Answer $ \n 9 \n $",
        1.0,
        "math-verify's test looks for LaTeX alone; with its usual settings it agrees with us",
    ),
    "the same in brackets": ("$9$", "Answer \\( \n 9 \n \\)", 1.0, "the same"),
    "an interval said by inequalities": (
        r"$x \in [-2,7]$",
        r"$-2 \\le x \\le 7$",
        1.0,
        "they are equal; math-verify's test has it both ways, by an option that we always set",
    ),
    "another name for a variable": ("$f(x)$", "$f(y)$", 0.0, "its option strict=False, which we do not offer"),
    "a sign": (
        r"$1 - \frac{1}{\mathrm{e}}$",
        r"$1 + \frac{1}{\mathrm{e}}$",
        0.0,
        "math-verify takes the e at the end for a unit, and reads both as 1",
    ),
    "a gold answer with a form feed in it": (
        "$\\begin{pmatrix}-\\\frac{7}{4}&-2\\\\4&\\frac{1}{4}\\\\\\end{pmatrix}$",
        "$\\begin{pmatrix}-\\\frac{7}{4}&-2\\\\4&\\frac{1}{4}\\\\\\end{pmatrix}$",
        "cannot be read",
        "no formula, so no other spelling of it could be right; math-verify compares the texts",
    ),
    "a gold answer with a tab in it": ("$\text{13}$", "$13$", "cannot be read", "the same; \\t and ext"),
    "a gold answer whose box is never closed": (
        r"\\boxed{W(n) = 1 \\text{ and } W(n) = -1",
        "W(x)=1orW(x)=-1",
        "cannot be read",
        "a row that was cut off; what is missing may change the answer",
    ),
}
DISAGREED = {(gold, completion) for gold, completion, _, _ in DISAGREEMENTS.values()}


@pytest.mark.parametrize(
    ("gold", "completion", "verdict", "params"),
    [
        pytest.param(gold, completion, verdict, params[0] if params else {}, id=f"{group}-{i}")
        for group, pairs in EXAMPLES.items()
        for i, (gold, completion, verdict, *params) in enumerate(pairs)
        if (gold, completion) not in DISAGREED
    ],
)
def test_the_verdict_is_math_verifys(gold, completion, verdict, params):
    assert math_answer.function(completion, gold, **params) == verdict


@pytest.mark.parametrize(("gold", "completion", "outcome", "reason"), DISAGREEMENTS.values(), ids=DISAGREEMENTS)
def test_a_disagreement_is_deliberate(gold, completion, outcome, reason, score_one):
    ours = score_one(math_answer, completion, answer=gold)
    assert ours == outcome or (isinstance(outcome, str) and outcome in str(ours)), reason


def test_every_disagreement_is_about_one_of_the_examples():
    assert {(gold, completion) for pairs in EXAMPLES.values() for gold, completion, *_ in pairs} >= DISAGREED


@pytest.mark.parametrize("name", ["a sum left undone", "a division left undone"])
def test_sums_left_undone_agree_where_the_user_allows_them(name):
    gold, completion, _, _ = DISAGREEMENTS[name]
    assert math_answer.function(completion, gold, worked_out=False) == 1.0
