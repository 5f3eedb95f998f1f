"""Plain text in: every document of a folder of .txt, .jsonl and .jsonl.xz files, in a fixed order."""

from __future__ import annotations

import json
import lzma
import re
from collections.abc import Iterator
from pathlib import Path

from wijha.errors import InputError

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


def read_documents(path: Path) -> Iterator[dict[str, str]]:
    """Documents of one file as {"text", ...}: a JSON object a line, or a paragraph a line for .txt."""
    opener = lzma.open if path.suffix == ".xz" else open
    number = 0
    try:
        with opener(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                number += 1
                if not line.strip():
                    continue
                if path.suffix == ".txt":
                    yield {"text": line.strip()}
                else:
                    row = json.loads(line)
                    yield {k: "" if v is None else str(v) for k, v in row.items()} | {"text": row["text"]}
    except (EOFError, lzma.LZMAError) as error:
        raise InputError(f"expected a whole archive, {path} breaks off after line {number}; copy it again") from error
    except UnicodeDecodeError as error:
        raise InputError(f"expected UTF-8, {path} holds other bytes after line {number}; convert it") from error
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise InputError(
            f'expected a JSON object with a "text" in {path} line {number}, found something else; mend or drop the line'
        ) from error


def read_texts(*folders: Path) -> Iterator[str]:
    """The text of every document below each of the folders that holds Arabic letters.

    Raises InputError when a file is unreadable or nothing in a folder is Arabic.
    """
    for folder in folders:
        found = False
        for path in corpus_files(folder):
            for row in read_documents(path):
                if _ARABIC.search(row["text"]):
                    found = True
                    yield row["text"]
        if not found:
            raise InputError(f"expected Arabic text, found none in {folder}; check the path and the encoding")
