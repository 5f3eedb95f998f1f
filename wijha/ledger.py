"""The folder of an unfinished job: finished chunks as files, and a ledger with a line about each.

A chunk counts once its line is in the ledger, and the line is written only after the chunk's files are on the disk.
Whatever a kill leaves behind (a torn line, a file without its line) is cut off when the job goes on.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import takewhile
from pathlib import Path
from typing import Any, BinaryIO

from wijha.errors import InputError
from wijha.files import create, sync, write_json

_PART = re.compile(r"\d{8,}\.(part|quarantine)(\.tmp)?")  # what `add` writes


class UnfinishedError(InputError):
    """The job cannot go on now, but later: what is done stays."""


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """What fails to be written within is an UnfinishedError, with a sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            found = "expected room on the disk for {}, found none; free some"
        else:
            found = f"expected to write {{}}, got: {error.strerror or error}; mend that"
        raise UnfinishedError(f"{found.format(place)} and run the same command with --resume") from error


@dataclass(frozen=True)
class Entry:
    """A finished chunk."""

    chunk: int
    input: str
    first: int
    """Number of its first row; see wijha.records.Record."""
    last: int
    rows_in: int
    rows_out: int
    quarantined: int
    sha256: str
    """Of what stands above, the output rows and the quarantined ones, in this order."""


