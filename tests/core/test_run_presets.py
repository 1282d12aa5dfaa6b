import pytest

from core.check import check
from core.errors import UserError
from core.run_fields import run_fields
from core.run_presets import PRESETS, apply, changes, find_preset
from core.spec import DataSpec, Draft, Route

EACH = pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)


@EACH
def test_a_preset_says_what_it_changes_and_nothing_is_left_to_change(preset):
    found = changes(Draft(), preset)
    assert found
    assert all(change.now != change.then and change.reason for change in found)
    assert changes(apply(Draft(), preset), preset) == []


@EACH
def test_a_preset_sets_what_it_says_and_nothing_else(preset):
    before = {field.place: field.text for field in run_fields(Draft())}
    after = {field.place: field.text for field in run_fields(apply(Draft(), preset))}
    changed = {place: text for place, text in after.items() if text != before[place]}
    assert changed == {change.field.place: change.then for change in changes(Draft(), preset)}


@EACH
def test_a_preset_passes_the_check_of_a_run(preset, tmp_path):
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(f'{{"task": "a", "prompt": "{n}", "answer": "{n}"}}\n' for n in range(200)))
    draft = Draft(data=DataSpec(path=str(rows)), rewards={"a": (Route(name="exact_match"),)})
    assert check(apply(draft, preset).finished(), try_rows=False).problems == ()


def test_what_it_does_not_name_stays():
    draft = Draft(name="mine", grpo={"beta": 0.1, "max_steps": 5})
    applied = apply(draft, find_preset("small_gpu"))
    assert (applied.name, applied.grpo["beta"], applied.grpo["max_steps"]) == ("mine", 0.1, 300)


def test_an_unknown_preset_is_named():
    with pytest.raises(UserError, match="huge"):
        find_preset("huge")
