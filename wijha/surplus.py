"""What lies at OUT and is none of a job's: outputs and set-aside rows of other inputs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from wijha.errors import InputError
from wijha.paths import Pair, Places, outputs_below
from wijha.records import records


def check_free(pairs: Sequence[Pair], places: Places, gone: Iterable[str] = ()) -> None:
    """Raises InputError when outputs would come among those of other inputs, or write over their quarantine; that of
    the inputs `gone` may go.
    """
    check_outputs(pairs, places)
    names = {pair.name for pair in pairs}.union(gone)
    for record in records(places.quarantine) if places.quarantine.exists() else ():
        name = record.row.get("input")
        found = name if isinstance(name, str) else f"line {record.number}"
        if found not in names:
            raise InputError(
                f"expected only rows of IN in {places.quarantine}, found {found}; name another OUT or remove it"
            )


def check_unlinked(pairs: Iterable[Pair]) -> None:
    """Raises InputError when an output would take the place of a link."""
    for pair in pairs:
        if pair.target.is_symlink():
            raise InputError(
                f"expected a file of its own at {pair.target}, found a link; name what it leads to, or remove it"
            )


def check_outputs(pairs: Sequence[Pair], places: Places) -> None:
    """Raises InputError when the folder OUT holds what `wijha report` would count and no input goes to."""
    if pairs[0].target == places.out:
        return
    known = {os.path.abspath(path) for pair in pairs for path in (pair.source, pair.target)}
    for path in outputs_below(places.out):
        if os.path.abspath(path) not in known:
            raise InputError(
                f"expected only outputs of IN in {places.out}, found {path}; name another OUT or remove it"
            )
