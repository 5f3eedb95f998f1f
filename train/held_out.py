"""The sentences of a corpus' documents that the split holds out for testing: an archive as it comes, to measure on.

    python -m train.held_out --corpus DIR

Writes data/held_out.local.jsonl, which git ignores: a sentence a line, in order, each text once, less those that have
labels or stances in another split. None of theirs is learned; some may be among the sentences that `train.distill`
teaches.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from train.command import command_line, one_sentence_errors
from train.data import ANNOTATED, SPLITS, TARGETS, keyed_rows, split_of, split_of_row, story_of
from train.topical import all_documents
from wijha.text import key, sentences
from wijha.writing import Row, write_rows

OUTPUT = Path("data/held_out.local.jsonl")


def main() -> None:
    """Command line."""
    parser = command_line(__doc__)
    parser.add_argument("--corpus", type=Path, required=True, help="folder of shards or of cloned repositories")
    arguments = parser.parse_args()
    with one_sentence_errors():
        count = write_rows(held_out(all_documents(arguments.corpus), learned_keys(ANNOTATED, TARGETS)), OUTPUT)
    print(f"{count:,} sentences -> {OUTPUT}")


def learned_keys(*labels: Path) -> set[str]:
    """Keys of the sentences in these files that are not for testing."""
    rows = (row for path in labels for row in keyed_rows(path))
    return {str(row["key"]) for row in rows if split_of_row(row, story_of(row, str(row["key"]))) != SPLITS[2]}


def held_out(documents: Iterable[str], learned: set[str]) -> Iterator[Row]:
    """Rows of text, document and sentence, as in the annotated part (data/README.md)."""
    seen = set(learned)
    for text in documents:
        name = key(text)
        if split_of(f"d-{name}") != SPLITS[2]:
            continue
        for number, sentence in enumerate(sentences(text)):
            if (own := key(sentence)) not in seen:
                seen.add(own)
                yield {"id": own, "text": sentence, "document": name, "sentence": number}


if __name__ == "__main__":
    main()
