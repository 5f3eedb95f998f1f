"""wijha sample: sentences of a classified archive for somebody to read, so that `wijha estimate` can count without the
model's mistakes. Drawn at random within strata (wijha.strata); labels of an earlier sample can be taken over.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from wijha.archive_rows import NAMES, USUAL, ArchiveRows, Names, Selection, add_selection, connected, selection_of
from wijha.arguments import positive
from wijha.chunks import shown
from wijha.design import Design, Drawn, Labels, design_path, readings
from wijha.errors import InputError
from wijha.files import replacing, write_json
from wijha.paths import Places
from wijha.receipt import Receipt
from wijha.schema import TARGET, Schema
from wijha.strata import LEAST, drawn
from wijha.text import key
from wijha.writing import TARGETS, Row, as_cell, encode, target_suffix

_ROWS, _SEED = 400, 13
_MOST = 100_000  # sentences; what a group of so many takes of memory is no trouble yet
_BOM = "\ufeff"  # without it some spreadsheets show Arabic in UTF-8 as Latin letters


def add_parser(commands: Any) -> None:
    """Add `sample` to the command line's subcommands."""
    command = commands.add_parser(
        "sample",
        help="sentences to read, for `wijha estimate`",
        description="Draw sentences of files that wijha predict wrote, for somebody to label without seeing what the "
        "model said. Beside OUT stands what they were drawn from, for `wijha estimate`.",
    )
    command.add_argument("archive", metavar="PREDICTIONS", type=Path, help=".parquet, .jsonl, .csv, or a folder of one")
    command.add_argument("target", metavar="OUT", type=Path, help=".csv, .jsonl or .parquet to write the labels into")
    command.add_argument(
        "--rows",
        type=_some,
        default=_ROWS,
        help=f"how many sentences; more where {LEAST} for each stance of each topic are (default: {_ROWS})",
    )
    command.add_argument(
        "--seed",
        type=int,
        default=_SEED,
        help=f"another number draws others: take one where the model learned from a sample (default: {_SEED})",
    )
    command.add_argument(
        "--known", type=Path, metavar="SAMPLE", help="an earlier sample, whose labels stay where a text is drawn again"
    )
    add_selection(command)
    command.set_defaults(command=sample)


def _some(word: str) -> int:
    """A count of sentences that somebody might read, as the type of an argument."""
    if (rows := positive(word)) >= _MOST:
        raise argparse.ArgumentTypeError(f"expected less than {_MOST:,}, got {word}")
    return rows


def sample(arguments: argparse.Namespace) -> None:
    """wijha sample."""
    selection, names, schema = selection_of(arguments)
    source, target, rows, seed = arguments.archive, arguments.target, arguments.rows, arguments.seed
    design = draw(source, target, rows, seed, selection, names, schema, arguments.known)
    absent, *others = design.labels
    known = sum(each.known for each in design.drawn.values())
    print(
        f"{len(design.drawn):,} of {design.sentences:,} sentences -> {arguments.target}"
        f"{f', {known:,} with the labels of {arguments.known}' if arguments.known else ''}\n"
        f"label them from the top on, as many as you can: {', '.join(others)} where a topic is there, {absent} once in "
        f"a sentence without any\nnext: wijha estimate {arguments.target}"
    )


def draw(
    source: Path,
    target: Path,
    rows: int = _ROWS,
    seed: int = _SEED,
    selection: Selection | None = None,
    names: Names = NAMES,
    schema: Schema = USUAL,
    known: Path | None = None,
) -> Design:
    """Write `rows` sentences of the archive `source`, or ten of each stratum where that is more, in random order, to
    `target`, with columns for their labels, empty but for what `known`, an earlier sample, has; and their design
    beside it.

    Raises InputError where `source` is no classified archive, no row of it is selected, `known` is no such sample, or
    there is a file at `target` already, which may hold labels, or a sample of that name in another format, whose design
    would be replaced.
    """
    _check_target(target, source)
    selection = selection or Selection()
    of = _drawn_from(source, selection, seed)
    with connected(source) as connection:
        archive = ArchiveRows(connection, source, selection, names, schema)
        _check_selection(archive, source)
        read = _taken_over(known, archive.chosen, schema.label_names, of) if known else {}
        strata, chosen = drawn(archive, rows, seed)
    if not chosen:
        raise InputError(f"expected sentences to draw from in {source}, found none; select more of it")
    entries, filled = {}, list[Row]()
    for number, (text, stratum, said) in enumerate(chosen, 1):
        name, labels = f"s{number:04}", read.get(_as_shown(text)) or read.get(key(text))
        entries[name] = Drawn(key(text), stratum, said, labels is not None)
        filled.append({"id": name, "text": text, **(labels or dict.fromkeys(archive.chosen))})
    polar = list(schema.polar) if len(schema.polar) == 2 else []
    design = Design(of, list(schema.label_names), strata, entries, polar)
    write_json(design_path(target), asdict(design))
    _write(target, filled)
    return design


