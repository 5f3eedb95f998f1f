"""What must hold for any input, tried on inputs that Hypothesis makes up (the profile is in tests/conftest.py)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wijha import Classifier
from wijha.batching import batches, map_batched
from wijha.chunks import Options
from wijha.jobs import run
from wijha.ledger import Entry, Ledger
from wijha.paths import Places, pair_up
from wijha.reader import Reader
from wijha.records import read_rows
from wijha.text import sentences
from wijha.writing import defuse, write_rows

EDGE = " \t\r\n\u2028\u2029\u00a0-\u2013\u2014*\u2022\u25aa\u25cf\u25a0|"  # line breaks, spaces, dashes, bullets
ODD = [
    "\u2028",
    "\x85",
    "\r",
    "\n",
    "\r\n",
    '"',
    "'",
    ",",
    "\ufeff",
    "\u200f",
    "=1",
    "\x1f",
    "\\",
    "\\u0041",
    "🕌",
    "\t",
]
WORDS = ["قال", "الوزير", "د", "أ.ف", "12", "3", "3.5", "«", "»", '"', "(", ")", ".", "..", "…", "؟", "!", "۔", "، "]

words = st.sampled_from(WORDS) | st.sampled_from([*" \n-•\u00a0", *ODD]) | st.characters(codec="utf-8")
articles = st.lists(words, max_size=30).map("".join)
cells = st.lists(st.sampled_from(ODD) | st.characters(codec="utf-8"), max_size=8).map("".join)


@given(articles)
def test_sentences_lose_no_letter_and_stay_when_split_again(article: str) -> None:
    pieces, at = sentences(article), 0
    for piece in pieces:
        begin = article.index(piece, at)
        assert not any(map(str.isalnum, article[at:begin])) and any(map(str.isalnum, piece))
        assert piece[0] not in EDGE and piece[-1] not in EDGE
        at = begin + len(piece)
    assert not any(map(str.isalnum, article[at:]))
    assert [again for piece in pieces for again in sentences(piece)] == pieces


@given(st.lists(st.integers(0, 80), max_size=60), st.integers(1, 300), st.sampled_from([0, 1, 4, 16]))
def test_batches_hold_every_index_once_within_the_budget(lengths: list[int], tokens: int, step: int) -> None:
    made = list(batches(lengths, tokens, step))
    assert sorted(index for batch in made for index in batch) == list(range(len(lengths)))
    for batch in made:
        widths = [-(-lengths[index] // step) * step if step else lengths[index] for index in batch]
        assert len(batch) == 1 or max(widths) * len(batch) <= tokens
        assert not step or len(set(widths)) == 1


@given(st.lists(st.integers(0, 80), max_size=60), st.integers(1, 300), st.sampled_from([0, 4]), st.integers(1, 3))
def test_results_come_in_the_order_of_the_items(lengths: list[int], tokens: int, step: int, workers: int) -> None:
    items = list(enumerate(lengths))
    assert map_batched(items, lengths, lambda batch: [item[0] for item in batch], tokens, step, workers) == list(
        range(len(items))
    )


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
@given(rows=st.lists(st.fixed_dictionaries({"text": cells, "نص, آخر": cells}), min_size=1, max_size=8))
def test_rows_that_are_written_are_read(suffix: str, rows: list[dict[str, Any]]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"rows{suffix}"
        assert write_rows(rows, path) == len(rows)
        wanted = [{name: defuse(value) for name, value in row.items()} for row in rows] if suffix == ".csv" else rows
        assert [row for _, row in read_rows(path)] == wanted


values = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | cells
    | st.lists(st.integers())
)


@given(st.lists(st.dictionaries(cells, values, max_size=4), min_size=1, max_size=8))
def test_any_json_row_comes_back(rows: list[dict[str, Any]]) -> None:
    with TemporaryDirectory() as folder:
        write_rows(rows, Path(folder) / "rows.jsonl")
        assert [row for _, row in read_rows(Path(folder) / "rows.jsonl")] == rows


class RowWise:
    """Logits that depend on a row's ids alone: with it, bytes show what the job does and not how floats round."""

    name, tokens, step, workers = "row-wise", 64, 0, 1

    def logits(self, rows: Sequence[Sequence[int]], pad: int) -> np.ndarray:
        return np.stack([np.random.default_rng(list(row)).normal(size=16) for row in rows]).astype(np.float32)


@pytest.fixture(scope="module")
def row_wise(model: Path) -> Classifier:
    loaded = Classifier.load(model)
    return Classifier(Reader(model, RowWise()), loaded.schema, {})


