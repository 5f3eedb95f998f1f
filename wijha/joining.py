"""The end of a job: its parts become the outputs, each replaced only when the new one is whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from wijha.files import replacing, sync, temporary
from wijha.ledger import Entry, Ledger
from wijha.paths import Pair, Places
from wijha.receipt import Kept
from wijha.writing import Joined, UnfitError, head, merge, with_text


def join(ledger: Ledger, pairs: Sequence[Pair], kept: Mapping[Pair, Kept], places: Places) -> None:
    """The parts as outputs, the bad rows as the quarantine; each file is replaced when the new one is whole.

    What an earlier job made of the inputs `kept` stays.
    """
    entries = ledger.by_input()
    new = {pair: entries[pair.name] for pair in pairs if pair not in kept}
    for pair in kept:  # a job that --restart began may have been killed while it was written
        temporary(pair.target).unlink(missing_ok=True)
    for pair, parts in new.items():
        _join_one(ledger, [entry for entry in parts if entry.rows_out or not entry.rows_in], pair)
    lines = _quarantined(ledger, new, pairs, kept, places)
    if (first := next(lines, None)) is None:
        places.quarantine.unlink(missing_ok=True)
        sync(places.quarantine.parent)
        return
    with replacing(places.quarantine) as file:
        file.write(first)
        file.writelines(lines)


def _quarantined(
    ledger: Ledger,
    new: Mapping[Pair, Sequence[Entry]],
    pairs: Sequence[Pair],
    kept: Mapping[Pair, Kept],
    places: Places,
) -> Iterator[bytes]:
    """What is set aside, input by input: of those `kept` as it stands in the quarantine that is there."""
    for pair in pairs:
        if pair in new:
            yield from filter(None, map(ledger.quarantined, new[pair]))
        elif place := kept[pair].aside:
            with open(places.quarantine, "rb") as file:
                file.seek(place.begin)
                yield file.read(place.end - place.begin)


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
