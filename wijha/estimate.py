"""wijha estimate: how often a topic and a stance really stand in an archive, from a sample that somebody has read.

Counting what a model says counts its mistakes too. The sentences of `wijha sample` tell, for each label that the model
gives, how often it is right and what else is there; with its own counts of the whole archive that gives counts without
its mistakes (post-stratification: Holt and Smith 1979), and its precision and recall on this archive. Intervals are
those of the posterior of what the strata hold; the prior is Perks's (1947), one sentence for each label that the
model gives.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wijha.chunks import shown
from wijha.errors import InputError
from wijha.records import read_rows
from wijha.sample import Design, design_path
from wijha.writing import Row, write_rows

_DRAWS, _SEED = 4_000, 13
_BOUNDS = (2.5, 97.5)  # percent
PRESENT = "(present)"
"""Any label of a topic but the absent one."""

Labels = Mapping[str, str]
"""Topic -> label."""


def add_parser(commands: Any) -> None:
    """Add `estimate` to the command line's subcommands."""
    command = commands.add_parser(
        "estimate",
        help="counts without the model's mistakes",
        description="How often each topic and stance really stands in an archive, and how right the model is there, "
        "with 95 % intervals, from a sample of `wijha sample` that somebody has labelled.",
    )
    command.add_argument("sample", metavar="SAMPLE", type=Path, help="the labelled sample: .csv, .jsonl or .parquet")
    command.add_argument("target", metavar="OUT", type=Path, nargs="?", help="a .csv, .jsonl or .parquet of the table")
    command.add_argument("--design", type=Path, help="what it was drawn from (default: SAMPLE, but .design.json)")
    command.set_defaults(command=estimate)


def estimate(arguments: argparse.Namespace) -> None:
    """wijha estimate."""
    design = Design.read(arguments.design or design_path(arguments.sample))
    read = read_labels(arguments.sample, design)
    rows = [row for topic in design.topics for row in estimates(topic, design, read)]
    if arguments.target:
        write_rows(rows, arguments.target)
    print(f"{len(read):,} of the {len(design.drawn):,} sentences are read, drawn from {design.sentences:,}\n")
    print("\n".join(_table(rows)))


def read_labels(path: Path, design: Design) -> dict[str, Labels]:
    """id -> labels of the rows that somebody has read: those with any label. A topic left empty in one is absent.

    Raises InputError for an unknown id or label, an id twice, and where no row is read.
    """
    read: dict[str, Labels] = {}
    for line, row in read_rows(path):
        found = {topic: str(row.get(topic) or "").strip() for topic in design.topics}
        if not any(found.values()):
            continue
        if unknown := [topic for topic, label in found.items() if label and label not in design.labels]:
            raise InputError(
                f"expected one of {', '.join(design.labels)} or nothing as {unknown[0]} in {path} line {line}, "
                "got another label; mend it"
            )
        name = str(row.get("id") or "").strip()
        if name not in design.drawn or name in read:
            what = "the same one again" if name in read else "another"
            raise InputError(f"expected an id of the sample, each once, in {path} line {line}, got {what}; mend it")
        read[name] = {topic: label or design.labels[0] for topic, label in found.items()}
    if not read:
        raise InputError(
            f"expected labels in the columns {shown(design.topics)} of {path}, found none; read some of it first"
        )
    return read


def estimates(topic: str, design: Design, read: Mapping[str, Labels]) -> list[Row]:
    """A row for the topic's presence and for each of its labels but the absent one.

    `sentences` of the archive have a prediction for the topic, `read` of them are read. Of all, the model gives `said`
    the label, and `estimated` have it (with `_low` and `_high`, the bounds of its 95 % interval, as what follows);
    `precision` is the share of the first that have it, `recall` of the second that the model gives it, None where there
    are none.
    """
    size, seen = _counted(topic, design, read)
    confusion, draws = _confusions(size, seen)
    counts = {"sentences": int(size.sum()), "read": int(seen.sum())}
    wanted = {PRESENT: list(range(1, len(design.labels)))}
    wanted |= {label: [number] for number, label in enumerate(design.labels) if number}
    return [
        {"topic": topic, "label": label, **counts, **_figures(confusion, draws, np.array(numbers))}
        for label, numbers in wanted.items()
    ]


