"""Several viewers of the same thing cost one drawing."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from ui.drawn import MOST, Drawn


def test_the_same_token_is_drawn_once_and_another_anew():
    drawn, made = Drawn(), []
    values = [drawn.get("curves", token, lambda: made.append(1) or len(made)) for token in ("a", "a", "b", "a")]
    assert values == [1, 1, 2, 1]


def test_viewers_at_the_same_moment_share_one_drawing():
    drawn, made, all_here = Drawn(), [], Barrier(5)

    def look(_):
        all_here.wait()
        return drawn.get("curves", "a", lambda: made.append(1))

    with ThreadPoolExecutor(5) as viewers:
        list(viewers.map(look, range(5)))
    assert len(made) == 1


def test_a_drawing_that_fails_is_tried_again():
    drawn = Drawn()
    for _ in range(2):
        try:
            drawn.get("curves", "a", lambda: 1 / 0)
        except ZeroDivisionError:
            continue
    assert drawn.get("curves", "a", lambda: 7) == 7


def test_only_so_many_are_kept():
    drawn = Drawn()
    for n in range(3 * MOST):
        drawn.get("curves", str(n), lambda: 1)
    assert len(drawn._values) == MOST
