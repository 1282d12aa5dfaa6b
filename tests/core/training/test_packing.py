"""What a padded batch becomes when it is packed."""

import torch

from core.training.packing import pack, prompts_alone


def batch(rows):
    """(prompt, completion) token lists as TRL pads them."""
    wide, long = max(len(p) for p, _ in rows), max(len(c) for _, c in rows)
    prompts = torch.tensor([[0] * (wide - len(p)) + p for p, _ in rows])
    completions = torch.tensor([c + [0] * (long - len(c)) for _, c in rows])
    masks = (
        torch.tensor([[0] * (wide - len(p)) + [1] * len(p) for p, _ in rows]),
        torch.tensor([[1] * len(c) + [0] * (long - len(c)) for _, c in rows]),
    )
    return (prompts, masks[0]), (completions, masks[1])


def packs(rows, wanted=None, most=1000):
    wanted = torch.tensor([True] * len(rows) if wanted is None else wanted)
    return list(pack(*batch(rows), wanted, most))


ROWS = [([7, 8], [1, 2, 3]), ([5, 6, 9], [4]), ([7, 8], [3, 1]), ([5, 6, 9], [2, 2])]


class TestPack:
    def test_each_prompt_is_there_once_and_each_completion_token_once(self):
        (packed,) = packs(ROWS)
        assert sorted(packed.input_ids[0].tolist()) == sorted([7, 8, 5, 6, 9, 1, 2, 3, 4, 3, 1, 2, 2])
        assert sorted(packed.targets.tolist()) == sorted([1, 2, 3, 4, 3, 1, 2, 2])

    def test_a_completion_goes_on_where_its_prompt_ends(self):
        (packed,) = packs([([7, 8], [1, 2, 3])])
        assert packed.position_ids.tolist() == [[0, 1, 2, 3, 4]]

    def test_every_completion_token_is_predicted_from_the_token_before_it(self):
        (packed,) = packs(ROWS)
        before = packed.input_ids[0][packed.before]
        found = {}
        for cell, token, target in zip(packed.cells.tolist(), before.tolist(), packed.targets.tolist(), strict=True):
            found.setdefault(cell // 3, []).append((token, target))
        assert found[0] == [(8, 1), (1, 2), (2, 3)]
        assert found[1] == [(9, 4)]
        assert found[2] == [(8, 3), (3, 1)]
        assert found[3] == [(9, 2), (2, 2)]

    def test_the_same_prompt_with_other_padding_is_the_same_prompt(self):
        (packed,) = packs([([7, 8], [1]), ([7, 8], [2]), ([1, 7, 8], [3])])
        assert packed.groups.prompt_slots.shape == (2, 3)

    def test_a_prompt_that_holds_the_padding_token_is_another_prompt(self):
        (packed,) = packs([([0, 8], [1]), ([8], [2])])
        assert len(packed.groups.prompt_slots) == 2

    def test_rows_that_are_not_wanted_are_left_out(self):
        (packed,) = packs(ROWS, wanted=[False, True, False, True])
        assert sorted(packed.input_ids[0].tolist()) == sorted([5, 6, 9, 4, 2, 2])

    def test_an_empty_completion_is_left_out(self):
        (prompts, completions) = batch(ROWS)
        completions[1][0] = 0
        (packed,) = pack(prompts, completions, torch.ones(4, dtype=torch.bool), 1000)
        assert sorted(packed.targets.tolist()) == sorted([4, 3, 1, 2, 2])

    def test_nothing_wanted_is_nothing_packed(self):
        assert packs(ROWS, wanted=[False] * 4) == []

    def test_no_row_of_tokens_is_longer_than_allowed_and_a_cut_group_repeats_its_prompt(self):
        rows = [([7, 8], [1, 2, 3])] * 5
        found = packs(rows, most=8)
        assert [packed.input_ids.shape[1] for packed in found] == [8, 8, 5]
        assert sorted(cell for packed in found for cell in packed.cells.tolist()) == list(range(15))

    def test_a_completion_longer_than_allowed_goes_alone(self):
        found = packs([([7, 8], [1, 2, 3]), ([7, 8], [1])], most=2)
        assert [packed.input_ids.shape[1] for packed in found] == [5, 3]


def test_prompts_alone_lie_end_to_end():
    ids, positions, groups = prompts_alone([[7, 8, 9], [5]], torch.device("cpu"))
    assert ids.tolist() == [[7, 8, 9, 5]]
    assert positions.tolist() == [[0, 1, 2, 0]]
    assert groups.prompt_padding.tolist() == [[False, False, False], [False, True, True]]
    assert groups.bias is not None
