"""Biases fitted anew: the labels come in the shares of the data, nothing else of the model moves, pairs are refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from scipy.special import softmax

from train.biases import BIAS, add_biases, fit_biases, rebias
from train.config import FinetuneConfig
from train.data import Example
from train.export import export
from train.finetune import finetune
from train.provenance import begun_with
from wijha import Classifier, InputError
from wijha.files import file_sha256
from wijha.schema import Schema


class _Said:
    """A model of two topics that says the logits it is given."""

    schema = Schema.from_dict(
        {
            "topics": [{"name": "one"}, {"name": "two"}],
            "labels": [{"name": name} for name in ("absent", "neutral", "favor", "against")],
        },
        "test",
    )

    def __init__(self, logits: np.ndarray) -> None:
        self.said = logits

    def logits(self, texts: list[str]) -> np.ndarray:
        return self.said[: len(texts)]


def _examples(true: np.ndarray) -> list[Example]:
    names = _Said.schema.label_names
    return [
        Example(str(row), "جملة", {"one": names[one], "two": names[two]}, str(row), {})
        for row, (one, two) in enumerate(true.tolist())
    ]


def test_the_labels_come_in_the_shares_of_the_sentences() -> None:
    generator = np.random.default_rng(7)
    true = generator.choice(4, size=(4_000, 2), p=[0.4, 0.3, 0.2, 0.1])
    logits = 2 * np.eye(4)[true] + generator.gumbel(size=(4_000, 2, 4)) - np.array([0, 3, 0, 1.5])
    added = fit_biases(_Said(logits), _examples(true))  # type: ignore[arg-type]
    for topic in range(2):
        shares = softmax(logits[:, topic] + added[topic], axis=-1).mean(axis=0)
        assert shares == pytest.approx(np.bincount(true[:, topic], minlength=4) / 4_000, abs=1e-3)
    assert added[:, 1].tolist() == [0, 0]


@pytest.mark.parametrize("few", [np.arange(40) % 3 + 1, np.full(60, 2)], ids=["too few", "none of a label"])
def test_a_topic_of_few_sentences_keeps_its_own(few: np.ndarray) -> None:
    true = np.zeros((200, 2), dtype=int)
    true[:100, 1] = np.arange(100) % 3 + 1
    true[: len(few), 0] = few
    added = fit_biases(_Said(np.random.default_rng(7).normal(size=(200, 2, 4))), _examples(true))  # type: ignore[arg-type]
    assert not added[0].any() and np.abs(added[1]).max() > 0.3


def test_nothing_but_the_biases_moves(model: Path, tmp_path: Path) -> None:
    file = Path(shutil.copy(model / "model.safetensors", tmp_path))
    added = np.arange(16).reshape(4, 4) / 8
    add_biases(file, added)
    before, after = load_file(model / "model.safetensors"), load_file(file)
    assert [name for name in before if not torch.equal(before[name], after[name])] == [BIAS]
    assert after[BIAS] - before[BIAS] == pytest.approx(added.reshape(-1), abs=2e-3)  # half precision


def test_the_run_is_a_whole_model_again(model: Path, data: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(model, tmp_path / "run" / "model"))
    for name in ("evaluation-validation.json", "robustness.json", "archive.jsonl"):  # of the model that it was
        (folder / name).write_text("{}", encoding="utf-8")
    assert rebias(folder, data).shape == (4, 4)
    run = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["run"]
    assert run["config"]["biases"] == str(data) and run["biases"] == {str(data): file_sha256(data)}
    assert begun_with(run)["biases"] == run["biases"]  # a release notes them too
    assert {path.name for path in folder.iterdir()} == {path.name for path in model.iterdir()}
    assert Classifier.load(folder).classify("جملة")[0].labels


def test_a_file_without_development_sentences_is_refused(
    model: Path, rows: list[dict[str, str]], tmp_path: Path
) -> None:
    folder, learned = Path(shutil.copytree(model, tmp_path / "model")), tmp_path / "learned.jsonl"
    learned.write_text("".join(json.dumps(row | {"split": "train"}) + "\n" for row in rows), encoding="utf-8")
    with pytest.raises(InputError, match=f"expected development sentences in {learned}, found none; add some"):
        rebias(folder, learned)
    assert all(path.read_bytes() == (model / path.name).read_bytes() for path in folder.iterdir())


def test_an_exported_model_is_to_be_exported_again(
    model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("openvino", reason="openvino is not installed")
    folder = Path(shutil.copytree(model, tmp_path / "model"))
    export(folder, "half")
    rebias(folder, data)
    assert capsys.readouterr().out.endswith(f"is gone; export it again: python -m train.export {folder}\n")
    assert {path.name for path in folder.iterdir()} == {path.name for path in model.iterdir()}
    assert Classifier.load(folder).runtime_name == "torch cpu"
    rebias(folder, data)
    assert "export it again" not in capsys.readouterr().out


def test_the_run_is_not_finished_anew_over_them(
    model: Path, data: Path, settings: dict[str, object], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(model, tmp_path / "run" / "model"))
    rebias(folder, data)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(InputError, match=r"found those of train\.biases; release it as it is with python -m train"):
        finetune(FinetuneConfig(**settings, output=folder.parent))  # type: ignore[arg-type]
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


def test_two_models_and_an_unfinished_run_are_refused(model: Path, data: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(model, tmp_path / "model"))
    shutil.copytree(model, folder / "first")
    with pytest.raises(InputError, match="found two; name the folder of the run that they came of"):
        rebias(folder, data)
    shutil.rmtree(folder / "first")
    (folder / "metrics.json").unlink()
    with pytest.raises(InputError, match="expected a finished run with"):
        rebias(folder, data)
