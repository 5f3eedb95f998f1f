"""The folder of an unfinished job: finished chunks as files, and a ledger with a line about each.

A chunk counts once its line is in the ledger, and the line is written only after the chunk's files are on the disk.
Whatever a kill leaves behind (a torn line, a file without its line) is cut off when the job goes on, and so are the
chunks of inputs that are no longer as they were.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Container, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import MISSING, asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from wijha.errors import InputError
from wijha.files import DISK_IS_FULL, create, locked, read_json, sync, without_link, write_json, write_text
from wijha.identity import time_to_touch

_PART = re.compile(r"\d{8,}\.(part|quarantine)(\.tmp)?")  # what `add` writes


class UnfinishedError(InputError):
    """The job cannot go on now, but later: what is done stays."""


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """What fails to be written within is an UnfinishedError, with a sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in DISK_IS_FULL:
            found = "expected room on the disk for {}, found none; free some"
        else:
            found = f"expected to write {{}}, got: {error.strerror or error}; mend that"
        raise UnfinishedError(f"{found.format(place)} and run the same command with --resume") from error


@dataclass(frozen=True)
class Entry:
    """A finished chunk."""

    chunk: int
    """Its number, by which its files are called."""
    input: str
    place: int
    """Its number among the chunks of its input."""
    first: int
    """Number of its first row; see wijha.records.Record."""
    last: int
    rows_in: int
    rows_out: int
    quarantined: int
    sha256: str
    """Of the other fields, the output rows and the quarantined ones, in this order."""
    cut: int = 0
    """How many texts are longer than the model reads."""
    spanning: int = 0
    """How many accepted rows reach over more lines than `wijha.chunks.SPANNING`."""
    spanning_at: int = 0
    """Line where the first of these begins."""


_DEFAULTS = {each.name for each in fields(Entry) if each.default is not MISSING}


class Ledger:
    """Used with the lock of its folder held; only one process works on a job."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.next, self.rows_in = folder, 0, 0
        self.done = Counter[str]()
        """Chunks of each input that were finished when the job was opened; `next` is the number of the next one."""
        self._lock: int | None = None

    @property
    def unfinished(self) -> bool:
        """Whether the folder holds a job."""
        return (self.folder / "job.json").exists()

    @property
    def inputs(self) -> set[str]:
        """Names of the inputs of the unfinished job."""
        return {str(state["name"]) for state in self._identity().get("inputs") or ()}

    def hold(self) -> None:
        """Take the lock. Raises InputError when another process has it."""
        self._lock = self._locked()
        while not self._held:  # a job that ended meanwhile had locked the same file, and has removed it
            removed, self._lock = self._lock, self._locked()
            os.close(removed)

    def _locked(self) -> int:
        """A descriptor of the file `lock` that no other holds."""
        self.folder.mkdir(parents=True, exist_ok=True)
        sync(self.folder.parent)
        try:
            return locked(self.folder / "lock")
        except BlockingIOError as error:
            raise InputError(f"expected {self.folder} at rest, another process works on it; wait for it") from error

    @property
    def _held(self) -> bool:
        """Whether the file that is locked is the one in the folder, which others find."""
        try:
            found = os.stat(self.folder / "lock", follow_symlinks=False)
        except FileNotFoundError:
            return False
        return self._lock is not None and os.path.samestat(os.fstat(self._lock), found)

    def check_held(self) -> None:
        """Raises UnfinishedError where somebody removed the folder, and perhaps began another job there."""
        if not self._held:
            raise UnfinishedError(
                f"expected {self.folder} as this job made it, found it removed meanwhile; run it again"
            )

    def open(self, identity: dict[str, Any], resume: bool, kept: Collection[str] = ()) -> None:
        """Begin a job, or go on with an unfinished one: the chunks of each input that is as it was stay.

        Of the inputs `kept` an earlier job's outputs stay. Raises InputError when the unfinished job is of another
        model or other options, or nothing that is done is of these inputs.
        """
        if resume and self.unfinished:
            self._recover(self._fitting(identity, kept))
        else:
            self._clear()
        write_json(self.folder / "job.json", identity)

    def _identity(self) -> dict[str, Any]:
        try:
            return dict(read_json(self.folder / "job.json"))
        except (OSError, ValueError, TypeError, RecursionError):
            return {}

    def _fitting(self, identity: dict[str, Any], kept: Collection[str]) -> set[str]:
        """Names of the inputs that are as they were when the unfinished job began."""
        before, now = self._identity(), json.loads(json.dumps(identity))
        if not before:
            raise self._other("job.json", "one that cannot be read")
        was, are = ({state["name"]: state for state in each.get("inputs") or ()} for each in (before, now))
        options = [_of_inputs(each.get("options"), was.keys() & are.keys()) for each in (before, now)]
        changed = [name for name in changes(before, now) if name in ("wijha", "model")]
        changed += ["options"] if options[0] != options[1] else []
        if changed:
            raise self._other(" and ".join(changed), _differences(*options))
        fitting = {name for name, state in are.items() if was.get(name) == state}
        done = {entry.input for entry in self.entries()}
        if done and not (done & fitting or kept):
            raise self._other("inputs", _other_input(was, are))
        return fitting

    def _other(self, what: str, found: str) -> InputError:
        return InputError(
            f"expected the {what} that the job in {self.folder} began with, found {found or 'others'}; "
            "go back to them, begin again with --restart, or remove that folder and what it holds"
        )

    def _recover(self, fitting: Container[str]) -> None:
        """Keep of each input of `fitting` the longest run of whole chunks from its first; cut the rest."""
        entries, broken = list[Entry](), set[str]()
        for entry in self.entries():
            name = entry.input
            fits = name in fitting and name not in broken and entry.place == self.done[name]
            if fits and entry == _sealed(entry, self.part(entry), self.quarantined(entry)):
                entries.append(entry)
                self.done[name] += 1
            else:
                broken.add(name)
        self.next = max((entry.chunk + 1 for entry in entries), default=0)
        self.rows_in = sum(entry.rows_in for entry in entries)
        write_text(self._path, "".join(map(_line, entries)))

    @property
    def _path(self) -> Path:
        return self.folder / "ledger.jsonl"

    def entries(self) -> Iterator[Entry]:
        """The finished chunks in the order of their lines, up to the first that is torn."""
        if not self._path.exists():
            return
        with open(self._path, "rb") as lines:
            for line in lines:
                try:
                    entry = Entry(**json.loads(line)) if line.endswith(b"\n") else None
                except (ValueError, TypeError, RecursionError):
                    entry = None
                if entry is None:
                    return
                yield entry

    def by_input(self) -> dict[str, list[Entry]]:
        """The finished chunks of each input."""
        found = defaultdict[str, list[Entry]](list)
        for entry in self.entries():
            found[entry.input].append(entry)
        return found

    def add(self, entry: Entry, part: bytes, quarantined: bytes) -> None:
        """Bring a chunk to the disk, then its line. Raises as `check_held`."""
        self.check_held()
        self._store(f"{entry.chunk:08}.part", part)
        self._store(f"{entry.chunk:08}.quarantine", quarantined)
        sync(self.folder)
        with open(self._path, "ab", opener=without_link) as file:
            file.write(_line(_sealed(entry, part, quarantined)).encode())
            file.flush()
            os.fsync(file.fileno())

    def _store(self, name: str, data: bytes) -> None:
        if not data:
            (self.folder / name).unlink(missing_ok=True)
            return
        temporary = self.folder / f"{name}.tmp"
        with create(temporary) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self.folder / name)

    def part(self, entry: Entry) -> bytes:
        """The output rows of a chunk, encoded; empty where it has none."""
        return _content(self.folder / f"{entry.chunk:08}.part")

    def quarantined(self, entry: Entry) -> bytes:
        """The quarantine lines of a chunk."""
        return _content(self.folder / f"{entry.chunk:08}.quarantine")

    def remove(self) -> None:
        """Remove what is ours, and the folder if nothing else is in it."""
        self._clear()
        (self.folder / "lock").unlink(missing_ok=True)
        if not any(self.folder.iterdir()):
            self.folder.rmdir()

    def _clear(self) -> None:
        """Parts first, job.json last: a kill between leaves a job, not debris."""
        parts = [path for path in self.folder.iterdir() if _PART.fullmatch(path.name)]
        others = (".ledger.jsonl.part", "ledger.jsonl", ".job.json.part", "job.json")
        for path in [*parts, *(self.folder / name for name in others)]:
            path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the lock; a folder without a job goes too, unless another process has begun one there."""
        if self._lock is None:
            return
        with suppress(OSError):
            if self._held and not self.unfinished:
                self.remove()
        os.close(self._lock)
        self._lock = None


