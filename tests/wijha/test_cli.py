"""wijha predict, as a user runs it."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from wijha.cli import main

TEXTS = ["أكد الوزير دعمه للحل السياسي، في سوريا", "رفضت الفصائل الهدنة في حلب", 'قال: "القدس" عاصمة']


def _write(path: Path, texts: list[str]) -> None:
    rows = [{"id": str(number), "text": text} for number, text in enumerate(texts)]
    if path.suffix == ".txt":
        path.write_text("\n".join(texts) + "\n", encoding="utf-8")
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    elif path.suffix == ".csv":
        with open(path, "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, ["id", "text"])
            writer.writeheader()
            writer.writerows(rows)
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)


def _read(path: Path) -> list[dict[str, object]]:
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    if path.suffix == ".csv":
        with open(path, encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    return pq.read_table(path).to_pylist()


@pytest.mark.parametrize("source", [".txt", ".jsonl", ".csv", ".parquet"])
@pytest.mark.parametrize("target", [".jsonl", ".csv", ".parquet"])
def test_every_format_in_and_out(tmp_path: Path, model: Path, source: str, target: str) -> None:
    _write(tmp_path / f"in{source}", TEXTS)
    assert main(["predict", str(tmp_path / f"in{source}"), str(tmp_path / f"out{target}"), "--model", str(model)]) == 0
    rows = _read(tmp_path / f"out{target}")
    assert [row["text"] for row in rows] == TEXTS
    for row in rows:
        assert row["jerusalem_status_stance"] in ("absent", "neutral", "favor", "against")
        assert 0.25 <= float(row["jerusalem_status_score"]) <= 1  # type: ignore[arg-type]
        assert source == ".txt" or "id" in row


def test_articles_are_split_and_numbered(tmp_path: Path, model: Path) -> None:
    _write(tmp_path / "in.jsonl", ["جملة أولى عن جنيف. جملة ثانية؟ ثالثة!", "جملة وحيدة"])
    arguments = [
        "predict",
        str(tmp_path / "in.jsonl"),
        str(tmp_path / "out.jsonl"),
        "--articles",
        "--model",
        str(model),
    ]
    assert main(arguments) == 0
    rows = _read(tmp_path / "out.jsonl")
    assert [(row["document"], row["sentence"]) for row in rows] == [("0", 0), ("0", 1), ("0", 2), ("1", 0)]
    assert rows[1]["text"] == "جملة ثانية؟"


BAD = {
    "empty.jsonl": (b"", "expected rows with text in"),
    "blank.txt": (b"\n \n", "expected rows with text in"),
    "other.jsonl": ('{"title": "نص"}\n'.encode(), "expected a column 'text'"),
    "latin.txt": ("نص".encode("cp1256"), "expected UTF-8 in"),
    "broken.jsonl": ('{"text": "نص"}\n{"text": "ن'.encode(), "expected a JSON object in"),
    "number.jsonl": (b'{"text": 3}\n', "expected a text in"),
    "short.csv": (b"id,text\n1\n", "expected 2 columns in"),
    "cut.parquet": (b"PAR1\x00\x00", "expected a whole .parquet file"),
    "page.pdf": (b"%PDF", "expected a .txt, .jsonl, .csv, .parquet file"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_sentence_and_loses_nothing(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    content, sentence = BAD[name]
    (tmp_path / name).write_bytes(content)
    (tmp_path / "out.jsonl").write_text("earlier\n", encoding="utf-8")
    words = ["predict", str(tmp_path / name), str(tmp_path / "out.jsonl"), "--model", str(model)]
    strict = ["--strict"] if name == "broken.jsonl" else []  # its first line is good
    assert main(words + strict) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith(f"error: {sentence}")
    assert "\n" not in error and ";" in error
    assert (tmp_path / "out.jsonl").read_text(encoding="utf-8") == "earlier\n"
    assert {path.name for path in tmp_path.iterdir()} == {name, "out.jsonl"}


def test_as_a_process_without_traceback(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "wijha.cli", "predict", "none.txt", "out.jsonl", "--model", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: expected a model folder") and "Traceback" not in done.stderr


def test_formulas_are_defused_in_csv(tmp_path: Path, model: Path) -> None:
    _write(tmp_path / "in.jsonl", ["=HYPERLINK(1) نص", "نص عادي"])
    assert main(["predict", str(tmp_path / "in.jsonl"), str(tmp_path / "out.csv"), "--model", str(model)]) == 0
    assert [row["text"] for row in _read(tmp_path / "out.csv")] == ["'=HYPERLINK(1) نص", "نص عادي"]
