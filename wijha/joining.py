"""The end of a job: its parts become the outputs, each replaced only when the new one is whole."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from wijha.files import replacing, sync
from wijha.ledger import Entry, Ledger
from wijha.paths import Pair, Places
from wijha.writing import Joined, UnfitError, head, merge, with_text


def join(ledger: Ledger, pairs: Sequence[Pair], places: Places) -> None:
    """The parts as outputs, the bad rows as the quarantine; each file is replaced when the new one is whole."""
    by_name = {pair.name: pair for pair in pairs}
    for name, group in groupby(ledger.entries(), key=lambda entry: entry.input):
        _join_one(ledger, [entry for entry in group if entry.rows_out or not entry.rows_in], by_name[name])
    if not any(entry.quarantined for entry in ledger.entries()):
        places.quarantine.unlink(missing_ok=True)
        sync(places.quarantine.parent)
        return
    with replacing(places.quarantine) as file:
        for entry in ledger.entries():
            file.write(ledger.quarantined(entry))


def _join_one(ledger: Ledger, entries: Sequence[Entry], pair: Pair) -> None:
    shared, suffix, target = None, pair.suffix, pair.target
    for entry in entries if suffix != ".jsonl" else ():
        one = head(ledger.part(entry), suffix)
        shared = one if shared is None else merge(shared, one)
    target.parent.mkdir(parents=True, exist_ok=True)
    while True:
        try:
            with replacing(target) as file, Joined(file, suffix, shared) as joined:
                for entry in entries:
                    joined.add(ledger.part(entry))
            return
        except UnfitError as error:  # whole numbers too large for the type that they share with others
            shared = with_text(shared, error.column)