def _other_input(was: Mapping[str, Mapping[str, Any]], are: Mapping[str, Mapping[str, Any]]) -> str:
    """The first input that is new, else the first that is gone, else what is not as it was of the first."""
    if new := next((name for name in are if name not in was), ""):
        return f"{new}, which is new"
    if gone := next((name for name in was if name not in are), ""):
        return f"no {gone}"
    name, now = next((name, state) for name, state in are.items() if state != was[name])
    if {**now, "changed": was[name]["changed"]} != was[name]:
        return f"another content in {name}"
    return f"another time of {name}, else the same (if it is, touch -d {time_to_touch(was[name]['changed'])})"


def _of_inputs(options: Any, names: Container[str]) -> dict[str, Any]:
    """The options, those of each output as far as they are of these inputs."""
    found = dict(options) if isinstance(options, dict) else {}
    outputs = found.get("outputs")
    kinds = outputs.items() if isinstance(outputs, dict) else ()
    return found | {"outputs": {name: kind for name, kind in kinds if name in names}}


def _differences(was: dict[str, Any], now: dict[str, Any]) -> str:
    """The options that are not as they were, with both values; nothing where all are."""
    changed = changes(was, now)
    return ", ".join(f"{name} {_short(now.get(name))} instead of {_short(was.get(name))}" for name in changed)


def changes(was: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The names whose values are not as they were."""
    return [name for name in {**was, **now} if was.get(name) != now.get(name)]


def _short(value: Any) -> str:
    """The formats of many outputs by the different ones."""
    return " ".join(sorted(set(map(str, value.values())))) if isinstance(value, dict) else repr(value)


def _noted(entry: Entry) -> dict[str, Any]:
    """What its line says: as in a ledger of before, nothing of a default."""
    return {name: value for name, value in asdict(entry).items() if value or name not in _DEFAULTS}


def _line(entry: Entry) -> str:
    return json.dumps(_noted(entry), ensure_ascii=False) + "\n"


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def _sealed(entry: Entry, part: bytes, quarantined: bytes) -> Entry:
    """The entry with its checksum."""
    digest = hashlib.sha256()
    for piece in (json.dumps(_noted(replace(entry, sha256=""))).encode(), part, quarantined):
        digest.update(len(piece).to_bytes(8, "big") + piece)
    return replace(entry, sha256=digest.hexdigest())
