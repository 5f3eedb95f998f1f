"""OUT.receipt.json: which model, options and inputs gave what lies at OUT, so that `--resume` does nothing twice."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from wijha.errors import InputError
from wijha.files import write_json
from wijha.identity import file_state
from wijha.ledger import Entry, changes
from wijha.paths import Pair, Places

State = Mapping[str, Any]


class Rows(NamedTuple):
    """What became of the rows of an input."""

    rows_in: int
    rows_out: int
    quarantined: int
    cut: int = 0
    spanning: int = 0
    spanning_at: int = 0
    """As in wijha.ledger.Entry."""


class Aside(NamedTuple):
    """Where the lines of an input begin and end in a quarantine, and their digest."""

    begin: int
    end: int
    sha256: str


class Kept(NamedTuple):
    """What an earlier job made of an input."""

    rows: Rows
    aside: Aside | None


@dataclass(frozen=True)
class Receipt:
    """What the last finished job noted: what it was made with, and of each output its input, counts and content."""

    places: Places
    made_with: State
    outputs: Mapping[str, State]

    @classmethod
    def read(cls, places: Places) -> Receipt:
        """An empty one where there is none, or one that says nothing. Raises InputError where it cannot be read."""
        try:
            noted = json.loads(places.receipt.read_bytes())
            outputs = {name: dict(entry) for name, entry in noted["outputs"].items()}
            return cls(places, dict(noted["made_with"]), outputs)
        except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return cls(places, {}, {})
        except OSError as error:
            raise InputError(f"expected to read {places.receipt}, got: {error.strerror}; mend or remove it") from error

    @property
    def options(self) -> State:
        """The options that the outputs were made with, as far as they are noted."""
        noted = self.made_with.get("options")
        return noted if isinstance(noted, dict) else {}

    def check_targets(self, begun: Mapping[Pair, State], made_with: State) -> None:
        """Raises InputError when what stands where an output goes is not noted, came from another file, another model
        or other options, or was changed since, by somebody's hand perhaps."""
        there = [pair for pair in begun if pair.target.exists() and self._name(pair) in self.outputs]
        if there and self.made_with and self.made_with != made_with:
            raise InputError(
                f"expected {self.places.out} made with what is asked for now, found it made with "
                f"{self._differences(made_with)}; name another OUT, or write over it with --restart"
            )
        for pair, state in begun.items():
            if not pair.target.exists():
                continue
            if (before := self.outputs.get(self._name(pair))) is None:
                raise InputError(
                    f"expected {pair.target} to be free or named in {self.places.receipt}, found another file there; "
                    "name another OUT, or write over it with --restart"
                )
            if (noted := before.get("output")) and not _same(_content(file_state(pair.target)), noted):
                raise InputError(
                    f"expected {pair.target} as the last job left it, found it changed since; "
                    "move it elsewhere, or write over everything with --restart"
                )
            source = before.get("source", _source(pair))
            if source != _source(pair) and not _same(_content(state), before):
                raise InputError(
                    f"expected {pair.target} to be free or made of {pair.source}, found it made of {source!r}; "
                    "remove it, name another OUT, or write over everything with --restart"
                )

    def _differences(self, made_with: State) -> str:
        """What is not as it was: software, model, options with the value that they had."""
        others = [f"another {name}" for name in changes(self.made_with, made_with) if name != "options"]
        had = {name: self.options.get(name) for name in changes(self.options, made_with["options"])}
        return ", ".join([*others, *(f"no {name}" if had[name] is None else f"{name} {had[name]!r}" for name in had)])

    def gone(self) -> set[str]:
        """Names of the inputs whose output is no longer there."""
        return {str(before.get("name")) for name, before in self.outputs.items() if not self._target(name).exists()}

    def done(self, begun: Mapping[Pair, State], made_with: State) -> dict[Pair, Kept]:
        """The inputs that are as they were, whose output (its size, time and first MiB) and set-aside rows are so too,
        if made alike."""
        if self.made_with != made_with:
            return {}
        aside = set_aside(self.places.quarantine)
        found = {pair: self._kept(pair, state, aside.get(pair.name)) for pair, state in begun.items()}
        return {pair: kept for pair, kept in found.items() if kept}

    def write(
        self, begun: Mapping[Pair, State], made_with: State, rows: Mapping[Pair, Rows], kept: Container[Pair]
    ) -> None:
        """Note a finished job, `rows` being those of each input; of those `kept` what was noted stays."""
        noted, aside = {}, set_aside(self.places.quarantine)
        for pair, state in begun.items():
            name, lines = self._name(pair), aside.get(pair.name)
            output = self.outputs[name]["output"] if pair in kept else file_state(pair.target)
            made = {"output": output, "quarantine": lines.sha256 if lines else None}
            noted[name] = {"source": _source(pair)} | dict(state) | rows[pair]._asdict() | made
        write_json(self.places.receipt, {"made_with": made_with, "outputs": noted})

    def _kept(self, pair: Pair, state: State, aside: Aside | None) -> Kept | None:
        before = self.outputs.get(self._name(pair), {})
        noted = [before.get(name, Rows._field_defaults.get(name)) for name in Rows._fields]
        counts = [count for count in noted if isinstance(count, int)]
        same = _same(state, before) and before.get("quarantine") == (aside.sha256 if aside else None)
        if not same or len(counts) != len(Rows._fields):
            return None
        try:
            return Kept(Rows(*counts), aside) if file_state(pair.target) == before.get("output") else None
        except OSError:
            return None

    def _name(self, pair: Pair) -> str:
        return os.path.relpath(pair.target, self.places.out)

    def _target(self, name: str) -> Path:
        return self.places.out if name == os.curdir else self.places.out / name


def total(parts: Iterable[Rows | Entry]) -> Rows:
    """The sums over chunks or inputs, and the first line that is noted."""
    counts = [[getattr(part, name) for name in Rows._fields] for part in parts]
    *sums, lines = zip([0] * len(Rows._fields), *counts, strict=True)
    return Rows._make([*map(sum, sums), next(filter(None, lines), 0)])


def set_aside(quarantine: Path) -> dict[str, Aside]:
    """The place of each input's lines in a quarantine; none of one whose lines lie scattered or are not whole."""
    found, unfit, begin, end = dict[str, Aside](), set[str](), 0, 0
    for name, lines in groupby(_lines(quarantine), key=_input_of):
        digest, last = hashlib.sha256(), b""
        for last in lines:
            digest.update(last)
            end += len(last)
        if name in found or not last.endswith(b"\n"):
            unfit.add(name)
        found[name] = Aside(begin, end, digest.hexdigest())
        begin = end
    return {name: place for name, place in found.items() if name not in unfit}


def _lines(path: Path) -> Iterator[bytes]:
    if path.exists():
        with open(path, "rb") as file:
            yield from file


def _input_of(line: bytes) -> str:
    try:
        return str(json.loads(line)["input"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""


def _source(pair: Pair) -> str:
    """Where an input lies, whichever links lead there; bytes that are no text are escaped."""
    return os.fsencode(pair.source.resolve()).decode("utf-8", "backslashreplace")


def _content(state: State) -> State:
    """A file's state but for its time."""
    return {name: value for name, value in state.items() if name != "changed"}


def _same(state: State, before: State) -> bool:
    return all(before.get(name) == value for name, value in state.items())
