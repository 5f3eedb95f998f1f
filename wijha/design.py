"""What a sample was drawn from, and what its readers say: `wijha sample` writes it, `wijha estimate` reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

from wijha.chunks import shown
from wijha.errors import InputError
from wijha.files import read_json
from wijha.records import read_rows
from wijha.text import key
from wijha.writing import Row

Labels = Mapping[str, str]
"""Topic -> label."""


@dataclass
class Stratum:
    """Sentences of the archive that are drawn from with equal chances."""

    name: str
    sentences: int
    said: dict[str, dict[str, int]]
    """Topic -> label -> how many of them the model gave it."""

    def fits(self, labels: set[str]) -> bool:
        """Whether its numbers are whole, and are of these labels."""
        numbers = [self.sentences, *(number for counts in self.said.values() for number in counts.values())]
        return all(isinstance(number, int) for number in numbers) and all(map(labels.issuperset, self.said.values()))


@dataclass(frozen=True)
class Drawn:
    """A sentence of the sample."""

    key: str
    """Of its text: `wijha.text.key`."""
    stratum: int
    """Number of its stratum."""
    said: dict[str, str]
    """Topic -> label that the model gave it; "" where it was not asked."""
    known: bool = False
    """Whether an earlier sample had its labels."""

    def fits(self, labels: set[str], strata: int) -> bool:
        """Whether it is of one of so many strata, and what the model gave it is of these labels."""
        there = isinstance(self.stratum, int) and 0 <= self.stratum < strata and isinstance(self.known, bool)
        return there and labels.issuperset(filter(None, self.said.values()))


@dataclass(frozen=True)
class Design:
    """What a sample was drawn from."""

    source: dict[str, Any]
    """Name of the archive, sha256 of the model and the target that it was asked for where the archive's receipt tells
    them, selection, seed."""
    labels: list[str]
    """The labels; the first is the absent one."""
    strata: list[Stratum]
    drawn: dict[str, Drawn]
    """The sentences by their ids, in the order of reading."""
    polar: list[str] = field(default_factory=list)
    """The two sides of a stance; none where the schema names other than two, or the sample is older."""

    @property
    def sentences(self) -> int:
        """How many there are in all strata."""
        return sum(stratum.sentences for stratum in self.strata)

    @property
    def topics(self) -> list[str]:
        """Names of the topics."""
        return list(self.strata[0].said)

    @classmethod
    def read(cls, path: Path, advice: str = "pass it as --design FILE") -> Design:
        """Raises InputError when there is none at `path`, or one whose parts do not fit; with this advice."""
        what = "the design of a sample, as `wijha sample` wrote it,"
        try:
            raw = read_json(path)
            strata = [Stratum(**stratum) for stratum in raw["strata"]]
            drawn = {name: Drawn(**entry) for name, entry in raw["drawn"].items()}
            design = cls(raw["source"], raw["labels"], strata, drawn, raw.get("polar", []))
            if not design._fits():
                raise ValueError
            return design
        except OSError as error:
            raise InputError(f"expected {what} at {path}, found no such file; {advice}") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"expected {what} at {path}, got another file; {advice}") from error

    def _fits(self) -> bool:
        """Whether the parts are such as `wijha sample` writes, all of the same topics and labels."""
        labels, drawn = set(self.labels), self.drawn.values()
        topics = {frozenset(each.said) for each in self.strata} | {frozenset(each.said) for each in drawn}
        return (
            isinstance(self.source, dict)
            and isinstance(self.labels, list)
            and all(isinstance(label, str) for label in self.labels)
            and len(labels) == len(self.labels) > 1
            and len(topics) == 1
            and all(topics)
            and all(stratum.fits(labels) for stratum in self.strata)
            and all(each.fits(labels, len(self.strata)) for each in drawn)
            and isinstance(self.polar, list)
            and len(self.polar) in (0, 2)
            and labels.issuperset(self.polar)
        )


def design_path(sample: Path) -> Path:
    """Where the design of a sample lies. Raises InputError for a path without a name, such as `.`."""
    if not sample.name:
        raise InputError(f"expected a sample, a file of labelled sentences, got {sample}; name it")
    return sample.with_name(f"{sample.stem}.design.json")


class Reading(NamedTuple):
    """A row of a sample that somebody has read."""

    name: str
    """Its id."""
    text: str | None
    """None where the sample has keys alone."""
    labels: Labels


def read_labels(path: Path, design: Design) -> tuple[dict[str, Labels], int]:
    """id -> labels of the rows that somebody has read, from the top down to the first that nobody has; and how many
    with labels, all of an earlier sample, stand below that.

    Raises InputError as `readings`, where a sentence without labels stands above a new one, not of an earlier sample,
    that has some, and where none that is new is read before the first without.
    """
    read = {each.name: each.labels for each in readings(path, design)}
    new = [not each.known for each in design.drawn.values()]
    new = new if any(new) else [True] * len(new)
    last = max((place for place, name in enumerate(design.drawn) if name in read and new[place]), default=0)
    if left := sum(name not in read for name in list(design.drawn)[:last]):
        raise InputError(
            f"expected labels from the top of {path} on, found {left:,} sentences without any above the last one that "
            f"has; write {design.labels[0]} in those without a topic"
        )
    begun = {name: read[name] for name in takewhile(read.__contains__, design.drawn)}
    if not any(new[: len(begun)]):
        raise InputError(
            f"expected labels of new sentences from the top of {path} on, found none before the first without any; "
            f"read on from {list(design.drawn)[len(begun)]}"
        )
    return begun, len(read) - len(begun)


def readings(path: Path, design: Design, wanted: Sequence[str] = ()) -> list[Reading]:
    """The rows that somebody has read, those with any label. A topic left empty in one is absent.

    Raises InputError for what is no label or no sentence of this sample, and for a topic without any label; of the
    topics `wanted`, all by default.
    """
    read: dict[str, Reading] = {}
    given: set[str] = set()
    for line, row in read_rows(path):
        found = {topic: str(row.get(topic) or "").strip() for topic in design.topics}
        if not any(found.values()):
            continue
        if unknown := [topic for topic, label in found.items() if label and label not in design.labels]:
            raise InputError(
                f"expected one of {', '.join(design.labels)} or nothing as {unknown[0]} in {path} line {line}, "
                "got another word; write it so, in small letters"
            )
        name = str(row.get("id") or "").strip()
        if name not in design.drawn or name in read or _other_text(row, design.drawn[name].key):
            what = "the same one again" if name in read else "another"
            raise InputError(
                f"expected a sentence of the sample, each once, in {path} line {line}, got {what}; mend it"
            )
        text = row["text"] if isinstance(row.get("text"), str) else None
        read[name] = Reading(name, text, {topic: label or design.labels[0] for topic, label in found.items()})
        given |= {topic for topic, label in found.items() if label}
    if unread := [topic for topic in wanted or design.topics if topic not in given]:
        raise InputError(
            f"expected labels of {shown(unread)} in {path}, found none; write {design.labels[0]} once where it was read"
        )
    return list(read.values())


def _other_text(row: Row, drawn: str) -> bool:
    """Whether the row's text, or else its key, is not that of the sentence that was drawn under its id."""
    text = row.get("text")
    if not isinstance(text, str):
        return str(row.get("key", drawn)) != drawn
    return key(text) != drawn
