"""Plain text in: every document of a folder of .txt, .jsonl and .jsonl.xz files, or of any text, in a fixed order."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

from wijha.errors import InputError
from wijha.records import read_rows

SUFFIXES = (".txt", ".jsonl", ".jsonl.xz")
ANY = (*SUFFIXES, ".csv", ".tsv", ".json", ".xml", ".html", ".htm")
_TAG = re.compile(r"<[^>]+>")
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
LETTERS = "\u0621-\u064a"
_ARABIC = re.compile(f"[{LETTERS}]")


def corpus_files(folder: Path, suffixes: tuple[str, ...] = SUFFIXES) -> list[Path]:
    """The text files below `folder`, sorted by path. Raises InputError when there is none."""
    files = sorted(path for path in folder.rglob("*") if path.name.endswith(suffixes)) if folder.is_dir() else []
    if not files:
        raise InputError(
            f"expected a folder with {', '.join(suffixes)} files, found none in {folder}; pass --corpus DIR"
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


def read_any(path: Path) -> Iterator[str]:
    """The documents of one file, of ANY format: where its fields are unknown the lines, without tags and escapes."""
    if path.name.endswith((".txt", ".jsonl.xz")):
        yield from read_documents(path)
    else:
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            plain = _ESCAPE.sub(lambda found: chr(int(found[1], 16)), line).encode("utf-16", "surrogatepass")
            yield html.unescape(_TAG.sub("\n", plain.decode("utf-16", "replace"))).replace("\\n", "\n")


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
