"""The lock of a job, which one process holds at a time, whenever another one ends."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from wijha import InputError
from wijha.ledger import Ledger

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
