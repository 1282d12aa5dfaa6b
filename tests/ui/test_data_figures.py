"""The balance chart of the page Data: a bar for each task, whatever it is called."""

from ui.data_figures import balance_chart


def bars(counts):
    figure = balance_chart(counts, dict.fromkeys(counts, 1 / len(counts)))
    return figure, [trace for trace in figure.data if trace.showlegend is False]


def test_tasks_whose_names_are_alike_when_shortened_have_a_bar_each():
    _, (rows, _) = bars({"a very long name of a task, one": 1, "a very long name of a task, two": 3})
    assert list(rows.x) == [25, 75]
    assert len(set(rows.y)) == 2
    assert list(rows.customdata) == ["a very long name of a task, one", "a very long name of a task, two"]


def test_tasks_whose_names_are_numbers_are_in_their_order_and_named():
    figure, (rows, _) = bars({"10": 1, "2": 1, "1": 2})
    named = dict(zip(figure.layout.yaxis.tickvals, figure.layout.yaxis.ticktext, strict=True))
    assert [named[place].strip() for place in rows.y] == ["10", "2", "1"]
    assert figure.layout.yaxis.range[0] > figure.layout.yaxis.range[1]  # the first on top
