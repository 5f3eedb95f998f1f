"""The lock of a job, which one process holds at a time, whenever another one ends; and the seal of what is done."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from wijha import InputError
from wijha.ledger import Entry, Ledger

BUSY = pytest.raises(InputError, match=r"out\.job at rest, another process works on it; wait for it$")


def ledgers(folder: Path) -> tuple[Ledger, Ledger, Ledger]:
    """Three processes' worth: a lock belongs to the file that was opened, not to the process."""
    job = folder / "out.job"
    return Ledger(job), Ledger(job), Ledger(job)


def test_a_lock_that_is_removed_while_another_opens_it_is_taken_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = ledgers(tmp_path)
    first.hold()

    def ends_before(descriptor: int, operation: int) -> None:
        monkeypatch.undo()
        first.remove()
        first.close()
        fcntl.flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", ends_before)
    second.hold()
    with BUSY:
        third.hold()
    second.close()
    third.hold()
    third.close()
    assert not list(tmp_path.iterdir())


def test_a_job_that_ends_leaves_the_lock_of_the_next_one(tmp_path: Path) -> None:
    first, second, third = ledgers(tmp_path)
    first.hold()
    first.remove()
    second.hold()
    first.close()
    with BUSY:
        third.hold()
    second.close()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "content", "kept"),
    [
        ("00000001.part", b"one\n", 3),  # as it was
        ("00000001.part", b"two\n", 1),
        ("00000001.part", b"", 1),
        ("00000001.quarantine", b"worse\n", 1),
        ("00000001.quarantine", b"", 1),
        ("00000000.quarantine", b"one\n", 0),
    ],
)
def test_a_chunk_whose_file_was_changed_is_done_again_and_all_behind_it(
    tmp_path: Path, name: str, content: bytes, kept: int
) -> None:
    identity = {"wijha": "1", "model": "m", "options": {}, "inputs": [{"name": "in"}]}
    ledger, again, _ = ledgers(tmp_path)
    ledger.hold()
    ledger.open(identity, resume=False)
    for number in range(3):
        ledger.add(Entry(number, "in", number, number, number, 2, 1, 1, ""), b"one\n", b"bad\n")
    ledger.close()
    (ledger.folder / name).write_bytes(content)
    again.hold()
    again.open(identity, resume=True)
    assert (again.done["in"], again.next, again.rows_in) == (kept, kept, 2 * kept)
    assert [entry.chunk for entry in again.entries()] == list(range(kept))
    again.close()
