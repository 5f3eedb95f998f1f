"""`wijha info --check`: a good model passes, one that reads or computes otherwise does not."""

from __future__ import annotations

import json
import re
import shutil
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from train.export import export
from wijha.cli import main
from wijha.files import write_json
from wijha.golden import SENTENCES, seal, unseal
from wijha.manifest import GOLDEN, MANIFEST, write_manifest


@pytest.fixture
def folder(model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(model, tmp_path / "model"))


def _check(folder: Path, runtime: str = "auto") -> int:
    return main(["info", "--check", "--model", str(folder), "--runtime", runtime])


def test_a_good_model_passes_every_check(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _check(folder, "torch") == 0
    lines = capsys.readouterr().out.splitlines()[-4:]
    assert [line.split()[0] for line in lines] == ["weights", "files", "tokens", "logits"]
    assert all(line.endswith(": ok") for line in lines)
    assert "5 files" in lines[1] and f"{len(SENTENCES)} sentences" in lines[2]
    assert "(torch cpu: up to 0.001)" in lines[3] or "(torch cuda: up to 0.1)" in lines[3]


@pytest.mark.skipif(find_spec("openvino") is None, reason="openvino is not installed")
def test_an_exported_model_passes_in_every_admitted_precision(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    golden = (folder / GOLDEN).read_bytes()
    result = export(folder)
    assert (folder / GOLDEN).read_bytes() == golden  # still what torch said when the model was trained
    admitted = [precision for precision, judged in result["openvino"].items() if judged["accepted"]]
    assert "f32" in admitted
    for precision in admitted:
        assert _check(folder, f"openvino-{precision}") == 0
        assert f"(openvino {precision}: up to " in capsys.readouterr().out


def test_golden_sentences_hold_what_a_tokenizer_can_get_wrong(model: Path) -> None:
    sentences = json.loads((model / GOLDEN).read_text(encoding="utf-8"))["sentences"]
    assert [sentence["text"] for sentence in sentences] == list(SENTENCES)
    text = "".join(SENTENCES)
    for pattern in ("[\u064b-\u0652]", "\u0640", "[0-9]", "[٠-٩]", "[A-Za-z]", "[\ufe70-\ufefc]", "[\u200c\u200f]"):
        assert re.search(pattern, text)
    assert all(len(sentence["logits"]) == 16 for sentence in sentences)
    assert max(len(sentence["ids"]) for sentence in sentences) == 32  # cut at the model's length


def test_changed_token_ids_are_noticed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As another release of the tokenizer library may cut: diacritics and tatweel stay."""
    path = folder / "tokenizer.json"
    tokenizer = json.loads(path.read_text(encoding="utf-8"))
    steps = tokenizer["normalizer"]["normalizers"]
    tokenizer["normalizer"]["normalizers"] = [
        step for step in steps if "\u0640" not in json.dumps(step, ensure_ascii=False)
    ]
    assert len(tokenizer["normalizer"]["normalizers"]) < len(steps)
    write_json(path, tokenizer)
    write_manifest(folder)
    assert _check(folder) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: expected the token ids of golden.json for 'أكّدَ الوزيرُ")
    assert f"install tokenizers=={version('tokenizers')}" in captured.err and "\ntokens " not in captured.out


def test_changed_logits_are_noticed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "model.safetensors"
    weights = load_file(path)
    weights["classifier.bias"][5] += 0.25
    save_file(weights, path, {"format": "pt"})
    write_manifest(folder)
    assert _check(folder, "torch") == 2
    captured = capsys.readouterr()
    assert re.match(r"error: expected the logits of golden\.json within 0\.\d+ from torch .* of 0\.2[45]", captured.err)
    assert "\nlogits " not in captured.out


@pytest.mark.parametrize("name", [MANIFEST, GOLDEN])
def test_nothing_to_check_by_is_no_pass(folder: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    (folder / name).unlink()
    if name == GOLDEN:
        write_manifest(folder)
    assert main(["info", "--model", str(folder)]) == 0
    assert _check(folder) == 2
    assert re.match(rf"error: expected .*{re.escape(name)}.*, found none;", capsys.readouterr().err)


def test_sealing_again_keeps_the_golden_examples_and_unsealing_makes_way_for_new_ones(folder: Path) -> None:
    before = (folder / GOLDEN).read_bytes()
    golden = json.loads(before) | {"tokenizers": "0.1"}
    write_json(folder / GOLDEN, golden)
    seal(folder)
    assert json.loads((folder / GOLDEN).read_text(encoding="utf-8"))["tokenizers"] == "0.1"
    unseal(folder)
    assert not (folder / GOLDEN).exists() and not (folder / MANIFEST).exists()
    seal(folder)
    assert (folder / GOLDEN).read_bytes() == before and _check(folder) == 0