class Ledger:
    """Opened with the lock of its folder held; only one process works on a job."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.count, self.rows_in = folder, 0, 0
        self._lock: int | None = None

    @property
    def kept(self) -> set[str] | None:
        """Names of the inputs that an unfinished job leaves as an earlier one did them; None before a job begins."""
        noted = self._identity()
        return set(noted.get("kept", ())) if noted else None

    def open(self, identity: dict[str, Any], resume: bool, restart: bool, kept: Sequence[str] = ()) -> None:
        """Begin a job or go on with it: then chunks stay up to the first input that is not as it was.

        `kept` are the inputs of which an earlier job's outputs stay; they are not among those of `identity`.
        Raises InputError when a leftover needs a choice or is of another job.
        """
        leftover = self.folder.exists()
        if leftover and not (resume or restart) and not self.finished:
            raise InputError(
                f"expected no unfinished job, found {self.folder}; go on with --resume or begin again with --restart"
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        sync(self.folder.parent)
        self._hold()
        if leftover and resume and not restart and (self.folder / "job.json").exists():
            same = self._same(identity)
            if self.finished:
                return
            self._recover(same)
        else:
            self._clear()
        write_json(self.folder / "job.json", {**identity, "kept": kept, "finished": None})

    def _hold(self) -> None:
        self._lock = _without_link(self.folder / "lock", os.O_WRONLY | os.O_CREAT)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InputError(f"expected {self.folder} at rest, another process works on it; wait for it") from error

    @property
    def finished(self) -> dict[str, int] | None:
        """What was counted once every output was in place and only the folder was left to remove; None before."""
        counts = self._identity().get("finished")
        return counts if isinstance(counts, dict) else None

    def _identity(self) -> dict[str, Any]:
        try:
            return dict(json.loads((self.folder / "job.json").read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return {}

    def _same(self, identity: dict[str, Any]) -> set[str]:
        """Names of the inputs up to the first that is not as it was; an unfinished job needs a chunk of theirs."""
        before = self._identity()
        now = json.loads(json.dumps(identity))
        changed = [name for name in now if before.get(name) != now[name]]
        both = zip(before.get("inputs") or (), now["inputs"], strict=False)
        same = {state["name"] for was, state in takewhile(lambda pair: pair[0] == pair[1], both)}
        first = next(self.entries(), None)
        if changed and (changed != ["inputs"] or self.finished or first is None or first.input not in same):
            other = _other_input(before.get("inputs") or (), now["inputs"])
            what = "inputs" if other else " and ".join(changed)
            found = other or _differences(before.get("options"), now["options"]) or "others"
            raise InputError(
                f"expected the {what} that the job in {self.folder} began with, found {found}; "
                "go back to them or begin again with --restart"
            )
        return same

    def _recover(self, same: set[str]) -> None:
        """Keep the longest run of chunks of the inputs `same` whose files are whole; cut the rest off the ledger."""
        end = 0
        for entry, end_of_line in self._lines():
            if (
                entry.input not in same
                or entry.chunk != self.count
                or entry != _sealed(entry, self.part(entry), self.quarantined(entry))
            ):
                break
            self.count, self.rows_in, end = self.count + 1, self.rows_in + entry.rows_in, end_of_line
        with self._append() as file:
            file.truncate(end)
            os.fsync(file.fileno())

    def _append(self) -> BinaryIO:
        return open(self.folder / "ledger.jsonl", "ab", opener=_without_link)

    def _lines(self) -> Iterator[tuple[Entry, int]]:
        """Each whole line with the position behind it."""
        path, position = self.folder / "ledger.jsonl", 0
        if not path.exists():
            return
        with open(path, "rb") as lines:
            for line in lines:
                position += len(line)
                try:
                    entry = Entry(**json.loads(line)) if line.endswith(b"\n") else None
                except (ValueError, TypeError):
                    entry = None
                if entry is None:
                    return
                yield entry, position

    def entries(self) -> Iterator[Entry]:
        """The finished chunks, in order."""
        return (entry for entry, _ in self._lines())

    def add(self, entry: Entry, part: bytes, quarantined: bytes) -> None:
        """Bring a chunk to the disk, then its line."""
        self._store(f"{entry.chunk:08}.part", part)
        self._store(f"{entry.chunk:08}.quarantine", quarantined)
        sync(self.folder)
        line = json.dumps(asdict(_sealed(entry, part, quarantined)), ensure_ascii=False)
        with self._append() as file:
            file.write(line.encode() + b"\n")
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

    def finish(self, counts: dict[str, int]) -> None:
        """Note that the outputs are in place and what was counted, then remove the folder."""
        write_json(self.folder / "job.json", {**self._identity(), "finished": counts})
        self.remove()

    def remove(self) -> None:
        """Remove what is ours, and the folder if nothing else is in it."""
        self._clear()
        (self.folder / "lock").unlink(missing_ok=True)
        if not any(self.folder.iterdir()):
            self.folder.rmdir()

    def _clear(self) -> None:
        """Parts first, job.json last: a kill between leaves a job, not debris."""
        self.count = self.rows_in = 0
        parts = [path for path in self.folder.iterdir() if _PART.fullmatch(path.name)]
        for path in [*parts, *(self.folder / name for name in ("ledger.jsonl", ".job.json.part", "job.json"))]:
            path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the lock."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _other_input(before: Iterable[dict[str, Any]], now: Iterable[dict[str, Any]]) -> str:
    """The first input that is new, else the first that is gone; nothing where all are as they were."""
    was, are = (dict.fromkeys(state["name"] for state in states) for states in (before, now))
    if new := next((name for name in are if name not in was), ""):
        return f"{new}, which is new"
    gone = next((name for name in was if name not in are), "")
    return f"no {gone}" if gone else ""


def _differences(before: Any, now: dict[str, Any]) -> str:
    """The options that are not as they were, with both values; nothing where all are."""
    was = before if isinstance(before, dict) else {}
    changed = [name for name in now if was.get(name) != now[name]]
    return ", ".join(f"{name} {_short(now[name])} instead of {_short(was.get(name))}" for name in changed)


def _short(value: Any) -> str:
    """A list, as of the formats of many outputs, by its different members."""
    return " ".join(sorted(set(map(str, value)))) if isinstance(value, list) else repr(value)


def _without_link(path: Path | str, flags: int) -> int:
    """A descriptor of a file that is no link to another: what is written stays in the folder."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def _sealed(entry: Entry, part: bytes, quarantined: bytes) -> Entry:
    """The entry with its checksum."""
    digest = hashlib.sha256()
    for piece in (json.dumps(asdict(replace(entry, sha256=""))).encode(), part, quarantined):
        digest.update(len(piece).to_bytes(8, "big") + piece)
    return replace(entry, sha256=digest.hexdigest())
