import datasets
import pytest
from datasets import ClassLabel, Dataset, Features, Value

from core.data import task_counts


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A dataset as `load_dataset` finds it on the Hub: a folder with a file per split."""
    folder = tmp_path / "sums"
    rows = {"task": ["m"] * 3, "prompt": ["a", "b", "c"], "meta": [{"k": 1}, {"k": None}, None]}
    Dataset.from_dict(rows).to_parquet(folder / "train.parquet")
    Dataset.from_dict({name: values[:1] for name, values in rows.items()}).to_parquet(folder / "test.parquet")
    datasets.disable_progress_bars()
    yield str(folder)
    datasets.enable_progress_bars()


def test_a_split_is_read(hub, load):
    train = load(hub=hub).train
    assert train["prompt"][:] == ["a", "b", "c"]
    assert train["meta"][:] == [{"k": 1}, {"k": None}, None]
    assert len(load(hub=hub, hub_split="test").train) == 1


def test_a_changed_dataset_is_read_anew(hub, load):
    assert load(hub=hub).train["prompt"][:] == load(hub=hub).train["prompt"][:] == ["a", "b", "c"]
    Dataset.from_dict({"task": ["m"], "prompt": ["new"], "meta": [{"k": 1}]}).to_parquet(f"{hub}/train.parquet")
    assert load(hub=hub).train["prompt"][:] == ["new"]


def test_class_labels_are_read_as_their_names(tmp_path, load, hub):
    features = Features({"task": ClassLabel(names=["math", "code"]), "prompt": Value("string")})
    rows = Dataset.from_dict({"task": [1, 0, 1], "prompt": ["a", "b", "c"]}, features=features)
    rows.to_parquet(f"{hub}/train.parquet")
    Dataset.from_dict({"task": [0], "prompt": ["d"]}, features=features).to_parquet(f"{hub}/test.parquet")
    assert task_counts(load(hub=hub).train) == {"code": 2, "math": 1}


@pytest.mark.parametrize(
    ("fields", "said", "why"),
    [
        ({"hub_split": "validation"}, "data.hub_split: validation: it cannot be loaded: Unknown split", "no split"),
        ({"hub_config": "hard"}, "data.hub_config: hard: it cannot be loaded: BuilderConfig 'hard' not", "no config"),
        ({"prompt_column": "question"}, "(train): there is no column 'question'", "no such column"),
    ],
)
def test_what_the_dataset_does_not_have_is_named(hub, complaints, fields, said, why):
    (complaint,) = complaints(hub=hub, **fields)
    assert said in complaint, why


def test_a_folder_that_is_not_there_is_no_hub_id(complaints):
    assert complaints(hub="./nowhere") == ["data.hub: ./nowhere: there is no such folder. Check the path."]


def test_an_id_that_cannot_be_reached_is_named(complaints, monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    (complaint,) = complaints(hub="nobody/nothing-here")
    assert complaint.startswith("data.hub: nobody/nothing-here: it cannot be loaded: ")
    assert complaint.endswith("Check the id and the network; a private one needs `hf auth login`.")


def test_a_bad_row_is_named_by_its_number(hub, complaints):
    rows = {"task": ["m", " "], "prompt": ["a", "b"], "meta": [{"k": 1}] * 2}
    Dataset.from_dict(rows).to_parquet(f"{hub}/train.parquet")
    (complaint,) = complaints(hub=hub)
    assert complaint.startswith(f"{hub} (train) row 2, column 'task': the task tag is blank.")


def test_files_that_do_not_fit_together_are_named(hub, complaints):
    Dataset.from_dict({"other": ["m"]}).to_parquet(f"{hub}/test.parquet")
    (complaint,) = complaints(hub=hub)
    assert "it cannot be loaded: Couldn't cast. Its files do not fit together" in complaint