def _taken_over(known: Path, topics: Sequence[str], labels: Sequence[str], of: Mapping[str, Any]) -> dict[str, Labels]:
    """What an earlier sample says of texts: a text, or its key where the sample has none, -> labels; nothing of a text
    of which it says two things. Raises InputError where it is no sample with labels of these topics."""
    was = _earlier(known, topics, labels, of)
    said, twice = dict[str, Labels](), set[str]()
    for row in readings(known, was, topics):
        name = was.drawn[row.name].key if row.text is None else _as_shown(row.text)
        given = {topic: row.labels[topic] for topic in topics}
        if said.setdefault(name, given) != given:
            twice.add(name)
    if twice:
        print(f"{len(twice):,} texts have two readings in {known}: to be read again")
    return {name: given for name, given in said.items() if name not in twice}


def _earlier(known: Path, topics: Sequence[str], labels: Sequence[str], of: Mapping[str, Any]) -> Design:
    """The design of an earlier sample. Raises InputError where it is of other topics, labels or another target."""
    was = Design.read(design_path(known), "put it beside the sample")
    if not set(topics) <= set(was.topics) or was.labels != list(labels):
        raise InputError(
            f"expected labels {', '.join(labels)} of {', '.join(topics)} in {known}, found a sample for "
            f"{', '.join(was.labels)} of {', '.join(was.topics)}; choose by --topic, or draw without it"
        )
    if TARGET in topics and (target := was.source.get("towards")) != of["towards"]:
        raise InputError(
            f"expected stances towards {of['towards'] or 'a target unknown'} in {known}, found those towards "
            f"{target or 'one unknown'}; draw without it"
        )
    if was.source.get("model") != of["model"] and was.source.get("seed") == of["seed"]:
        print(f"{known} is of another model: where this one learned from it, choose another --seed")
    return was


def _as_shown(text: str) -> str:
    """A text as any sample shows it, spaces at its ends aside."""
    return str(as_cell(text)).strip()


def _drawn_from(source: Path, selection: Selection, seed: int) -> dict[str, Any]:
    """What the design tells of the archive and the draw."""
    receipt = _receipt(source)
    wanted = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(selection).items()}
    return {
        "archive": source.resolve().name,
        "model": receipt.made_with.get("model"),
        "towards": receipt.options.get("towards"),
        **wanted,
        "seed": seed,
    }


def _receipt(source: Path) -> Receipt:
    """What the job noted that wrote the archive: beside the file or folder itself, else beside a link to it."""
    noted = Receipt.read(Places(source.resolve()))
    return noted if noted.made_with else Receipt.read(Places(source))


def _check_target(target: Path, source: Path) -> None:
    target_suffix(target)
    samples = {target}
    if design_path(target).exists():  # of a sample of this name in whichever format, or left alone by a kill
        samples |= {target.with_suffix(suffix) for suffix in TARGETS} - {source}
    for path in sorted(samples):
        if path.exists():
            raise InputError(f"expected no file at {path} yet, found one, perhaps with labels; name another")
    if source.is_dir() and source.resolve() in target.resolve().parents:
        raise InputError(f"expected a place outside of {source}, which it would be part of, got {target}; name another")
    target.parent.mkdir(parents=True, exist_ok=True)


def _write(target: Path, rows: list[Row]) -> None:
    suffix = target_suffix(target)
    with replacing(target) as file:
        file.write((_BOM.encode() if suffix == ".csv" else b"") + encode(rows, suffix))


def _check_selection(archive: ArchiveRows, source: Path) -> None:
    """Raises InputError for a selection by what the archive has not: a report may leave it out, a count may not."""
    if unknown := [topic for topic in archive.selection.topics if topic not in archive.topics]:
        raise InputError(
            f"expected the topics {', '.join(archive.topics)} of {source} as --topic, got {', '.join(unknown)}; choose"
        )
    if missing := list(archive.lacking.values()):
        raise InputError(
            f"expected the column {missing[0]} in {source} to select by, found {shown(archive.columns)}; "
            "name yours by --outlet-column or --date-column"
        )
    for note in archive.notes:
        print(note)
