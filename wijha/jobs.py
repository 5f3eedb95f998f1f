"""File-to-file jobs that survive a kill: chunks, a ledger, resume; the output is whole or not there."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, closing
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from itertools import groupby
from types import FrameType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm  # type: ignore[import-untyped,unused-ignore]

from wijha.chunks import Chunk, Options, chunks, look, quarantine_entry
from wijha.classifier import Classifier, Read
from wijha.errors import InputError
from wijha.identity import input_states, model_state
from wijha.joining import join
from wijha.ledger import Entry, Ledger, UnfinishedError, writing
from wijha.paths import Pair, Places
from wijha.predict import added_columns, computed, named
from wijha.receipt import Receipt, Rows, total
from wijha.records import Row, row_count, suffix_of
from wijha.signals import handled
from wijha.surplus import check_free
from wijha.writing import encode, without_rows

States = dict[Pair, dict[str, Any]]  # the inputs in order, each as it was when the job began


class Interrupted(BaseException):
    """SIGTERM or Ctrl-C; `signal` is its number, `note` says how to go on."""

    def __init__(self, number: int) -> None:
        self.signal, self.note = number, "stopped before anything was done"


def interruptible() -> AbstractContextManager[None]:
    """Within, SIGTERM and Ctrl-C raise Interrupted in the main thread; a signal that is ignored stays ignored."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Interrupted(number)

    return handled(stop)


@dataclass(frozen=True)
class Counts:
    """What became of the input rows."""

    rows_in: int
    rows_out: int
    quarantined: int
    kept: int = 0
    """Inputs that an earlier job had classified already."""


def run(
    pairs: Sequence[Pair],
    places: Places,
    classifier: Classifier,
    options: Options,
    resume: bool = False,
    restart: bool = False,
) -> Counts:
    """Classify every input into its output; bad rows go to `places.quarantine`, what was done to `places.receipt`.

    With `resume` what an earlier job finished of the same inputs with the same model and options stays as it is.
    Raises InputError when an input is not as expected or OUT holds what other inputs gave (nothing is written over),
    UnfinishedError when that is found behind finished chunks or the disk is full, and passes Interrupted on; after both
    `resume` goes on and gives the very same bytes.
    """
    made_with = {
        "model": model_state(classifier.folder),
        "options": asdict(options) | {"runtime": classifier.runtime_name},
    }
    options = replace(options, added=_added(options, classifier))
    if not (leftover := (resume or restart) and places.job.exists()):
        check_free(pairs, places)
    with_rows = [look(pair.source, options) for pair in pairs]
    if not any(with_rows):
        raise InputError(f"expected rows with text in {pairs[0].source}, found none; check the file")
    begun = dict(zip(pairs, input_states(pairs), strict=True))
    receipt = Receipt.read(places)
    if not (leftover or restart):
        receipt.check_sources(begun)
    with closing(Ledger(places.job)) as ledger:
        done, names = receipt.done(begun, made_with) if resume else {}, ledger.kept
        kept = {pair: rows for pair, rows in done.items() if names is None or pair.name in names}
        todo = {pair: state for pair, state in begun.items() if pair not in kept}
        with writing(places.job):
            ledger.open(_identity(todo, made_with), resume, restart, [pair.name for pair in kept])
        try:
            if not ledger.finished:
                _work(ledger, todo, places, classifier, options)
                with writing(places.job):
                    join(ledger, pairs, kept, places)
                    receipt.write(begun, made_with, kept | _rows(ledger, todo))
            counts = _counts(ledger, [*kept.values()])
            with writing(places.job):
                ledger.finish(asdict(counts))
        except Interrupted as stop:
            stop.note = f"stopped: {_counts(ledger).rows_in:,} rows are safe in {places.job}; go on with --resume"
            raise
        except UnfinishedError:
            raise
        except InputError as error:
            if not (rows := _counts(ledger).rows_in):
                ledger.remove()
                raise
            raise UnfinishedError(f"{error}; {_how_to_go_on(rows, places, len(pairs))}") from error
    return counts


def _identity(todo: States, made_with: dict[str, Any]) -> dict[str, Any]:
    """What a job has to be resumed with."""
    options = made_with["options"] | {"outputs": [pair.suffix for pair in todo]}
    return {"inputs": list(todo.values()), "model": made_with["model"], "options": options}


def _added(options: Options, classifier: Classifier) -> tuple[str, ...]:
    """Names of the columns that no input may have."""
    return (*added_columns(classifier.schema), *(("document", "sentence") if options.articles else ()))


def _how_to_go_on(rows: int, places: Places, inputs: int) -> str:
    """What a job that met a bad input keeps, and for what."""
    kept = "goes on if the input is as it was" if inputs == 1 else "keeps those of the inputs before a mended one"
    return f"{rows:,} finished rows stay in {places.job}: --resume {kept}, --restart or another output begins again"


