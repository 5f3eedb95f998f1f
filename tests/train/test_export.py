"""The export and its gate."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification

from train.export import Gate, export, gate_examples
from train.graph import ClassifierGraph
from wijha import Classifier, InputError
from wijha.golden import seal
from wijha.manifest import FIRST
from wijha.runtime import TorchRuntime


@pytest.fixture
def folder(model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(model, tmp_path / "model"))


def test_the_graph_gives_the_numbers_of_the_stock_model(model: Path) -> None:
    stock = AutoModelForSequenceClassification.from_pretrained(model, dtype=torch.float32).eval()
    ids = torch.randint(5, 200, (4, 20), generator=torch.Generator().manual_seed(0))
    mask = (torch.arange(20) < torch.tensor([20, 13, 2, 1])[:, None]).long()
    with torch.no_grad():
        graph = ClassifierGraph(stock)
        assert graph.stock_bert
        expected = stock(input_ids=ids, attention_mask=mask).logits
        assert torch.allclose(graph(ids, mask), expected, atol=1e-5)
        graph.stock_bert = False
        assert torch.equal(graph(ids, mask), expected)


def test_export_writes_files_and_figures(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("openvino", reason="openvino is not installed")
    result = export(folder)
    assert json.loads((folder / "export.json").read_text(encoding="utf-8")) == result
    assert result["split"] == "development" and result["openvino"]["f32"]["accepted"]
    assert result["openvino"]["f32"]["label_agreement"] == 1
    files = {path.name for path in (folder / "openvino").iterdir()}
    assert files >= {"half.xml", "half.bin"}
    assert ("int8.xml" in files) == result["openvino"]["int8"]["accepted"]
    printed = capsys.readouterr().out
    assert "openvino f32  accepted: 100.00% of the labels of torch" in printed
    assert (folder / "openvino" / "half.bin").stat().st_size < 0.1 * (folder / "model.safetensors").stat().st_size


def test_the_gate_judges_by_the_folders_own_model_alone(
    folder: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openvino", reason="openvino is not installed")
    first = Path(shutil.copytree(model, folder / FIRST))
    weights = load_file(first / "model.safetensors")
    weights["classifier.bias"][:] = torch.tensor([0, 0, 20, 0], dtype=torch.float16).repeat(4)  # sure of what is wrong
    save_file(weights, first / "model.safetensors", metadata={"format": "pt"})
    for each in (first, folder):
        seal(each)

    def judged(folder: Path, calibration: list[str], gate: Gate, only: str | None) -> dict[str, dict[str, Any]]:
        (folder / "openvino").mkdir()
        return {"torch": gate.check(TorchRuntime(folder, "cpu"))}

    monkeypatch.setattr("train.export.written", judged)
    result = export(folder)["openvino"]["torch"]
    assert (result["label_agreement"], result["accepted"]) == (1, True)
    both, own = (Classifier.load(each, "cpu", "torch").logits(["نص", "هدنة في حلب"]) for each in (folder, model))
    assert not (both.argmax(axis=-1) == own.argmax(axis=-1)).any()  # the pair would say otherwise


@pytest.mark.parametrize(("only", "gone"), [("int8", "half."), ("half", "int8.")])
def test_one_kind_of_file_is_kept_where_asked_for(folder: Path, only: str, gone: str) -> None:
    pytest.importorskip("openvino", reason="openvino is not installed")
    result = export(folder, only)["openvino"]
    files = {path.name for path in (folder / "openvino").iterdir()}
    assert not any(name.startswith(gone) for name in files)
    assert result["int8" if only == "half" else "f32"] == {"accepted": False, "note": "not asked for"}
    kept = "int8" if only == "int8" else "f32"
    assert bool(files) == result[kept]["accepted"]
    if files:
        assert Classifier.load(folder, runtime=f"openvino-{kept}").classify("الهدنة باقية")


def test_an_export_that_breaks_off_leaves_the_model_whole(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openvino", reason="openvino is not installed")

    def fails(*arguments: object) -> None:
        raise RuntimeError("no int8 today")

    monkeypatch.setattr("train.export.write_int8", fails)
    with pytest.raises(RuntimeError, match="no int8 today"):
        export(folder)
    assert not (folder / "openvino").exists() and not (folder / "export.json").exists()
    assert (folder / "manifest.json").exists() and Classifier.load(folder).runtime_name.startswith("torch")


class _Wrong(TorchRuntime):
    """Mistakes one sentence in `every`; drifts with the batch by `drift`."""

    every, drift = 0, 0.0

    def logits(self, rows: Sequence[Sequence[int]], pad: int) -> np.ndarray:
        result = super().logits(rows, pad)
        wrong = [self.every > 0 and sum(row) % self.every == 0 for row in rows]
        result[wrong] = -result[wrong]
        result[:, 0] += self.drift * len(rows)
        return result


@pytest.mark.parametrize(
    ("every", "drift", "figure"), [(2, 0.0, "label_agreement"), (0, 0.05, "score_change_by_batch"), (0, 0.0, "")]
)
def test_the_gate_refuses_wrong_labels_and_scores_that_depend_on_the_batch(
    folder: Path, every: int, drift: float, figure: str
) -> None:
    reference = Classifier.load(folder, "cpu", "torch")
    gate = Gate(reference, gate_examples(folder, reference.schema)[2])
    runtime = _Wrong(folder, "cpu")
    runtime.every, runtime.drift = every, drift
    result = gate.check(runtime)
    assert result["accepted"] == (not figure)
    if figure == "label_agreement":
        assert result[figure] < 0.99
    elif figure:
        assert result[figure] > 1e-3


def test_the_gate_refuses_a_loss_of_favg3(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = Classifier.load(folder, "cpu", "torch")
    gate = Gate(reference, gate_examples(folder, reference.schema)[2])
    gate.favg3 += 0.004  # as if torch were so much better
    assert not gate.check(TorchRuntime(folder, "cpu"))["accepted"]
    gate.favg3 -= 0.002
    assert gate.check(TorchRuntime(folder, "cpu"))["accepted"]


def test_without_the_training_data_nothing_is_written(folder: Path) -> None:
    (folder / "metrics.json").unlink()
    with pytest.raises(InputError, match=r"expected the data that .*metrics\.json names"):
        export(folder)
    assert not (folder / "export.json").exists() and not (folder / "openvino").exists()
