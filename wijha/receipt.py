"""OUT.receipt.json: which model, options and inputs gave what lies at OUT, so that `--resume` does nothing twice."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from wijha.errors import InputError
from wijha.files import write_json
from wijha.identity import content_state
from wijha.ledger import Entry
from wijha.paths import Pair, Places

State = Mapping[str, Any]


class Rows(NamedTuple):
    """What became of the rows of an input."""

    rows_in: int
    rows_out: int
    quarantined: int


@dataclass(frozen=True)
class Receipt:
    """What the last finished job noted: what it was made with, and of each output its input, counts and content."""

    places: Places
    made_with: State
    outputs: Mapping[str, State]

    @classmethod
    def read(cls, places: Places) -> Receipt:
        """An empty one where there is none that can be read."""
        try:
            noted = json.loads(places.receipt.read_text(encoding="utf-8"))
            outputs = {name: dict(entry) for name, entry in noted["outputs"].items()}
            return cls(places, dict(noted["made_with"]), outputs)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return cls(places, {}, {})

    def check_sources(self, begun: Mapping[Pair, State]) -> None:
        """Raises InputError when an output that is there came from another file than the one that now goes to it."""
        for pair, state in begun.items():
            before = self.outputs.get(self._name(pair), {})
            source = before.get("source")
            other = source is not None and source != os.path.abspath(pair.source) and not _same(state, before)
            if other and pair.target.exists():
                raise InputError(
                    f"expected nothing or what {pair.source} gave in {pair.target}, found what {source} gave; "
                    "name another OUT or write over it with --restart"
                )

    def done(self, begun: Mapping[Pair, State], made_with: State) -> dict[Pair, Rows]:
        """The inputs that are as they were, whose output and set-aside rows are there as they were, made alike."""
        if self.made_with != json.loads(json.dumps(made_with)):
            return {}
        aside = set_aside(self.places.quarantine)
        found = {pair: self._rows(pair, state) for pair, state in begun.items()}
        return {
            pair: rows
            for pair, rows in found.items()
            if rows and rows.quarantined == (aside[pair.name].lines if pair.name in aside else 0)
        }

    def write(self, begun: Mapping[Pair, State], made_with: State, rows: Mapping[Pair, Rows]) -> None:
        """Note a finished job, `rows` being those of each input."""
        noted = {}
        for pair, state in begun.items():
            made = {"source": os.path.abspath(pair.source), "output": content_state(pair.target)}
            noted[self._name(pair)] = dict(state) | made | rows[pair]._asdict()
        write_json(self.places.receipt, {"made_with": made_with, "outputs": noted})

    def _rows(self, pair: Pair, state: State) -> Rows | None:
        """The rows of an input that is as it was and has its output as that was; else None."""
        before = self.outputs.get(self._name(pair), {})
        if not _same(state, before) or not pair.target.is_file() or content_state(pair.target) != before.get("output"):
            return None
        counts = [before[name] for name in Rows._fields if isinstance(before.get(name), int)]
        return Rows(*counts) if len(counts) == len(Rows._fields) else None

    def _name(self, pair: Pair) -> str:
        return os.path.relpath(pair.target, self.places.out)


def total(parts: Iterable[Rows | Entry]) -> Rows:
    """The sums over chunks or inputs."""
    counts = [(part.rows_in, part.rows_out, part.quarantined) for part in parts]
    return Rows(*map(sum, zip((0, 0, 0), *counts, strict=True)))


class Aside(NamedTuple):
    """Where the lines of an input begin and end in a quarantine, and how many they are."""

    begin: int
    end: int
    lines: int


def set_aside(quarantine: Path) -> dict[str, Aside]:
    """The place of each input in a quarantine; none of one whose lines lie scattered."""
    found, scattered, position, last = dict[str, Aside](), set[str](), 0, ""
    for line in _lines(quarantine):
        name, end = _input_of(line), position + len(line)
        if name in found and name != last:
            scattered.add(name)
        before = found.get(name, Aside(position, position, 0))
        found[name] = Aside(before.begin, end, before.lines + 1)
        position, last = end, name
    return {name: place for name, place in found.items() if name not in scattered}


def _lines(path: Path) -> Iterable[bytes]:
    if path.exists():
        with open(path, "rb") as file:
            yield from file


def _input_of(line: bytes) -> str:
    try:
        return str(json.loads(line)["input"])
    except (ValueError, TypeError, KeyError):
        return ""


def _same(state: State, before: State) -> bool:
    return all(before.get(name) == value for name, value in state.items())
