"""wijha sample: sentences of a classified archive for somebody to read, so that `wijha estimate` can count without the
model's mistakes.

They are drawn at random within strata: one for each stance of each topic, a sentence being in that of the rarest that
it has; one of the sentences without a topic, and one of those in which the model is not sure of that. A stratum gets a
share by the root of its size (power allocation: Bankier 1988), so that rare stances are read often, and the many
sentences without a topic most.
"""

from __future__ import annotations

import argparse
import random
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from wijha.archive_rows import NAMES, USUAL, Names, Rows, Selection, add_selection, connected, selection_of
from wijha.archive_source import text_literal
from wijha.arguments import positive
from wijha.errors import InputError
from wijha.files import read_json, replacing, write_json
from wijha.schema import Schema
from wijha.writing import encode, target_suffix

_ROWS, _SEED = 400, 13
_LEAST = 10  # sentences of each stratum, where it has as many
_SURE = 0.9
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
    command.add_argument("--rows", type=positive, default=_ROWS, help=f"how many sentences (default: {_ROWS})")
    command.add_argument("--seed", type=int, default=_SEED, help=f"another number draws others (default: {_SEED})")
    add_selection(command)
    command.set_defaults(command=sample)


def sample(arguments: argparse.Namespace) -> None:
    """wijha sample."""
    selection, names, schema = selection_of(arguments)
    design = draw(arguments.archive, arguments.target, arguments.rows, arguments.seed, selection, names, schema)
    print(
        f"{len(design.drawn):,} of {design.sentences:,} sentences -> {arguments.target}; label each topic "
        f"({', '.join(design.labels)}; {design.labels[0]} may be left out beside another label), from the top on, as "
        f"many as you can\nnext: wijha estimate {arguments.target}"
    )


@dataclass(frozen=True)
class Design:
    """What a sample was drawn from."""

    labels: list[str]
    """The labels; the first is the absent one."""
    strata: list[dict[str, Any]]
    """name, sentences, and `said`: topic -> label -> how many of them the model gave it."""
    drawn: dict[str, dict[str, Any]]
    """id -> number of the stratum, and what the model said of each topic ("" where it was not asked)."""

    @property
    def sentences(self) -> int:
        """How many there are in all strata."""
        return sum(stratum["sentences"] for stratum in self.strata)

    @property
    def topics(self) -> list[str]:
        """Names of the topics."""
        return list(self.strata[0]["said"])

    @classmethod
    def read(cls, path: Path) -> Design:
        """Raises InputError when there is none at `path`."""
        try:
            return cls(**read_json(path))
        except (OSError, ValueError, TypeError) as error:
            raise InputError(
                f"expected what `wijha sample` wrote beside the sample at {path}, found none; pass it as --design FILE"
            ) from error


def design_path(sample: Path) -> Path:
    """Where the design of a sample lies."""
    return sample.with_name(f"{sample.stem}.design.json")


def draw(
    source: Path,
    target: Path,
    rows: int = _ROWS,
    seed: int = _SEED,
    selection: Selection | None = None,
    names: Names = NAMES,
    schema: Schema = USUAL,
) -> Design:
    """Write `rows` sentences of the archive `source`, in random order, to `target`, with empty columns for their
    labels, and their design beside it.

    Raises InputError where `source` is no classified archive, no row of it is selected, or there is a file at `target`
    already, which may hold labels.
    """
    suffix = target_suffix(target)
    for path in (target, design_path(target)):
        if path.exists():
            raise InputError(f"expected no file at {path} yet, found one, perhaps with labels; name another")
    with connected(source) as connection:
        archive = Rows(connection, source, selection or Selection(), names, schema)
        for note in archive.notes:
            print(note)
        strata, number = _strata(archive)
        if not any(each["sentences"] for each in strata):
            raise InputError("expected sentences to draw from, found none; loosen --outlet, --since or --until")
        chosen = _drawn(archive, number, allocated([each["sentences"] for each in strata], rows), seed)
    texts = {f"s{place:04}": text for place, (text, _) in enumerate(chosen, 1)}
    design = Design(
        list(schema.label_names), strata, {name: said for name, (_, said) in zip(texts, chosen, strict=True)}
    )
    blank = dict.fromkeys(archive.chosen)
    content = encode([{"id": name, "text": text, **blank} for name, text in texts.items()], suffix)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_json(design_path(target), asdict(design))
    with replacing(target) as file:
        file.write((_BOM.encode() if suffix == ".csv" else b"") + content)
    return design