def _counted(topic: str, design: Design, read: Mapping[str, Labels]) -> tuple[np.ndarray, np.ndarray]:
    """How many sentences of each stratum the model gives each label, shape (strata, labels); and of those that are read
    how many have which one, shape (strata, labels, labels)."""
    number = {label: place for place, label in enumerate(design.labels)}
    size = np.zeros((len(design.strata), len(number)))
    seen = np.zeros((*size.shape, len(number)))
    for place, stratum in enumerate(design.strata):
        for label, sentences in stratum.said[topic].items():
            size[place, number[label]] = sentences
    for name, labels in read.items():
        drawn = design.drawn[name]
        if drawn[topic]:
            seen[drawn["stratum"], number[drawn[topic]], number[labels[topic]]] += 1
    return size, seen


def _confusions(size: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many sentences of the archive the model gives one label and have another, shape (labels, labels); and draws
    of the same from its posterior, shape (draws, labels, labels)."""
    count, sampled = size.shape[1], seen.sum(axis=2, keepdims=True)
    size = _collapsed(size, sampled[..., 0])
    rates = np.where(sampled > 0, seen / np.maximum(sampled, 1), np.eye(count))
    prior = size / np.maximum(size.sum(axis=0), 1) / count  # over all strata one sentence for each label that is said
    shape = np.where(size[..., None] > 0, seen + prior[..., None], 1.0)
    drawn = np.random.default_rng(_SEED).standard_gamma(shape, (_DRAWS, *shape.shape))
    drawn /= drawn.sum(axis=3, keepdims=True)
    unread = np.maximum(size[..., None] - sampled, 0)
    return (seen + unread * rates).sum(axis=0), (seen + unread * drawn).sum(axis=1)


def _collapsed(size: np.ndarray, sampled: np.ndarray) -> np.ndarray:
    """Sizes, shape (strata, said labels), in which strata that nobody has read count with the others of their label."""
    whole, kept = size.sum(axis=0), np.where(sampled > 0, size, 0)
    known = kept.sum(axis=0)
    scaled: np.ndarray = kept * whole / np.maximum(known, 1)
    scaled[0] += np.where(known > 0, 0, whole)  # a label of which nothing is read
    return scaled


def _figures(confusion: np.ndarray, draws: np.ndarray, labels: np.ndarray) -> Row:
    """What `estimates` says of some labels taken as one."""
    tables = np.concatenate([confusion[None], draws])
    said, there = tables[:, labels].sum(axis=(1, 2)), tables[:, :, labels].sum(axis=(1, 2))
    both = tables[:, labels][:, :, labels].sum(axis=(1, 2))
    counts = {name: round(value) for name, value in _bounded("estimated", there).items()}
    shares = _share("precision", both, said) | _share("recall", both, there)
    return {"said": round(said[0]), **counts, **shares}


def _share(name: str, some: np.ndarray, whole: np.ndarray) -> dict[str, float | None]:
    shares = np.divide(some, whole, out=np.zeros_like(some), where=whole > 0)
    return {each: round(value, 3) if whole[0] > 0 else None for each, value in _bounded(name, shares).items()}


def _bounded(name: str, values: np.ndarray) -> dict[str, float]:
    """The first value and, of the others, its bounds: none is left out by them where all that was read is alike."""
    point, low, high = float(values[0]), *map(float, np.percentile(values[1:], _BOUNDS))
    return {name: point, f"{name}_low": min(low, point), f"{name}_high": max(high, point)}


COLUMNS = ("said", "estimated", "right of those said", "found of those there")


def shown_figures(row: Row) -> list[str]:
    """The figures of a row of `estimates` to read, for each of COLUMNS."""
    estimated = "{estimated:,} ({estimated_low:,}-{estimated_high:,})".format(**row)
    return [f"{row['said']:,}", estimated, _percent(row, "precision"), _percent(row, "recall")]


def _percent(row: Row, share: str) -> str:
    if row[share] is None:
        return "-"
    return f"{row[share]:.0%} ({row[share + '_low']:.0%}-{row[share + '_high']:.0%})"


def _table(rows: Sequence[Row]) -> list[str]:
    """The rows to read."""
    lines: list[tuple[str, ...]] = [("", *COLUMNS)]
    for row in rows:
        lines.append((row["topic"] if row["label"] == PRESENT else f"  {row['label']}", *shown_figures(row)))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
