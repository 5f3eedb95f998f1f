"""File-to-file jobs that survive a kill: chunks, a ledger, resume; the output is whole or not there."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, closing
from dataclasses import asdict, dataclass, replace
from itertools import count
from types import FrameType
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm  # type: ignore[import-untyped,unused-ignore]

from wijha import __version__
from wijha.chunks import Chunk, Options, chunks, look, quarantine_entry
from wijha.classifier import Classifier, Read
from wijha.errors import InputError
from wijha.identity import input_states, model_state, time_to_touch
from wijha.joining import join
from wijha.ledger import Entry, Ledger, UnfinishedError, writing
from wijha.paths import Pair, Places
from wijha.predict import added_columns, computed, named
from wijha.receipt import Kept, Receipt, Rows, total
from wijha.records import row_count, suffix_of
from wijha.signals import handled
from wijha.surplus import check_free, check_unlinked
from wijha.writing import Row, encode, without_rows

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
    cut: int = 0
    """Texts that are longer than the model reads."""
    spanning: int = 0
    """Rows that reach over so many lines that a stray quote is likely."""
    spanning_first: str = ""
    """Where the first of these begins."""


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
    Raises InputError when an input is not as expected or OUT holds what no such job wrote (nothing is written over),
    UnfinishedError when that is found behind finished chunks or the disk is full, and passes Interrupted on; after both
    `resume` goes on and gives the very same bytes.
    """
    made_with = _made_with(classifier, options)
    options = replace(options, added=_added(options, classifier))
    with_rows = [look(pair.source, options) for pair in pairs]
    if not any(with_rows):
        raise InputError(f"expected rows with text in {pairs[0].source}, found none; check the file")
    with closing(Ledger(places.job)) as ledger:
        plan = _begun(ledger, pairs, places, made_with, resume, restart)
        try:
            _work(ledger, plan.todo, places, classifier, options)
            rows = _finish(ledger, plan, places)
        except Interrupted as stop:
            stop.note = f"stopped: {_so_far(ledger):,} rows are safe in {places.job}; go on with --resume"
            raise
        except UnfinishedError:
            raise
        except InputError as error:
            if not (finished := _so_far(ledger)):
                ledger.remove()
                raise
            raise UnfinishedError(f"{error}; {_how_to_go_on(finished, places, len(pairs))}") from error
    return _counts(rows, plan)


def _counts(rows: dict[Pair, Rows], plan: _Plan) -> Counts:
    """The sums over all inputs."""
    all_rows = total(rows.values())
    first = next((f"{pair.source} line {rows[pair].spanning_at:,}" for pair in plan.states if rows[pair].spanning), "")
    return Counts(*all_rows[:3], len(plan.kept), all_rows.cut, all_rows.spanning, first)


@dataclass(frozen=True)
class _Plan:
    """What a job is made of."""

    states: States
    made_with: dict[str, Any]
    receipt: Receipt
    kept: dict[Pair, Kept]
    """The inputs that an earlier job did."""

    @property
    def todo(self) -> States:
        """The others."""
        return {pair: state for pair, state in self.states.items() if pair not in self.kept}

    @property
    def telling(self) -> dict[str, Any]:
        """What tells what the outputs hold, whatever the size of the chunks."""
        options = {name: value for name, value in self.made_with["options"].items() if name != "chunk_rows"}
        return self.made_with | {"options": options}


def _made_with(classifier: Classifier, options: Options) -> dict[str, Any]:
    """The software, the model and the options."""
    chosen = {name: value for name, value in asdict(options).items() if name != "added"}
    if classifier.target is not None:
        chosen["towards"] = classifier.target
    return {
        "wijha": __version__,
        "model": model_state(classifier.folder),
        "options": chosen | {"runtime": classifier.runtime_name},
    }


def _begun(
    ledger: Ledger, pairs: Sequence[Pair], places: Places, made_with: dict[str, Any], resume: bool, restart: bool
) -> _Plan:
    """Look, with the lock held, at what is there, and begin a job or go on with one."""
    with writing(places.job):
        ledger.hold()
    _check_choice(ledger, resume or restart)
    plan = _Plan(dict(zip(pairs, input_states(pairs), strict=True)), made_with, Receipt.read(places), {})
    check_free(pairs, places, plan.receipt.gone())
    if resume:
        plan = replace(plan, kept=plan.receipt.done(plan.states, plan.telling))
    check_unlinked(plan.todo)
    if not restart:
        begun = ledger.inputs
        fresh = {pair: state for pair, state in plan.todo.items() if pair.name not in begun}
        plan.receipt.check_targets(fresh, plan.telling)
    options = made_with["options"] | {"outputs": {pair.name: pair.suffix for pair in plan.todo}}
    with writing(places.job):
        identity = made_with | {"options": options, "inputs": list(plan.todo.values())}
        ledger.open(identity, resume, {pair.name for pair in plan.kept})
    return plan