GOOD = {"text": "قال الوزير. غادر الوفد؟ نعم!"}
numbers = st.none() | st.integers(-9, 9) | st.sampled_from([0.5, -2.5])
good_rows = st.fixed_dictionaries({"text": articles}, optional={"n": numbers, "tag": cells})
bad_lines = st.sampled_from(['{"text": "بتر', "{}", "3", "", '{"text": "\\ud800"}'])
lines = st.lists(good_rows.map(json.dumps) | bad_lines, min_size=4, max_size=12)


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
@settings(max_examples=15)  # a job brings every chunk to the disk
@given(made=lines, chunk_rows=st.integers(1, 4), split=st.booleans())
def test_any_chunk_size_gives_the_same_bytes(
    row_wise: Classifier, suffix: str, made: list[str], chunk_rows: int, split: bool
) -> None:
    with TemporaryDirectory() as folder:
        source = Path(folder) / "in.jsonl"
        source.write_text("\n".join([json.dumps(GOOD), *made]), encoding="utf-8")
        one, many = (
            _outcome(source, Path(folder) / name / f"out{suffix}", row_wise, Options(articles=split, chunk_rows=rows))
            for name, rows in (("one", 4_096), ("many", chunk_rows))
        )
        assert one == many and one[0]


chunk = st.tuples(st.binary(max_size=6), st.binary(max_size=6))
files = st.tuples(st.sampled_from(["part", "quarantine"]), st.integers(0, 4))


@settings(max_examples=60)
@given(made=st.lists(chunk, min_size=1, max_size=5), cut=st.none() | st.integers(0, 2_000), turned=st.sets(files))
def test_a_ledger_keeps_what_is_whole_and_nothing_else(
    made: list[tuple[bytes, bytes]], cut: int | None, turned: set[tuple[str, int]]
) -> None:
    with TemporaryDirectory() as folder:
        job = Path(folder) / "job"
        _filled(job, made, first=0)
        before = contents(job)
        whole = _damaged(job, cut, turned)
        with closing(Ledger(job)) as ledger:
            opened(ledger)
            assert ledger.next == ledger.done["in"] == whole
            assert [entry.chunk for entry in ledger.entries()] == list(range(whole))
        _filled(job, made, first=whole)
        assert contents(job) == before


def test_a_byte_of_the_ledger_that_changes_costs_its_line_and_those_behind(tmp_path: Path) -> None:
    job = tmp_path / "job"
    _filled(job, [(b"ab", b""), (b"cde", b"f")], first=0)
    lines = (job / "ledger.jsonl").read_bytes()
    first = lines.index(b"\n") + 1
    for place in range(len(lines)):
        damaged = bytearray(lines)
        damaged[place] ^= 1  # of a digit it makes another
        (job / "ledger.jsonl").write_bytes(damaged)
        with closing(Ledger(job)) as ledger:
            opened(ledger)
            assert ledger.next == (place >= first), place


IDENTITY: dict[str, Any] = {"inputs": [{"name": "in"}], "model": "m", "options": {}}


def opened(ledger: Ledger) -> None:
    ledger.hold()
    ledger.open(IDENTITY, resume=True)


def contents(job: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in job.iterdir()}


def _filled(job: Path, made: list[tuple[bytes, bytes]], first: int) -> None:
    """Open the ledger, or go on with it, and add the chunks from `first` on."""
    with closing(Ledger(job)) as ledger:
        opened(ledger)
        assert ledger.next == first
        for number, (part, bad) in enumerate(made[first:], first):
            ledger.add(Entry(number, "in", number, number, number, 1, len(part), len(bad), ""), part, bad)


def _damaged(job: Path, cut: int | None, turned: set[tuple[str, int]]) -> int:
    """Cut the ledger off and turn the first bit of files of chunks; returns how many from the first are whole."""
    path = job / "ledger.jsonl"
    ends = list(accumulate(map(len, path.read_bytes().splitlines(keepends=True))))
    if cut is not None:
        path.write_bytes(path.read_bytes()[:cut])
    whole = [cut is None or end <= cut for end in ends]
    for kind, number in turned:
        file = job / f"{number:08}.{kind}"
        if file.exists():
            data = bytearray(file.read_bytes())
            data[0] ^= 1
            file.write_bytes(data)
            whole[number] = False
    return [*whole, False].index(False)


def _outcome(source: Path, out: Path, classifier: Classifier, options: Options) -> tuple[Any, bytes]:
    """Output and quarantine; of a .parquet the table, whose row groups are the chunks."""
    places = Places(out)
    run(pair_up([str(source)], out), places, classifier, options)
    bad = places.quarantine.read_bytes() if places.quarantine.exists() else b""
    return pq.read_table(out).to_pylist() if out.suffix == ".parquet" else out.read_bytes(), bad
