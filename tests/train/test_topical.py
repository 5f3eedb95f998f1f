"""Topical sentences: which are taken, and which stay out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from train import topical
from train.data import split_of
from train.topical import candidates, learned, unseen
from wijha.text import key
from wijha.writing import write_rows

ROOT = Path(__file__).resolve().parents[2]
WANTED = "أكد المبعوث الأممي إلى سوريا أن الحل سياسي"
READ = "قال الوزير إن مكافحة الإرهاب مسؤولية كل الدول"


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    lines = [WANTED, WANTED, READ, "فاز الفريق بكأس المدينة بعد مباراة مثيرة جدا", "سوريا اليوم"]
    (folder / "a.txt").write_text("\n".join(lines), encoding="utf-8")
    labels = tmp_path / "annotated.jsonl"
    labels.write_text(json.dumps({"key": key(READ)}) + "\n", encoding="utf-8")
    monkeypatch.setattr(topical, "ANNOTATED", labels)
    monkeypatch.chdir(ROOT)
    return folder


def test_candidates_are_searched_once_and_unread(corpus: Path) -> None:
    assert candidates(corpus) == [WANTED]


def test_a_document_is_topical_where_searched_words_are_frequent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    rare = WANTED + " ثم" * 600
    once = "سوريا اليوم"
    none = "فاز الفريق بكأس المدينة بعد مباراة مثيرة جدا"
    assert list(topical.topical([none, WANTED, once, rare, once + " " + once])) == [WANTED, once + " " + once]


def test_what_a_model_learns_is_read_before_and_nothing_else(tmp_path: Path) -> None:
    rows = [{"text": f"جملة {number}", "story": f"s{number}"} for number in range(60)]
    write_rows(iter(rows), tmp_path / "rows.jsonl")
    lines = learned([tmp_path / "rows.jsonl"])
    train = {row["text"] for row in rows if split_of(row["story"]) == "train"}
    assert 0 < len(train) < 60
    assert {f"جملة {number}" for line in lines for number in line.split() if number != "جملة"} == train
    assert [len(line.split()) for line in lines[:-1]] == [20] * (len(lines) - 1)


def test_a_split_column_and_rows_without_a_story_are_read_as_training_reads_them(tmp_path: Path) -> None:
    rows = [
        {"text": "أولى", "split": "train", "story": "story-3"},
        {"text": "ثانية", "split": "test", "story": "story-1"},
        {"text": "ثالثة", "group": "story-1", "split": ""},
        *({"text": f"جملة {number}"} for number in range(20)),
    ]
    write_rows(iter(rows), tmp_path / "rows.jsonl")
    bare = {row["text"] for row in rows[3:] if split_of(key(row["text"])) == "train"}
    found = " ".join([*learned([tmp_path / "rows.jsonl"]), ""])
    assert "أولى" in found and "ثالثة" in found and "ثانية" not in found
    assert {row["text"] for row in rows[3:] if f"{row['text']} " in found} == bare


def test_near_copies_of_the_validation_news_stay_out(tmp_path: Path) -> None:
    real = tmp_path / "real.jsonl"
    real.write_text(json.dumps({"text": WANTED}) + "\n", encoding="utf-8")
    assert unseen([WANTED + " فقط", READ], real) == [READ]
    assert unseen([WANTED], tmp_path / "none.jsonl") == [WANTED]