def _finish(ledger: Ledger, plan: _Plan, places: Places) -> dict[Pair, Rows]:
    """The parts become outputs, and a receipt says so; what became of the rows of each input."""
    with writing(places.job):
        ledger.check_held()
        join(ledger, list(plan.states), plan.kept, places)
    rows = {pair: before.rows for pair, before in plan.kept.items()} | _rows(ledger, plan.todo)
    with writing(places.receipt):
        plan.receipt.write(plan.states, plan.telling, rows, plan.kept)
    with writing(places.job):
        ledger.remove()
    return rows


def _check_choice(ledger: Ledger, chosen: bool) -> None:
    if ledger.unfinished and not chosen:
        raise InputError(
            f"expected no unfinished job, found {ledger.folder}; go on with --resume or begin again with --restart"
        )


def _added(options: Options, classifier: Classifier) -> tuple[str, ...]:
    """Names of the columns that no input may have."""
    return (*added_columns(classifier.schema), *(("document", "sentence") if options.articles else ()))


def _how_to_go_on(rows: int, places: Places, inputs: int) -> str:
    """What a job that met a bad input keeps, and for what."""
    kept = "goes on if the input is as it was" if inputs == 1 else "keeps those of all but a mended one"
    return f"{rows:,} finished rows stay in {places.job}: --resume {kept}, --restart or another output begins again"


def _work(ledger: Ledger, begun: States, places: Places, classifier: Classifier, options: Options) -> None:
    """One thread reads and tokenises the next chunk and one writes the last while this one computes: three at most."""
    todo = _tokenised(_todo(begun, options, ledger), classifier, options)
    written: Future[None] | None = None
    with (
        _progress(begun, ledger.rows_in) as bar,
        ThreadPoolExecutor(1, "read") as reader,
        ThreadPoolExecutor(1, "write") as writer,
    ):
        upcoming = reader.submit(next, todo, None)
        while (item := upcoming.result()) is not None:
            upcoming = reader.submit(next, todo, None)
            task, read = item
            logits = computed(read, classifier)
            if written:
                written.result()
            cut = sum(each.cut for each in read)
            written = writer.submit(_write, ledger, places, options, task, named(logits, classifier), cut)
            bar.update(task.chunk.rows_in)
        if written:
            written.result()


def _progress(pairs: Iterable[Pair], done: int) -> Any:
    """A bar with rows/s and time left, on a terminal only; without a total where an input breaks off."""
    if not sys.stderr.isatty():
        return tqdm(disable=True)
    counts = [row_count(pair.source) for pair in pairs]
    total = None if None in counts else sum(count or 0 for count in counts)
    return tqdm(total=total, initial=done, unit=" rows", unit_scale=True)


class Task(NamedTuple):
    """A chunk to compute: its number in the job and among those of its input."""

    number: int
    place: int
    pair: Pair
    chunk: Chunk


def _todo(begun: States, options: Options, ledger: Ledger) -> Iterator[Task]:
    """The chunks of all inputs that are not done. Raises InputError when an input changes meanwhile."""
    numbers = count(ledger.next)
    for pair in begun:
        for place, chunk in enumerate(chunks(pair.source, options)):
            if place >= ledger.done[pair.name]:
                _check_unchanged(pair, begun)
                yield Task(next(numbers), place, pair, chunk)
    for pair in begun:
        _check_unchanged(pair, begun)


def _tokenised(todo: Iterable[Task], classifier: Classifier, options: Options) -> Iterator[tuple[Task, list[Read]]]:
    """The chunks with the texts and token ids of their rows."""
    for task in todo:
        yield task, classifier.read([row[options.column] for row in task.chunk.rows])


def _check_unchanged(pair: Pair, begun: States) -> None:
    try:
        same = input_states([pair]) == [begun[pair]]
    except OSError:
        same = False
    if not same:
        raise InputError(
            f"expected inputs that stay as they are, found {pair.source} changed meanwhile; "
            f"put it back as it was, its time too (touch -d {time_to_touch(begun[pair]['changed'])}), or run again"
        )


def _write(ledger: Ledger, places: Places, options: Options, task: Task, added: Iterable[Row], cut: int) -> None:
    pair, chunk = task.pair, task.chunk
    rows = [{**row, **found} for row, found in zip(chunk.rows, added, strict=True)]
    empty = b"" if chunk.rows_in else without_rows(_columns(pair, options), pair.suffix)
    part = encode(rows, pair.suffix, _types(pair)) if rows else empty
    bad = [json.dumps(quarantine_entry(pair.name, record), ensure_ascii=False) + "\n" for record in chunk.faults]
    counts = chunk.rows_in, len(rows), len(bad)
    long = cut, len(chunk.spanning), next(iter(chunk.spanning), 0)
    entry = Entry(task.number, pair.name, task.place, chunk.first, chunk.last, *counts, "", *long)
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
    entries = ledger.by_input()
    return {pair: total(entries[pair.name]) for pair in pairs}


def _so_far(ledger: Ledger) -> int:
    """The rows of the finished chunks."""
    return total(ledger.entries()).rows_in
