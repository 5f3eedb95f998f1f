"""The measured part: shares, intervals and noise of the asked rate."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from random import Random

import numpy as np
import pytest

from train.data import Example
from train.perturbations import NOISE, SPELLINGS
from train.robustness import Probe, main, measure, table
from wijha import InputError

TEXT = "رفضت الفصائل المسلحة الهدنة في حلب " * 50


@pytest.fixture
def folder(model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(model, tmp_path / "model"))


def test_what_the_normaliser_covers_keeps_every_label_and_noise_does_not(folder: Path, data: Path) -> None:
    result = measure(folder, data, rows=40)
    assert result["sentences"] == 40 and json.loads((folder / "robustness.json").read_text(encoding="utf-8"))["noise"]
    for name in SPELLINGS:
        cell = result["spellings"][name]
        if cell["rows"]:
            assert (cell["same_ids"], cell["same_labels"], list(cell["interval"])) == (1.0, 1.0, [1.0, 1.0]), name
    assert result["spellings"]["tatweel"]["rows"] == 40
    worst = result["noise"]["dropped letter"]["10%"]
    assert worst["same_ids"] < 0.2 and worst["interval"][0] <= worst["same_labels"] <= worst["interval"][1]
    assert measure(folder, data, rows=40) == result
    assert f"| dropped letter, 10% | {worst['rows']} | " in table(result)


class Letters:
    """Reads letter by letter and says of a text whether it has an x."""

    def __init__(self) -> None:
        self.readers = [self]

    def token_ids(self, texts: list[str]) -> list[list[int]]:
        return [list(map(ord, text)) for text in texts]

    def logits(self, texts: list[str]) -> np.ndarray:
        return np.array([[["x" not in text, "x" in text]] for text in texts])


def test_the_interval_is_over_stories_and_of_altered_rows_alone() -> None:
    texts = {"moved": ["a"] * 9 + ["c"] * 5, "stays": ["ax"] * 3 + ["c"] * 7}
    examples = [Example("", text, {}, story, {}) for story, of_it in texts.items() for text in of_it]
    cell = Probe(Letters(), examples, 13)("x for a", lambda text, _: text.replace("a", "x"))  # type: ignore[arg-type]
    assert cell == {"rows": 12, "same_ids": 0.0, "same_labels": 3 / 12, "interval": (0.0, 1.0)}


@pytest.mark.parametrize("rate", [0.02, 0.1])
@pytest.mark.parametrize("kind", NOISE)
def test_noise_has_the_asked_rate(kind: str, rate: float) -> None:
    noisy = NOISE[kind](rate)(TEXT, Random(1))
    letters = len(TEXT.replace(" ", ""))
    if kind == "dropped letter":
        share = (len(TEXT) - len(noisy)) / letters
    else:
        assert len(noisy) == len(TEXT) and noisy.count(" ") == TEXT.count(" ")
        wrong = sum(a != b for a, b in zip(noisy, TEXT, strict=True)) / letters
        share = wrong / 2 if kind == "swapped letters" else wrong
    low = 0.55 if kind == "swapped letters" else 0.7  # the last letter of a word has no partner
    assert low * rate < share < 1.3 * rate


def test_the_command_prints_the_table(
    folder: Path, data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["robustness", str(folder), str(data), "--rows", "5"])
    main()
    assert capsys.readouterr().out.startswith("| change | rows altered |")


def test_without_a_file_the_test_split_is_measured(folder: Path) -> None:
    held = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["run"]["sentences"]
    result = measure(folder)
    assert result["sentences"] == held["test"] and len(set(held.values())) == 3
    assert result["split"] == "test" and result["spellings"]["tatweel"]["rows"] == held["test"]


def test_a_model_without_its_data(folder: Path) -> None:
    (folder / "metrics.json").unlink()
    with pytest.raises(InputError, match=r"expected sentences to change, found none: .*; name a FILE"):
        measure(folder)
