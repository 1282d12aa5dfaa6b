import pytest
import torch

from core.training.merging import merged

PAD = 9


def generation(prompts, completions):
    """As TRL returns one: prompts padded on the left, completions on the right."""
    wide, long = max(map(len, prompts)), max(map(len, completions))
    ones = [[1] * len(row) for row in completions]
    figures = [[float(token) for token in row] + [0.0] * (long - len(row)) for row in completions]
    return {
        "prompt_ids": torch.tensor([[PAD] * (wide - len(row)) + row for row in prompts]),
        "prompt_mask": torch.tensor([[0] * (wide - len(row)) + [1] * len(row) for row in prompts]),
        "completion_ids": torch.tensor([row + [PAD] * (long - len(row)) for row in completions]),
        "completion_mask": torch.tensor([row + [0] * (long - len(row)) for row in ones]),
        "old_per_token_logps": torch.tensor(figures),
        "advantages": torch.tensor([float(len(row)) for row in completions]),
        "num_items_in_batch": torch.tensor(sum(map(len, completions))),
    }


PROMPTS = [[1, 2, 3], [4], [5, 6], [7]]
COMPLETIONS = [[1], [2, 3, 4, 5], [6, 7], [8, 1, 2]]


@pytest.mark.parametrize("rows", [[0, 1, 2, 3], [3, 0], [2, 2, 1], [1]])
def test_it_is_the_generation_that_these_rows_would_have_been_but_for_padding(rows):
    parts = [generation(PROMPTS[:2], COMPLETIONS[:2]), generation(PROMPTS[2:], COMPLETIONS[2:])]
    found = merged(parts, rows, PAD)
    expected = generation([PROMPTS[row] for row in rows], [COMPLETIONS[row] for row in rows])
    assert list(found) == list(expected)
    for name, value in expected.items():
        width = value.shape[1] if value.dim() > 1 else None
        inner = (
            found[name]
            if width is None
            else (found[name][:, -width:] if name.startswith("prompt") else found[name][:, :width])
        )
        assert torch.equal(inner, value), name
    outside = found["prompt_mask"].shape[1] - expected["prompt_mask"].shape[1]
    assert (found["prompt_ids"][:, :outside] == PAD).all()
    assert not found["prompt_mask"][:, :outside].any()


def test_what_cannot_be_put_together_is_refused():
    part = generation(PROMPTS, COMPLETIONS) | {"num_images": [1, 2, 3, 4]}
    with pytest.raises(TypeError, match="num_images"):
        merged([part, part], [0], PAD)