def _strata(archive: Rows) -> tuple[list[dict[str, Any]], str]:
    """The strata as they stand in `Design`, and SQL for the number of a row's."""
    labels = "SELECT {0}, count(*) FROM archive WHERE {1} AND {2} GROUP BY 1"
    found = [
        (count, topic, label)
        for topic in archive.chosen
        for label, count in _all(archive, labels.format(archive.stances[topic], archive.where, archive.present(topic)))
    ]
    rarest = [(topic, label) for _, topic, label in sorted(found)]
    cases = [
        f"WHEN {archive.stances[topic]} = {text_literal(label)} THEN {place}"
        for place, (topic, label) in enumerate(rarest)
    ]
    scores = [f"TRY_CAST({archive.scores[topic]} AS DOUBLE)" for topic in archive.chosen if topic in archive.scores]
    cases.append(f"WHEN least({', '.join([*scores, '1.0'])}) < {_SURE} THEN {len(rarest)}")
    number = f"CASE {' '.join(cases)} ELSE {len(rarest) + 1} END"
    names = [*map("/".join, rarest), "no topic, not sure", "no topic"]
    strata = [{"name": name, "sentences": 0, "said": {topic: {} for topic in archive.chosen}} for name in names]
    for place, count in _all(archive, f"SELECT {number}, count(*) FROM archive WHERE {archive.where} GROUP BY 1"):
        strata[place]["sentences"] = count
    for topic in archive.chosen:
        query = f"SELECT {number}, {archive.stances[topic]}, count(*) FROM archive WHERE {archive.where} AND "
        for place, label, count in _all(archive, query + f"{archive.read(topic)} GROUP BY 1, 2"):
            strata[place]["said"][topic][label] = count
    return strata, number


def _all(archive: Rows, query: str) -> list[Any]:
    return list(archive.run(query, archive.values).fetchall())


def allocated(sizes: list[int], rows: int) -> list[int]:
    """How many of `rows` each stratum gives: all or `_LEAST` of it first, then one at a time to where the root of the
    size is most above what it gives."""
    given = [min(size, _LEAST) for size in sizes]
    while sum(given) < min(rows, sum(sizes)):
        open_ones = [place for place, size in enumerate(sizes) if given[place] < size]
        given[max(open_ones, key=lambda place: sizes[place] ** 0.5 / given[place])] += 1
    return given


def _drawn(archive: Rows, number: str, given: list[int], seed: int) -> list[tuple[str, dict[str, Any]]]:
    """(text, what stands of it in `Design.drawn`), in random order."""
    archive.run("SET threads = 1")  # else DuckDB's random numbers hang on which thread reads first
    archive.run("SELECT setseed(?)", [seed % 2**31 / 2**31])
    stances = ", ".join(f"coalesce({archive.stances[topic]}, '')" for topic in archive.chosen)
    entries = (
        f"SELECT {number} AS stratum, row(random(), the_text, {stances}) AS entry FROM archive WHERE {archive.where}"
    )
    lowest = _all(archive, f"SELECT stratum, min(entry, {max(given)}) FROM ({entries}) GROUP BY 1 ORDER BY 1")
    chosen = [
        (text, {"stratum": stratum, **dict(zip(archive.chosen, said, strict=True))})
        for stratum, entries in lowest
        for _, text, *said in sorted(entries)[: given[stratum]]
    ]
    random.Random(seed).shuffle(chosen)
    return chosen
