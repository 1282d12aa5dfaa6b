"""The rewards page is made from the declarations, and the committed one is current."""

from pathlib import Path

from core.reward_docs import rewards_page
from rewards import registry

PAGE = Path(__file__).parents[2] / "docs" / "rewards.md"


def test_the_committed_page_is_what_the_declarations_say():
    mend = "make it again: .venv/bin/python app.py rewards --markdown > docs/rewards.md"
    assert PAGE.read_text(encoding="utf-8") == rewards_page(), mend


def test_every_reward_parameter_has_help():
    silent = [
        f"{reward.name}.{name}"
        for reward in registry().values()
        for name, field in reward.parameters.model_fields.items()
        if not field.description
    ]
    assert silent == []
