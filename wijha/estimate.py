"""wijha estimate: how often a topic and a stance really stand in an archive, from a sample that somebody has read.

Counting what a model says counts its mistakes too. The sentences of `wijha sample` tell, for each label that the model
gives, how often it is right and what else is there; with its own counts of the whole archive that gives counts without
its mistakes (post-stratification: Holt and Smith 1979), and its precision and recall on this archive. Intervals are
drawn from the posterior of what the strata hold, their unread sentences drawn one by one (beta-binomial), with a prior
of one sentence for each label that the model gives, for a lower bound put against it, for an upper one in its favour,
so that what nobody has read is left open; in a single stratum they are those of Clopper and Pearson (1934).
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wijha.design import Design, Labels, design_path, read_labels
from wijha.errors import InputError
from wijha.writing import Row, write_rows

_DRAWS, _SEED = 4_000, 13
_PRIOR = 1.0  # sentences
_KNOWN = 3  # sentences read of a stratum, from which on it speaks for itself
_BOUNDS = (2.5, 97.5)  # percent
_SHOWN = 40  # characters of what a sample was drawn from, a checksum say
PRESENT = "(present)"
"""Any label of a topic but the absent one."""


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
    sample, target = arguments.sample, arguments.target
    plan = arguments.design or design_path(sample)
    if target and target.resolve() in (sample.resolve(), plan.resolve()):
        raise InputError(f"expected another file for the table than {target}, which it would replace; rename it")
    design = Design.read(plan)
    read, waiting = read_labels(sample, design)
    rows = [row for topic in design.topics for row in (*estimates(topic, design, read), *balance(topic, design, read))]
    if target:
        write_rows(rows, target)
    known = {name: value for name, value in design.source.items() if value not in (None, [])}
    of = ", ".join(f"{name} {_shown(value)}" for name, value in known.items())
    print(f"{len(read):,} of {len(design.drawn):,} sentences are read, drawn from {design.sentences:,} ({of})\n")
    print("\n".join(_table(rows)))
    if waiting:
        print(
            f"{waiting:,} with labels of an earlier sample stand below the first that nobody has read: not counted yet"
        )
    for topic in design.topics:
        if unread := _unread(topic, design, read):
            print(f"{topic}: none of those said to be {', '.join(unread)} is read: they are counted as said")
    print("The bounds are of the draw; that a reader may err is not in them.")


def _shown(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)[:_SHOWN]


def _unread(topic: str, design: Design, read: Mapping[str, Labels]) -> list[str]:
    """The labels that the model gives to sentences of which none is read."""
    said = {label for stratum in design.strata for label in stratum.said[topic]}
    known = {design.drawn[name].said[topic] for name in read}
    return [label for label in design.labels if label in said - known]


def estimates(topic: str, design: Design, read: Mapping[str, Labels]) -> list[Row]:
    """A row for the topic's presence and for each of its labels but the absent one.

    `sentences` of the archive have a prediction for the topic, `read` of them are read. Of all, the model gives `said`
    the label, and `estimated` have it (with `_low` and `_high`, the bounds of its 95 % interval, as what follows);
    `precision` is the share of the first that have it, `recall` of the second that the model gives it, None where there
    are none.
    """
    counts, size, seen = _counted(topic, design, read)
    wanted = {PRESENT: list(range(1, len(design.labels)))}
    wanted |= {label: [number] for number, label in enumerate(design.labels) if number}
    return [
        {"topic": topic, "label": label, **counts, **_figures(size, seen, numbers)} for label, numbers in wanted.items()
    ]


def balance(topic: str, design: Design, read: Mapping[str, Labels]) -> list[Row]:
    """A row as of `estimates` for the sentences of one side of a stance less those of the other, without shares; none
    where the design names no two sides."""
    if not design.polar:
        return []
    counts, size, seen = _counted(topic, design, read)
    places = [design.labels.index(label) for label in design.polar]
    dice, sampled, (one, other) = np.random.default_rng(_SEED), seen.sum(axis=2), (seen[..., place] for place in places)
    said = np.eye(size.shape[1])[places[0]] - np.eye(size.shape[1])[places[1]]
    unread, rest, prior = np.maximum(size - sampled, 0), sampled - one - other, _prior(size)
    rates = np.where(sampled > 0, (one - other) / np.maximum(sampled, 1), said)
    low = _drawn_balance(dice, unread, one, other + prior, rest)
    high = _drawn_balance(dice, unread, one + prior, other, rest)
    there = (one - other).sum() + _bounded(np.array([(unread * rates).sum()]), low, high)
    return [
        {
            "topic": topic,
            "label": " - ".join(design.polar),
            **counts,
            "said": round(float((size * said).sum())),
            **{name: round(value) for name, value in zip(_names("estimated"), there, strict=True)},
            **_shares("precision", None),
            **_shares("recall", None),
        }
    ]


def _counted(topic: str, design: Design, read: Mapping[str, Labels]) -> tuple[dict[str, int], np.ndarray, np.ndarray]:
    """How many sentences there are, and are read; how many of each stratum the model gives each label, shape (strata,
    labels), `collapsed`; and of those that are read how many have which one, shape (strata, labels, labels)."""
    number = {label: place for place, label in enumerate(design.labels)}
    size = np.zeros((len(design.strata), len(number)))
    seen = np.zeros((*size.shape, len(number)))
    for place, stratum in enumerate(design.strata):
        for label, sentences in stratum.said[topic].items():
            size[place, number[label]] = sentences
    for name, labels in read.items():
        drawn = design.drawn[name]
        if said := drawn.said[topic]:
            seen[drawn.stratum, number[said], number[labels[topic]]] += 1
    counts = {"sentences": int(size.sum()), "read": int(seen.sum())}
    return counts, collapsed(size, seen.sum(axis=2)), seen


def collapsed(size: np.ndarray, sampled: np.ndarray) -> np.ndarray:
    """Sizes, shape (strata, said labels), in which strata of which next to nothing is read count with the others of
    their label."""
    known = (size > 0) & (sampled >= np.minimum(_KNOWN, size))
    known = np.where(known.any(axis=0), known, sampled > 0)
    kept = np.where(known, size, sampled)  # what is read there is known all the same
    rest, base = (size - kept).sum(axis=0), np.where(known, size, 0).sum(axis=0)
    spread: np.ndarray = kept + rest * np.where(known, size, 0) / np.maximum(base, 1)
    spread[0] += np.where(base > 0, 0, rest)  # a label of which nothing is read
    return spread


def _figures(size: np.ndarray, seen: np.ndarray, labels: list[int]) -> Row:
    """What `estimates` says of some labels taken as one."""
    dice, sampled, hits = np.random.default_rng(_SEED), seen.sum(axis=2), seen[..., labels].sum(axis=2)
    said = np.isin(np.arange(size.shape[1]), labels)
    unread, rest, prior = np.maximum(size - sampled, 0), sampled - hits, _prior(size)
    rates = np.where(sampled > 0, hits / np.maximum(sampled, 1), said)
    found, missed = _parts(hits + unread * rates[None], said)
    found_low, missed_low = _parts(hits + _drawn_unread(dice, unread, hits, rest + prior), said)
    found_high, missed_high = _parts(hits + _drawn_unread(dice, unread, hits + prior, rest), said)
    count = float(size[:, said].sum())
    there = _bounded(found + missed, found_low + missed_low, found_high + missed_high)
    right = _bounded(found, found_low, found_high) / count if count else None
    whole = found[0] + missed[0] > 0
    seen_of_it = _bounded(*map(_share, (found, found_low, found_high), (missed, missed_high, missed_low)))
    return {
        "said": round(count),
        **{name: round(value) for name, value in zip(_names("estimated"), there, strict=True)},
        **_shares("precision", right),
        **_shares("recall", seen_of_it if whole else None),
    }


def _prior(size: np.ndarray) -> np.ndarray:
    """The prior of each label that the model gives, over the strata by their sizes, shape (strata, said labels)."""
    shared: np.ndarray = _PRIOR * size / np.maximum(size.sum(axis=0), 1)
    return shared


def _drawn_unread(dice: np.random.Generator, unread: np.ndarray, hits: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Draws of how many of the unread sentences have a label, shape (draws, strata, labels): each with a probability
    of Beta(hits, rest), of which either may be 0."""
    some, others = (dice.standard_gamma(each, (_DRAWS, *each.shape)) for each in (hits, rest))
    drawn: np.ndarray = dice.binomial(_whole(dice, unread), _share(some, others))
    return drawn


