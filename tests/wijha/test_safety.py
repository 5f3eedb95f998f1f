"""What a model folder must not bring along, through the real loading function; nothing of it may run."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from wijha import Classifier, InputError
from wijha.golden import unseal
from wijha.safety import check_weights


@pytest.fixture
def folder(model: Path, tmp_path: Path) -> Path:
    """A model of another tool, so to speak: without a manifest, which would stop everything below."""
    copy = Path(shutil.copytree(model, tmp_path / "model"))
    unseal(copy)
    return copy


class _Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, sprung: Path) -> None:
        self.sprung = sprung

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.sprung),)


def _set(path: Path, **settings: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | settings), encoding="utf-8")


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt"])
def test_pickled_weights_alone_are_refused_unopened(folder: Path, tmp_path: Path, name: str) -> None:
    (folder / "model.safetensors").unlink()
    torch.save(_Trap(tmp_path / "sprung"), folder / name)
    with pytest.raises(InputError, match=rf"expected model\.safetensors in .*, found {name}; .* never opened"):
        Classifier.load(folder)
    assert not (tmp_path / "sprung").exists()
    torch.load(folder / name, weights_only=False)
    assert (tmp_path / "sprung").exists()  # the trap itself works


def test_a_pickle_beside_the_weights_is_not_opened(folder: Path, model: Path, tmp_path: Path) -> None:
    for name in ("pytorch_model.bin", "training_args.bin", "optimizer.pt"):
        torch.save(_Trap(tmp_path / "sprung"), folder / name)
    ours, expected = (Classifier.load(each, "cpu", "torch").logits(["نص"]) for each in (folder, model))
    assert not (tmp_path / "sprung").exists() and (ours == expected).all()


def test_no_weights_at_all(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"expected model\.safetensors in .*, found none;"):
        Classifier.load(folder, runtime="torch")


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
@pytest.mark.parametrize(
    "asked",
    [
        {"auto_map": {"AutoModelForSequenceClassification": "code.Model", "AutoConfig": "code.Config"}},
        {"auto_map": {"AutoTokenizer": ["code.Tokenizer", None]}},
        {"trust_remote_code": True},
        {"attn_implementation": "kernels-community/flash-attn"},
        {"transformers_weights": "other.safetensors"},
    ],
    ids=lambda asked: next(iter(asked)),
)
def test_code_and_other_weights_are_refused(folder: Path, tmp_path: Path, file: str, asked: dict[str, object]) -> None:
    (folder / "code.py").write_text(f"import os\nos.mkdir({str(tmp_path / 'sprung')!r})\n", encoding="utf-8")
    _set(folder / file, **asked)
    with pytest.raises(InputError, match=rf"a stock model in .*, its {file} has {next(iter(asked))}; remove"):
        Classifier.load(folder)
    assert not (tmp_path / "sprung").exists()


def test_an_adapter_is_refused(folder: Path) -> None:
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "someone/model"}', encoding="utf-8")
    with pytest.raises(InputError, match=r"expected a stock model in .*, found adapter_config\.json;"):
        Classifier.load(folder)


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_a_config_that_is_no_object_is_one_sentence(folder: Path, name: str) -> None:
    (folder / name).write_text("[1]", encoding="utf-8")
    with pytest.raises(InputError, match=r"expected a (whole model|model trained by wijha) in "):
        Classifier.load(folder)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("bad", [float("nan"), float("-nan"), float("inf"), float("-inf")], ids=str)
def test_one_weight_that_is_no_number_is_named(folder: Path, kind: torch.dtype, bad: float) -> None:
    path = folder / "model.safetensors"
    weights = {name: tensor.to(kind) for name, tensor in load_file(path).items()}
    largest = torch.finfo(kind).max
    weights["classifier.bias"][0], weights["classifier.bias"][1] = largest, -largest
    save_file(weights, path, {"format": "pt"})
    check_weights(folder)
    weights["classifier.bias"][3] = bad
    save_file(weights, path, {"format": "pt"})
    with pytest.raises(InputError, match=r"finite weights in .*, classifier\.bias has NaN or infinity"):
        Classifier.load(folder, runtime="torch")


def test_whole_numbers_among_the_weights_are_no_fault(folder: Path) -> None:
    path = folder / "model.safetensors"
    ids = {"bert.embeddings.position_ids": torch.full((1, 64), -1)}  # as older checkpoints have them: all bits set
    save_file(load_file(path) | ids, path, {"format": "pt"})
    assert np.isfinite(Classifier.load(folder, runtime="torch").logits(["نص"])).all()
