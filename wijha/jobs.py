"""File-to-file jobs that survive a kill: chunks, a ledger, resume; the output is whole or not there."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from types import FrameType
from typing import Any

import pyarrow.parquet as pq
from tqdm import tqdm  # type: ignore[import-untyped,unused-ignore]

from wijha.chunks import Chunk, Options, chunks, look, quarantine_entry
from wijha.classifier import Classifier
from wijha.errors import InputError
from wijha.identity import input_states, model_state
from wijha.joining import join
from wijha.ledger import Entry, Ledger, UnfinishedError, writing
from wijha.paths import Pair, Places
from wijha.predict import added_columns, classified
from wijha.records import row_count
from wijha.writing import encode


class Interrupted(BaseException):
    """SIGTERM or Ctrl-C; `signal` is its number, `note` says how to go on."""

    def __init__(self, number: int) -> None:
        self.signal, self.note = number, "stopped before anything was done"


@contextmanager
def interruptible() -> Iterator[None]:
    """Within, SIGTERM and Ctrl-C raise Interrupted in the main thread; a signal that is ignored stays ignored."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise Interrupted(number)

    kinds = [kind for kind in (signal.SIGTERM, signal.SIGINT) if signal.getsignal(kind) is not signal.SIG_IGN]
    before = {kind: signal.signal(kind, stop) for kind in kinds}
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)


@dataclass(frozen=True)
class Counts:
    """What became of the input rows."""

    rows_in: int
    rows_out: int
    quarantined: int


def run(
    pairs: Sequence[Pair],
    places: Places,
    classifier: Classifier,
    options: Options,
    resume: bool = False,
    restart: bool = False,
) -> Counts:
    """Classify every input into its output; bad rows go to `places.quarantine`.

    Raises InputError when an input is not as expected (nothing is written over, nothing stays), UnfinishedError when
    the disk is full, and passes Interrupted on; after both `resume` goes on and gives the very same bytes.
    """
    for pair in pairs:
        look(pair.source, options)
    settings = asdict(options) | {"runtime": classifier.runtime.name, "outputs": [pair.target.suffix for pair in pairs]}
    identity = {"inputs": input_states(pairs), "model": model_state(classifier.folder), "options": settings}
    with closing(Ledger(places.job)) as ledger:
        with writing(places.job):
            ledger.open(identity, resume, restart)
        try:
            if not ledger.finished:
                _work(ledger, pairs, places, classifier, options)
                if input_states(pairs) != identity["inputs"]:
                    raise InputError("expected inputs that stay as they are, one was changed meanwhile; run it again")
                with writing(places.job):
                    join(ledger, pairs, places)
            counts = _counts(ledger)
            with writing(places.job):
                ledger.finish()
        except Interrupted as stop:
            stop.note = f"stopped: {ledger.rows_in:,} rows are safe in {places.job}; go on with --resume"
            raise
        except UnfinishedError:
            raise
        except InputError:
            ledger.remove()
            raise
    return counts


def _work(ledger: Ledger, pairs: Sequence[Pair], places: Places, classifier: Classifier, options: Options) -> None:
    """One thread reads the next chunk and one writes the last while this one computes: three chunks at most."""
    todo = _todo(pairs, options, ledger.count)
    written: Future[None] | None = None
    with (
        _progress(pairs, ledger.rows_in) as bar,
        ThreadPoolExecutor(1, "read") as reader,
        ThreadPoolExecutor(1, "write") as writer,
    ):
        upcoming = reader.submit(next, todo, None)
        while (item := upcoming.result()) is not None:
            upcoming = reader.submit(next, todo, None)
            number, pair, chunk = item
            rows = list(classified(chunk.rows, classifier, options.column))
            if written:
                written.result()
            written = writer.submit(
                _write, ledger, places, number, pair, chunk, rows, _types(pair, options, classifier)
            )
            bar.update(chunk.rows_in)
        if written:
            written.result()


def _progress(pairs: Sequence[Pair], done: int) -> Any:
    """A bar with rows/s and time left, on a terminal only; without a total where rows are not cheap to count."""
    counts = [row_count(pair.source) for pair in pairs]
    total = None if None in counts else sum(count or 0 for count in counts)
    return tqdm(total=total, initial=done, unit=" rows", unit_scale=True, disable=None)


def _todo(pairs: Sequence[Pair], options: Options, done: int) -> Iterator[tuple[int, Pair, Chunk]]:
    """Numbered chunks of all inputs but the first `done`."""
    every = ((pair, chunk) for pair in pairs for chunk in chunks(pair.source, options))
    return ((number, pair, chunk) for number, (pair, chunk) in enumerate(every) if number >= done)


def _write(
    ledger: Ledger, places: Places, number: int, pair: Pair, chunk: Chunk, rows: list[Any], types: dict[str, Any]
) -> None:
    part = encode(rows, pair.target.suffix, types) if rows else b""
    bad = [json.dumps(quarantine_entry(pair.name, record), ensure_ascii=False) + "\n" for record in chunk.faults]
    entry = Entry(number, pair.name, chunk.first, chunk.last, chunk.rows_in, len(rows), len(bad), "")
    with writing(places.job):
        ledger.add(entry, part, "".join(bad).encode("utf-8", "replace"))


def _types(pair: Pair, options: Options, classifier: Classifier) -> dict[str, Any]:
    """Types of the columns that pass from a .parquet input to a .parquet output."""
    if pair.source.suffix != ".parquet" or pair.target.suffix != ".parquet":
        return {}
    new = {*added_columns(classifier.schema), *(("document", "sentence") if options.articles else ())}
    return {field.name: field.type for field in pq.read_schema(pair.source) if field.name not in new}


def _counts(ledger: Ledger) -> Counts:
    rows_in = rows_out = quarantined = 0
    for entry in ledger.entries():
        rows_in, rows_out = rows_in + entry.rows_in, rows_out + entry.rows_out
        quarantined += entry.quarantined
    return Counts(rows_in, rows_out, quarantined)
