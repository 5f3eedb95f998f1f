"""The archive to measure on: whole documents of the test split, nothing that is learned."""

from __future__ import annotations

import json
import lzma
import sys
from pathlib import Path

import pytest

from train import held_out
from train.card import ARCHIVE, archive_table
from train.data import split_of
from wijha.design import Design, design_path, read_labels
from wijha.estimate import estimates
from wijha.identity import model_state
from wijha.records import read_rows
from wijha.text import key

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [f"أعلن الوزير رقم {number} عن الخطة.\nورحب بها النواب في الجلسة {number}." for number in range(60)]
HELD = [text for text in DOCUMENTS if split_of(f"d-{key(text)}") == "test"]


def test_sentences_of_held_out_documents_each_once() -> None:
    rows = list(held_out.held_out([*DOCUMENTS, HELD[0]], set()))
    assert 2 <= len(HELD) < 20
    assert [row["text"] for row in rows] == [line for text in HELD for line in text.split("\n")]
    assert [(row["document"], row["sentence"]) for row in rows[:2]] == [(key(HELD[0]), 0), (key(HELD[0]), 1)]


def test_what_is_learned_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (key(line) for line in HELD[0].split("\n"))
    train = next(name for name in map(str, range(99)) if split_of(name) == "train")
    test = next(name for name in map(str, range(99)) if split_of(name) == "test")
    labels = tmp_path / "annotated.jsonl"
    labels.write_text("".join(json.dumps({"key": k, "story": s}) + "\n" for k, s in ((first, train), (second, test))))
    stances = tmp_path / "targets.jsonl"
    stances.write_text(
        "".join(json.dumps({"key": k, "split": s}) + "\n" for k, s in (("a", "development"), ("b", "test")))
    )
    assert held_out.learned_keys(labels, stances) == {first, "a"}
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "one.jsonl.xz").write_bytes(lzma.compress(json.dumps({"text": HELD[0]}).encode()))
    monkeypatch.setattr(held_out, "OUTPUT", tmp_path / "held_out.local.jsonl")
    monkeypatch.setattr(held_out, "ANNOTATED", labels)
    monkeypatch.setattr(held_out, "TARGETS", stances)
    monkeypatch.setattr(sys, "argv", ["held_out", "--corpus", str(tmp_path / "corpus")])
    held_out.main()
    assert [row["id"] for _, row in read_rows(tmp_path / "held_out.local.jsonl")] == [second]


def test_the_split_is_that_of_the_annotated_part() -> None:
    rows = [row for _, row in read_rows(ROOT / "data" / "annotated.jsonl")]
    apart = {row["document"] for row in rows if row["story"] != f"d-{row['document']}"}
    assert len(apart) <= 4  # whose documents tell the story of another


def test_the_sample_of_the_archive_is_of_held_out_documents() -> None:
    rows = [row for _, row in read_rows(ROOT / "data" / "archive_sample.jsonl")]
    learned = held_out.learned_keys(ROOT / "data" / "annotated.jsonl", ROOT / "data" / "targets.jsonl")
    assert len(rows) == 2_000
    assert {split_of(f"d-{row['document']}") for row in rows} == {"test"}
    assert not learned & {row["key"] for row in rows}
    assert not any("text" in row for row in rows)


def test_the_figures_that_are_told_come_of_that_sample() -> None:
    sample, told = ROOT / "data" / "archive_sample.jsonl", ROOT / "models" / "classifier" / ARCHIVE
    design = Design.read(design_path(sample))
    assert design.source["model"] == model_state(told.parent)  # another model needs a sample of its own
    read, _ = read_labels(sample, design)
    assert [row for _, row in read_rows(told)] == [
        row for topic in design.topics for row in estimates(topic, design, read)
    ]
    table = archive_table(told)
    assert table.startswith("| 2,000 read of 110,537 | said | estimated |") and table.count("\n") == 17
    for page in (ROOT / "README.md", told.with_name("README.md")):
        assert f"\n{table}\n" in page.read_text(encoding="utf-8")
