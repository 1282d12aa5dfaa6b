"""final_answer: which part of a completion is its answer."""

import pytest

from rewards.final_answer import Answer, boxed, final_answer


@pytest.mark.parametrize(
    ("completion", "text"),
    [
        (r"so \boxed{42}", "42"),
        (r"\fbox{42}", "42"),
        (r"\boxed {42}", "42"),
        (r"$\boxed 42$ is it", "42"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed{\{1\}}", r"\{1\}"),
        (r"\boxed{\boxed{42}}", "42"),
        (r"\boxed{41}. So \boxed{42}", "42"),
        (r"\boxed{41} is wrong; it is \boxed{42}", "42"),
        (r"\boxed{1}\boxed{2}", "1, 2"),
        (r"\boxed{1}, \boxed{2} and \boxed{3}", "1, 2, 3"),
        (r"\(\boxed{1}\) or \(\boxed{2}\)", "1, 2"),
        (r"$\boxed{1} \quad \text{and} \quad \boxed{2}$", "1, 2"),
        (r"\boxed{1} papers and \boxed{2} bins", "1, 2"),
        (r"$x = \boxed{1}$, $y = \boxed{2}$", "1, 2"),
        (r"\boxed{1} or \boxed{1}", "1"),
        (r"\boxed{1", ""),
        (r"\boxed{41} or \boxed{42", ""),
        (r"<answer>\boxed{42}</answer>", "42"),
        (r"<answer>41</answer> \boxed{42}", "42"),
        (r"<think>\boxed{41}</think> \boxed{42}", "42"),
        (r"\boxed{42}. This is the final answer, with 3 digits.", "42"),
        (r"\boxed{41}. The final answer is $\boxed{42}$", "42"),
    ],
)
def test_a_box_is_the_answer(completion, text):
    assert final_answer(completion) == Answer(text, boxed=True)


@pytest.mark.parametrize(
    ("completion", "text"),
    [
        ("42", "42"),
        ("<answer>42</answer> (43)", "42"),
        ("<answer>41</answer><answer>42", "42"),
        ("<think>41</think>42", "42"),
        ("<think>42</think>", ""),
        ("<think>42", ""),
        ("5 + 37\n#### 42\n", "42"),
        ("#### 3 steps are needed\nSo 42", "#### 3 steps are needed\nSo 42"),
        ("The answer is 42. I checked it.", "42"),
        ("**Answer:** 42\nSteps: 3", "42"),
        ("The answer to question 3 is 42", "42"),
        ("The answer is 42, because 6 * 7 = 42", "42"),
        ("The answer is 3.5", "3.5"),
        ("# Final Answer\n\n42\n\nDone", "42"),
        ("The answer is:\n$$\n42\n$$\nin 3 steps", "$$\n42\n$$"),
        ("Answers:\n- 42\n- 43", "42"),
        ("答案是42。共3步", "42"),
        ("Ответ: 42\n3", "42"),
        ("The answer is 41. No: the answer is 42.", "42"),
        ("The answer is not 41", "The answer is not 41"),
        ("I hope that the answer is correct", "I hope that the answer is correct"),
        (r"\boxed{41}. Final Answer: The final answer is $42$. I hope it is correct.", "$42$"),
    ],
)
def test_without_a_box_it_is_what_is_said_to_be_it_or_the_end(completion, text):
    found = final_answer(completion)
    assert (found.text.strip(), found.boxed) == (text, False)


def test_a_text_without_a_box_has_no_boxed_part():
    assert boxed("42") is None
