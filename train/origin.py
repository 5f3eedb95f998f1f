"""Whose layers an encoder began with, where they were somebody else's: origin.json beside it.

`train.adopt` writes it, `train.pretrain` hands it on to what it makes, `train.release_encoder` puts it on the card.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from wijha.errors import InputError
from wijha.files import read_json, write_json

_NAME = "origin.json"


@dataclass(frozen=True)
class Origin:
    """An encoder of others."""

    source: str
    """Its name."""
    licence: str
    """Whose it is and under which licence; empty where nobody has said so."""


E5_SMALL = Origin("multilingual-e5-small", "Wang et al. 2024, MIT; before that Multilingual-MiniLM-L12-H384, MIT")


def origin_of(encoder: Path) -> Origin | None:
    """What an encoder's folder notes; None where it notes nothing. Raises InputError for a broken note."""
    path = encoder / _NAME
    if not path.exists():
        return None
    try:
        return Origin(**read_json(path))
    except (ValueError, TypeError) as error:
        raise InputError(
            f"expected source and licence in {path}, found a broken file; adopt the encoder again"
        ) from error


def write_origin(origin: Origin, encoder: Path) -> None:
    """Note it in an encoder's folder."""
    write_json(encoder / _NAME, asdict(origin))
