"""Find the annotated sentences again: data/annotated.jsonl and data/targets.jsonl hold their labels, not their text.

    python -m train.hydrate --corpus DIR

DIR is the folder of corpus shards, or of clones of the public repositories that data/README.md names; every text file
below it is read. Writes the same rows with their text, data/annotated.local.jsonl and data/targets.local.jsonl, which
git ignores and which training uses when it is there, or when its config names it. A row with `exchanged` is labelled as
its source sentence `of` reads with these names put in the place of others.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from tqdm import tqdm

from train.command import command_line, one_sentence_errors
from train.data import ANNOTATED, HYDRATED, TARGETS, TARGETS_HYDRATED, keyed_rows
from train.plain_text import ANY, LETTERS, corpus_files, read_any
from wijha.errors import InputError
from wijha.text import key, sentences
from wijha.writing import write_rows

FILES = {ANNOTATED: HYDRATED, TARGETS: TARGETS_HYDRATED}


def main() -> None:
    """Command line."""
    parser = command_line(__doc__)
    parser.add_argument("--corpus", type=Path, required=True, help="folder of shards or of cloned repositories")
    arguments = parser.parse_args()
    with one_sentence_errors():
        hydrate(arguments.corpus)


def hydrate(corpus: Path, files: Mapping[Path, Path] = FILES) -> int:
    """Write the rows of each file of labels whose sentence is found below `corpus`, with their text, to the path that
    belongs to it; returns how many.

    Raises InputError for a row without a key, when the folder holds no text files and, once the other files are
    written, for those of which none of the sentences is found; what stood at their paths stays.
    """
    rows = {labels: list(keyed_rows(labels)) for labels in files}
    sought: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in chain.from_iterable(rows.values()):
        sought[source(row)].append(row)
    wanted = len({row["key"] for row in chain.from_iterable(rows.values())})
    texts: dict[str, str] = {}
    for path in tqdm(corpus_files(corpus, ANY), desc="reading", unit="file"):
        for document in read_any(path):
            for text in sentences(document):
                for row in sought.get(key(text), ()):
                    if row["key"] not in texts and (made := labelled_text(row, text)):
                        texts[row["key"]] = made
        if len(texts) == wanted:
            break
    count, lacking = 0, []
    for labels, output in files.items():
        if found := [{**row, "text": texts[row["key"]]} for row in rows[labels] if row["key"] in texts]:
            count += write_rows(iter(found), output)
            print(f"{len(found):,} of {len(rows[labels]):,} rows found -> {output}")
        else:
            lacking.append(str(labels))
    if lacking:
        names = " and ".join(lacking)
        raise InputError(f"expected sentences of {names} in {corpus}, found none; see data/README.md for the sources")
    return count


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