def _drawn_balance(
    dice: np.random.Generator, unread: np.ndarray, one: np.ndarray, other: np.ndarray, rest: np.ndarray
) -> np.ndarray:
    """As `_drawn_unread`, how many more of them have one label than another, shape (draws,): Dirichlet-multinomial."""
    some, others, left = (dice.standard_gamma(each, (_DRAWS, *each.shape)) for each in (one, other, rest))
    whole = _whole(dice, unread)
    first = dice.binomial(whole, _share(some, others + left))
    second = dice.binomial(whole - first, _share(others, left))
    drawn: np.ndarray = (first - second).sum(axis=(1, 2))
    return drawn


def _whole(dice: np.random.Generator, sentences: np.ndarray) -> np.ndarray:
    """Draws of whole numbers, shape (draws, strata, said labels): the next higher one as often as the fraction says,
    and as many in all strata together as there are."""
    until = np.cumsum(sentences, axis=0).round(6) + dice.random((_DRAWS, 1, sentences.shape[1]))
    drawn: np.ndarray = np.diff(np.floor(until).astype(int), axis=1, prepend=0)
    return drawn


def _parts(sentences: np.ndarray, said: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of sentences that have a label, shape (draws, strata, said labels), those that the model gives it, and others."""
    return sentences[..., said].sum(axis=(1, 2)), sentences[..., ~said].sum(axis=(1, 2))


def _share(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    shares: np.ndarray = np.divide(some, some + others, out=np.zeros_like(some), where=some + others > 0)
    return shares


def _bounded(point: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The point, the lower bound of `low` and the upper one of `high`."""
    return np.array([point[0], np.percentile(low, _BOUNDS[0]), np.percentile(high, _BOUNDS[1])])


def _names(name: str) -> tuple[str, str, str]:
    return name, f"{name}_low", f"{name}_high"


def _shares(name: str, values: np.ndarray | None) -> Row:
    rounded = [None] * 3 if values is None else [round(float(value), 3) for value in values]
    return dict(zip(_names(name), rounded, strict=True))


COLUMNS = ("said", "estimated", "right of those said", "found of those there")


def shown_figures(row: Row) -> list[str]:
    """The figures of a row of `estimates` to read, for each of COLUMNS."""
    between = " to " if row["estimated_low"] < 0 else "-"
    estimated = f"{row['estimated']:,} ({row['estimated_low']:,}{between}{row['estimated_high']:,})"
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
