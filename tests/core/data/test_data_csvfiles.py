import csv

import pytest


def test_cells_are_text_and_empty_cells_are_null(write, load):
    path = write("a.csv", "task,prompt,answer\nmath,2+2?,4.50\nmath,3?,\n")
    assert list(load(path).train) == [
        {"task": "math", "prompt": "2+2?", "answer": "4.50"},
        {"task": "math", "prompt": "3?", "answer": None},
    ]


@pytest.mark.parametrize(
    ("name", "content", "prompt", "why"),
    [
        ("a.tsv", "task\tprompt\nm\ta, b\n", "a, b", "tabs separate in a .tsv file"),
        ("a.csv", 'task,prompt\r\nm,"a ""b"",\r\nc"\r\n', 'a "b",\r\nc', "quotes, separators and line ends in quotes"),
        ("a.csv", "\ufefftask,prompt\nm,x\n", "x", "a byte order mark"),
        ("a.csv", f"task,prompt\nm,{'x' * 200_000}\n", "x" * 200_000, "a cell over csv's own limit of 128 KiB"),
    ],
)
def test_a_cell_comes_back_whole(write, load, monkeypatch, name, content, prompt, why):
    before = csv.field_size_limit()
    assert load(write(name, content)).train["prompt"][:] == [prompt], why
    csv.field_size_limit(before)


@pytest.mark.parametrize(
    ("content", "said", "why"),
    [
        ("task,prompt\nm\n", "a.csv line 2: 1 cells, where the header names 2", "too few cells"),
        ("task,prompt\nm,x\nm,a,b\n", "a.csv line 3: 3 cells, where the header names 2", "too many cells"),
        ('task,prompt\nm,"a\nb"\nm\n', "a.csv line 4: 1 cells", "lines inside a cell count"),
        ('task,prompt\nm,x\nm,"a\nm,y\n', "a.csv line 3: a quote is opened", "an unclosed quote"),
        ('task,prompt\nm,"a" b\n', "a.csv line 2: text follows a closing quote before ','", "text after a quote"),
        ("task,prompt\rm,x\r", "bare carriage return", "line ends of the last century"),
        ("task,prompt,a,a\nm,x,1,2\n", "a.csv line 1: the header names 'a' 2 times", "a duplicate column"),
        (",task,prompt\n0,m,x\n", "a.csv line 1: column 1 of the header has no name", "pandas' index"),
        ("task;prompt\nm;x\n", "here it seems to be ';'", "another separator"),
        ("task,prompt\n", "there are no rows", "a header alone"),
        (b"task,prompt\nm,caf\xe9\n", "a.csv line 2: not UTF-8: byte 0xe9 at byte 6", "Latin-1"),
        ("task,prompt\nm,x\0\n", "a.csv line 2: a NUL byte at byte 4", "a NUL byte"),
        ("task,prompt\nm,x\n".encode("utf-16"), "a.csv: this file is in UTF-16.", "UTF-16"),
        ("task,prompt\nm,x\n".encode("utf-16-le"), "Is it UTF-16, or a file of another kind?", "UTF-16 without a mark"),
        (b"PK\x03\x04" + bytes(range(1, 255)), "a.csv: this is a zip archive, as an Excel file is", "an Excel file"),
        ("task,prompt\nm,x\n ,y\n", "a.csv line 3, column 'task': the task tag is blank", "a blank tag"),
        ("task,prompt\nm,x\n,y\n", "a.csv line 3, column 'task': the row has no task tag", "an empty tag"),
    ],
)
def test_a_bad_table_is_named(write, complaints, content, said, why):
    assert any(said in complaint for complaint in complaints(write("a.csv", content))), why


@pytest.mark.parametrize("content", [b"PK\x03\x04\n\xff\n\xff", b"\x00\xff\n" * 50, "a,b\n1,2\n".encode("utf-16")])
def test_a_file_that_is_no_text_is_said_once(write, complaints, content):
    assert len(complaints(write("a.csv", content))) == 1
