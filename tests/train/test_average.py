"""The mean of several runs' weights: exact, complete as a run's folder, refused where the runs do not match."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from train.average import average
from wijha import Classifier, InputError
from wijha.files import read_json


@pytest.fixture
def shifted(model: Path, tmp_path: Path) -> Path:
    """The fixture's model with every weight a quarter larger."""
    folder = tmp_path / "shifted"
    shutil.copytree(model, folder)
    weights = {name: tensor * 1.25 for name, tensor in load_file(model / "model.safetensors").items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def test_the_mean_is_a_whole_model(model: Path, shifted: Path, tmp_path: Path) -> None:
    folder = average(tmp_path / "mean", [model, shifted])
    first, second = load_file(model / "model.safetensors"), load_file(shifted / "model.safetensors")
    mean = load_file(folder / "model.safetensors")
    for name in first:
        assert torch.equal(mean[name], ((first[name].float() + second[name].float()) / 2).half())
    run = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["run"]
    assert run["config"]["average_of"] == [str(model), str(shifted)]
    assert {path.name for path in folder.iterdir()} == {path.name for path in model.iterdir()}
    assert Classifier.load(folder).classify("جملة")[0].labels


def test_the_mean_of_models_of_a_pair_is_one_model(model: Path, shifted: Path, tmp_path: Path) -> None:
    path = shifted / "metrics.json"
    metrics = json.loads(path.read_text(encoding="utf-8"))
    metrics["run"]["config"]["first"] = "runs/faster/model"
    path.write_text(json.dumps(metrics), encoding="utf-8")
    run = read_json(average(tmp_path / "mean", [shifted, model]) / "metrics.json")["run"]
    assert "first" not in run["config"] and run["config"]["average_of"] == [str(shifted), str(model)]


def test_a_model_is_not_replaced_by_its_own_mean(model: Path, tmp_path: Path) -> None:
    one = Path(shutil.copytree(model, tmp_path / "run" / "model"))
    (tmp_path / "link").symlink_to(tmp_path / "run")
    for output in (tmp_path / "run", tmp_path / "link"):
        with pytest.raises(InputError, match=f"expected another output than a model to average, found {one}; choose"):
            average(output, [model, one])
    assert Classifier.load(one).classify("جملة")[0].labels


def test_models_that_do_not_match_are_refused(model: Path, shifted: Path, tmp_path: Path) -> None:
    weights = load_file(shifted / "model.safetensors")
    weights["classifier.bias"] = weights["classifier.bias"][:-1].clone()
    save_file(weights, shifted / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match="expected models of one shape"):
        average(tmp_path / "mean", [model, shifted])
    assert not (tmp_path / "mean").exists()
    config = json.loads((shifted / "config.json").read_text(encoding="utf-8"))
    config["wijha"]["schema"]["topics"].pop()
    (shifted / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(InputError, match="expected models of one schema"):
        average(tmp_path / "mean", [model, shifted])
    (shifted / "metrics.json").unlink()
    with pytest.raises(InputError, match="expected a finished run with"):
        average(tmp_path / "mean", [shifted])
