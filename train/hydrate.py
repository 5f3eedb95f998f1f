"""Find the annotated sentences again: data/annotated.jsonl holds their labels, not their text.

    python -m train.hydrate --corpus DIR

DIR is the folder of corpus shards, or of clones of the public repositories that data/README.md names; every text file
below it is read. Writes data/annotated.local.jsonl, which git ignores and which training uses when it is there. A row
with `exchanged` is labelled as its source sentence `of` reads with these names put in the place of others.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from train.command import command_line, one_sentence_errors
from train.data import ANNOTATED, HYDRATED
from train.plain_text import ANY, LETTERS, corpus_files, read_any
from wijha.errors import InputError
from wijha.records import read_rows
from wijha.text import key, sentences
from wijha.writing import write_rows


def main() -> None:
    """Command line."""
    parser = command_line(__doc__)
    parser.add_argument("--corpus", type=Path, required=True, help="folder of shards or of cloned repositories")
    arguments = parser.parse_args()
    with one_sentence_errors():
        hydrate(arguments.corpus)


def hydrate(corpus: Path, labels: Path = ANNOTATED, output: Path = HYDRATED) -> int:
    """Write the annotated rows whose sentence is found below `corpus`, with their text; returns how many.

    Raises InputError when the folder holds no text files or none of the sentences.
    """
    rows = [row for _, row in read_rows(labels)]
    sought: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        sought[source(row)].append(row)
    texts: dict[str, str] = {}
    for path in tqdm(corpus_files(corpus, ANY), desc="reading", unit="file"):
        for document in read_any(path):
            for text in sentences(document):
                for row in sought.get(key(text), ()):
                    if row["key"] not in texts and (made := labelled_text(row, text)):
                        texts[row["key"]] = made
        if len(texts) == len(rows):
            break
    if not texts:
        raise InputError(f"expected sentences of {labels} in {corpus}, found none; see data/README.md for the sources")
    found = [{**row, "text": texts[row["key"]]} for row in rows if row["key"] in texts]
    write_rows(iter(found), output)
    print(f"{len(found):,} of {len(rows):,} annotated sentences found -> {output}")
    return len(found)


def labelled_text(row: Mapping[str, Any], text: str) -> str | None:
    """What was labelled, made from a sentence with the key `source(row)`; None from another spelling of that sentence
    in which some of the names to exchange stand otherwise."""
    made = exchange(text, row.get("exchanged") or ())
    return made if key(made) == row["key"] else None


def source(row: Mapping[str, Any]) -> str:
    """The key of the sentence that a row's text is made from: its own, or `of`."""
    return str(row.get("of") or row["key"])


def exchange(text: str, pairs: Iterable[Sequence[str]]) -> str:
    """The text with each [old, new] of `pairs` put in, one after the other, where `old` stands as whole words."""
    for old, new in pairs:
        text = new.join(re.split(rf"(?<![{LETTERS}]){re.escape(old)}(?![{LETTERS}])", text))
    return text


if __name__ == "__main__":
    main()
