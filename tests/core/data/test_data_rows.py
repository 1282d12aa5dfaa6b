import pytest


@pytest.mark.parametrize(
    ("tag", "read", "why"),
    [
        ("math", "math", "text"),
        (" math\t\n", "math", "white space around it"),
        (1, "1", "an integer"),
        ("2", "2", "text that looks like a number"),
        ("数学 проверка", "数学 проверка", "other scripts, spaces inside"),
        ("Default", "Default", "only the exact word is reserved"),
    ],
)
def test_a_tag_is_text(write, load, tag, read, why):
    assert load(write("a.jsonl", [{"task": tag, "prompt": "x"}])).train["task"][:] == [read], why


@pytest.mark.parametrize(
    ("tag", "said", "why"),
    [
        (None, "the row has no task tag", "null"),
        (" ", "the task tag is blank", "blank"),
        ("", "the task tag is blank", "empty"),
        ("a" * 201, "is no name: it has 201 characters. Name tasks in one line", "a whole text"),
        ("a\nb", "is no name: it has 3 characters. Name tasks in one line", "two lines"),
        (1.5, "the task tag '1.5' is not text. Write it as text: \"1.5\".", "a fraction"),
        (True, "the task tag 'True' is not text", "a boolean"),
        (["math"], "the task tag \"['math']\" is not text", "a list"),
        ("default", "a task cannot be called 'default'", "the default route's name"),
        (" default ", "a task cannot be called 'default'", "the same, once stripped"),
    ],
)
def test_a_bad_tag_is_named(write, complaints, tag, said, why):
    rows = [{"task": "m", "prompt": "x"}, {"task": tag, "prompt": "x"}]
    (complaint,) = complaints(write("a.jsonl", rows))
    assert complaint.startswith("a.jsonl line 2, column 'task': "), why
    assert said in complaint, why


USER = {"role": "user", "content": "hi"}


@pytest.mark.parametrize(
    "prompt",
    [
        " hi\n",
        "5",
        [USER],
        [{"role": "system", "content": "Be brief."}, USER, {"role": "assistant", "content": "?"}, USER],
        [USER, {"role": "tool", "content": "7", "name": "add", "more": {"a": [1, None]}}],
    ],
)
def test_a_prompt_comes_back_as_it_was_written(write, load, prompt):
    rows = [{"task": "m", "prompt": prompt}, {"task": "m", "prompt": "text"}, {"task": "m", "prompt": [USER]}]
    assert load(write("a.jsonl", rows)).train["prompt"][:] == [prompt, "text", [USER]]
    assert load(write("b.jsonl", rows[:1])).train["prompt"][:] == [prompt]


@pytest.mark.parametrize(
    ("prompt", "said", "why"),
    [
        (None, "the row has no prompt", "null"),
        ([], "the row has no prompt", "no messages"),
        (" \n", "the prompt is blank", "blank"),
        (4, "the prompt '4' is neither text nor a list of chat messages", "a number"),
        ({"role": "user"}, "is neither text nor a list", "a message without its list"),
        (["hi"], "message 1 is 'hi', not an object", "text in a list"),
        ([USER, {"content": "x"}], "message 2 has the role None, not one of system, user", "no role"),
        ([{"role": "human", "content": "x"}], "message 1 has the role 'human'", "another role"),
        ([{"role": ["user"], "content": "x"}], "message 1 has the role ['user']", "a role that is no text"),
        ([{"role": "user"}], "message 1 has no text as its content, but 'None'", "no content"),
        ([{"role": "user", "content": [1]}], "message 1 has no text as its content", "parts"),
        ([{"role": "user", "content": " "}], "message 1 has a blank content", "blank content"),
        ([USER, {"role": "assistant", "content": "x"}], "the last message is the assistant's", "nothing to answer"),
    ],
)
def test_a_bad_prompt_is_named(write, complaints, prompt, said, why):
    rows = [{"task": "m", "prompt": "x"}, {"task": "m", "prompt": prompt}]
    (complaint,) = complaints(write("a.jsonl", rows))
    assert complaint.startswith("a.jsonl line 2, column 'prompt': "), why
    assert said in complaint, why


def test_rows_without_the_columns_of_other_rows_are_named(write, complaints):
    rows = [{"task": "m", "prompt": "x"}, {"task": "m"}, {"prompt": "x"}]
    assert [complaint.split(". ")[0] for complaint in complaints(write("a.jsonl", rows))] == [
        "a.jsonl line 2, column 'prompt': the row has no prompt",
        "a.jsonl line 3, column 'task': the row has no task tag",
    ]


def test_columns_are_named_as_the_file_names_them(write, complaints):
    path = write("a.jsonl", [{"kind": "m", "question": ""}])
    (complaint,) = complaints(path, task_column="kind", prompt_column="question")
    assert complaint.startswith("a.jsonl line 1, column 'question'")
