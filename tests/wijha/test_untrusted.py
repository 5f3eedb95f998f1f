"""Files that nobody checked through `wijha predict`: each ends as quarantined rows or as one sentence."""

from __future__ import annotations

import gzip
import io
import json
import lzma
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from wijha.cli import main

TEXT = "رفضت الفصائل الهدنة في حلب"
GOOD = json.dumps({"text": TEXT}).encode() + b"\n"
LONG = "كلمة " * 1_150_000  # 10 MB


def predict(folder: Path, model: Path, name: str, content: bytes, out: str = "out.jsonl") -> int:
    (folder / name).write_bytes(content)
    return main(["predict", str(folder / name), str(folder / out), "--model", str(model), "--runtime", "torch"])


def quarantined(folder: Path, out: str = "out.jsonl") -> list[tuple[int, str]]:
    """(line, what was found) of every row that was set aside."""
    path = folder / f"{out}.quarantine.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
    return [(row["line"], row["reason"].split("found ")[1].split(";")[0]) for row in rows]


def parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"text": [f"{TEXT} {n}" for n in range(5_000)]}), sink, row_group_size=1_000)
    return sink.getvalue()


def table(**columns: object) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


SPOILED: dict[str, Callable[[], bytes]] = {
    "end.jsonl.gz": lambda: gzip.compress(GOOD * 300)[:-9],
    "end.csv.xz": lambda: lzma.compress(b"text\n" + f"{TEXT}\n".encode() * 300)[:-20],
    "footer.parquet": lambda: parquet()[:-100],
    "middle.parquet": lambda: parquet()[:40_000] + b"\xff" * 300 + parquet()[40_300:],
}


@pytest.mark.parametrize("name", SPOILED)
def test_a_file_that_breaks_off_is_one_sentence(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert predict(tmp_path, model, name, SPOILED[name]()) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: expected a whole .") and error.endswith("; write it again\n")
    assert error.count("\n") == 1 and [path.name for path in tmp_path.iterdir()] == [name]


text, other = TEXT.encode(), TEXT.encode("cp1256")
ROWS: dict[str, tuple[bytes, list[tuple[int, str]]]] = {
    "mixed.txt": (
        b"\n".join([text, other, text, TEXT.encode("utf-16-le")]),
        [(2, "other bytes"), (4, "NUL characters in it")],
    ),
    "mixed.jsonl": (GOOD + b'{"text": "' + other + b'"}\n' + GOOD, [(2, "other bytes")]),
    "mixed.csv": (b"id,text\n1," + text + b"\n2," + other + b"\n", [(3, "other bytes")]),
    "nul.txt": (text + b"\na\0b\n\0\n" + text, [(2, "NUL characters in it"), (3, "NUL characters in it")]),
    "nul.csv": (b"id,text\n1," + text + b"\n2,a\0b\n\0\n", [(3, "NUL characters in it"), (4, "1")]),
    "nul.jsonl": (
        GOOD + b'{"text": "a\0b"}\n\0\0\n' + GOOD,
        [(2, "invalid control character at at character 12"), (3, "expecting value at character 1")],
    ),
    "half.jsonl": (
        GOOD + b'{"text": "\\ud83d"}\n{"text": "\\ud83d\\ude4f"}\n{"text": "a", "\\udc00": 1}\n',
        [(2, "half of a surrogate pair"), (4, "half of a surrogate pair")],
    ),
    "numbers.jsonl": (
        GOOD + b'{"text": "a", "n": ' + b"9" * 5_000 + b"}\n" + GOOD,
        [(2, "a number or a nesting without end")],
    ),
    "bytes.parquet": (
        table(id=[1, 2, 3], text=pa.array([text, other, text]).view(pa.string())),
        [(2, "other bytes")],
    ),
    "dates.parquet": (
        table(text=[TEXT] * 3, day=pa.array([19_000, 1 << 30, None], pa.date32())),
        [(2, "others")],
    ),
    "zeros.txt.gz": (gzip.compress(text + b"\n" + b"\0" * (10 << 20)), [(2, "NUL characters in it")]),
}


@pytest.mark.parametrize("out", ["out.jsonl", "out.csv", "out.parquet"])
@pytest.mark.parametrize("name", ROWS)
def test_bad_rows_are_set_aside_and_the_others_classified(tmp_path: Path, model: Path, name: str, out: str) -> None:
    content, bad = ROWS[name]
    assert predict(tmp_path, model, name, content, out) == 0
    assert quarantined(tmp_path, out) == bad
    assert main(["verify", str(tmp_path / name), str(tmp_path / out)]) == 0


@pytest.mark.parametrize("name", ["long.txt", "long.jsonl", "long.csv"])
def test_a_line_of_ten_megabytes_is_a_row(tmp_path: Path, model: Path, name: str) -> None:
    lines = [TEXT, LONG.strip(), TEXT]
    if name == "long.jsonl":
        lines = [json.dumps({"text": line}, ensure_ascii=False) for line in lines]
    head = "text\n" if name == "long.csv" else ""
    assert predict(tmp_path, model, name, (head + "\n".join(lines)).encode()) == 0
    with open(tmp_path / "out.jsonl", encoding="utf-8") as rows:
        assert [json.loads(row)["text"] for row in rows] == [TEXT, LONG.strip(), TEXT]
    assert quarantined(tmp_path) == []


@pytest.mark.parametrize("count", [100_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_many_rows_without_text(tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str], count: int) -> None:
    assert predict(tmp_path, model, "blank.jsonl", GOOD + b"\n" * count + GOOD, out="blank.out.jsonl") == 0
    assert quarantined(tmp_path, "blank.out.jsonl") == [] and capsys.readouterr().out.startswith("2 rows -> ")
    assert predict(tmp_path, model, "empty.csv", b"id,text\n" + b"2,\n" * count) == 2
    assert "line 2, found an empty one; mend or drop the row\n" in capsys.readouterr().err
    assert predict(tmp_path, model, "empty.csv", b"id,text\n1,a\n" + b"2,\n" * count) == 0
    assert f"{count:,} of {count + 1:,} input rows set aside" in capsys.readouterr().out
    with open(tmp_path / "out.jsonl.quarantine.jsonl", encoding="utf-8") as lines:
        numbers = [json.loads(line)["line"] for line in lines]
    assert numbers == list(range(3, count + 3))
