"""Plain text in: every document of a folder of .txt, .jsonl and .jsonl.xz files, in a fixed order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from wijha.errors import InputError
from wijha.records import read_rows

SUFFIXES = (".txt", ".jsonl", ".jsonl.xz")
_ARABIC = re.compile(r"[\u0621-\u064a]")


def corpus_files(folder: Path) -> list[Path]:
    """The text files below `folder`, sorted by path. Raises InputError when there is none."""
    files = sorted(p for p in folder.rglob("*") if p.name.endswith(SUFFIXES)) if folder.is_dir() else []
    if not files:
        raise InputError(
            f"expected a folder with {', '.join(SUFFIXES)} files, found none in {folder}; pass --corpus DIR"
        )
    return files


def read_documents(path: Path) -> Iterator[str]:
    """The documents of one file: the "text" of each JSON object, or the lines of a .txt.

    Raises InputError that names the line of another one.
    """
    for number, row in read_rows(path):
        if not isinstance(row.get("text"), str):
            raise InputError(f'expected a "text" in {path} line {number}, found none; mend or drop the line')
        yield row["text"]


def read_texts(*folders: Path) -> Iterator[str]:
    """The text of every document below each of the folders that holds Arabic letters.

    Raises InputError when a file is unreadable or nothing in a folder is Arabic.
    """
    for folder in folders:
        found = False
        for path in corpus_files(folder):
            for text in read_documents(path):
                if _ARABIC.search(text):
                    found = True
                    yield text
        if not found:
            raise InputError(f"expected Arabic text, found none in {folder}; check the path and the encoding")
