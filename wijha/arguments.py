"""What several command lines take as an argument."""

from __future__ import annotations

import argparse


def positive(word: str) -> int:
    """A count, as the type of an argument of argparse, which tells the user of anything else."""
    if not word.isdecimal() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, got {word!r}")
    return int(word)