def _work(ledger: Ledger, begun: States, places: Places, classifier: Classifier, options: Options) -> None:
    """One thread reads and tokenises the next chunk and one writes the last while this one computes: three at most."""
    todo = _tokenised(_todo(begun, options, ledger.count), classifier, options)
    written: Future[None] | None = None
    with (
        _progress(begun, ledger.rows_in) as bar,
        ThreadPoolExecutor(1, "read") as reader,
        ThreadPoolExecutor(1, "write") as writer,
    ):
        upcoming = reader.submit(next, todo, None)
        while (item := upcoming.result()) is not None:
            upcoming = reader.submit(next, todo, None)
            number, pair, chunk, read = item
            logits = computed(read, classifier)
            if written:
                written.result()
            written = writer.submit(_write, ledger, places, options, number, pair, chunk, named(logits, classifier))
            bar.update(chunk.rows_in)
        if written:
            written.result()


def _progress(pairs: Iterable[Pair], done: int) -> Any:
    """A bar with rows/s and time left, on a terminal only; without a total where an input breaks off."""
    if not sys.stderr.isatty():
        return tqdm(disable=True)
    counts = [row_count(pair.source) for pair in pairs]
    total = None if None in counts else sum(count or 0 for count in counts)
    return tqdm(total=total, initial=done, unit=" rows", unit_scale=True)


def _todo(begun: States, options: Options, done: int) -> Iterator[tuple[int, Pair, Chunk]]:
    """Numbered chunks of all inputs but the first `done`. Raises InputError when an input changes meanwhile."""
    every = ((pair, chunk) for pair in begun for chunk in chunks(pair.source, options))
    for number, (pair, chunk) in enumerate(every):
        if number >= done:
            _check_unchanged(pair, begun)
            yield number, pair, chunk
    for pair in begun:
        _check_unchanged(pair, begun)


def _tokenised(
    todo: Iterable[tuple[int, Pair, Chunk]], classifier: Classifier, options: Options
) -> Iterator[tuple[int, Pair, Chunk, list[Read]]]:
    """The chunks with the texts and token ids of their rows."""
    for number, pair, chunk in todo:
        yield number, pair, chunk, classifier.read([row[options.column] for row in chunk.rows])


def _check_unchanged(pair: Pair, begun: States) -> None:
    try:
        same = input_states([pair]) == [begun[pair]]
    except OSError:
        same = False
    if not same:
        seconds, rest = divmod(begun[pair]["changed"], 10**9)
        time = f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09}Z"
        raise InputError(
            f"expected inputs that stay as they are, found {pair.source} changed meanwhile; "
            f"put it back as it was, its time too (touch -d {time}), or run again"
        )


def _write(
    ledger: Ledger, places: Places, options: Options, number: int, pair: Pair, chunk: Chunk, added: Iterable[Row]
) -> None:
    rows = [{**row, **found} for row, found in zip(chunk.rows, added, strict=True)]
    empty = b"" if chunk.rows_in else without_rows(_columns(pair, options), pair.suffix)
    part = encode(rows, pair.suffix, _types(pair)) if rows else empty
    bad = [json.dumps(quarantine_entry(pair.name, record), ensure_ascii=False) + "\n" for record in chunk.faults]
    entry = Entry(number, pair.name, chunk.first, chunk.last, chunk.rows_in, len(rows), len(bad), "")
    with writing(places.job):
        ledger.add(entry, part, "".join(bad).encode("utf-8", "replace"))


def _types(pair: Pair) -> dict[str, Any]:
    """Types of the columns that pass from a .parquet input to a .parquet output."""
    if suffix_of(pair.source) != ".parquet" or pair.suffix != ".parquet":
        return {}
    return {field.name: field.type for field in pq.read_schema(pair.source)}


def _columns(pair: Pair, options: Options) -> dict[str, pa.DataType]:
    """Names and types of the columns of an output without rows."""
    kinds = {"score": pa.float64(), "sentence": pa.int64()}
    added = {name: kinds.get(name.split("_")[-1], pa.string()) for name in options.added}
    return (_types(pair) or {options.column: pa.string()}) | added


def _rows(ledger: Ledger, pairs: Iterable[Pair]) -> dict[Pair, Rows]:
    """What became of the rows of each input."""
    by_name = {pair.name: pair for pair in pairs}
    return {by_name[name]: total(entries) for name, entries in groupby(ledger.entries(), key=lambda entry: entry.input)}


def _counts(ledger: Ledger, kept: Sequence[Rows] = ()) -> Counts:
    """Of the job so far, and of the inputs that an earlier one had done."""
    return Counts(**ledger.finished) if ledger.finished else Counts(*total([*kept, *ledger.entries()]), len(kept))
