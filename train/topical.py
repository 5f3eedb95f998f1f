"""Find what a corpus says of the topics and their surroundings: documents to pre-train on, sentences to distil on.

    python -m train.topical --corpus DIR

Writes data/topical/documents.local.txt, a document a line: those in which words of `search` and `context` in
configs/keywords.yaml are frequent; beside it labelled.local.txt, the labelled sentences of the training split, ten in
a line. Writes data/unread.local.txt, a sentence a line: those with a word of `search`,
less what is annotated or nearly a sentence of the real validation news.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from train.command import command_line, one_sentence_errors
from train.corpus.duplicates import near_pairs
from train.data import ANNOTATED, HYDRATED, REAL_NEWS, SPLITS, WRITTEN, split_of_row, story_of
from train.keywords import searched_words
from train.plain_text import ANY, corpus_files, read_any
from wijha.files import write_text
from wijha.records import read_rows
from wijha.text import key, normalise, sentences
from wijha.writing import Row

DOCUMENTS, LABELLED = Path("data/topical/documents.local.txt"), Path("data/topical/labelled.local.txt")
SENTENCES = Path("data/unread.local.txt")
MOST = 80_000
_WORDS = range(6, 81)
_LEAST, _EVERY = 2, 250  # a topical document holds a searched word twice at least, and once in 250 words


def main() -> None:
    """Command line."""
    parser = command_line(__doc__)
    parser.add_argument("--corpus", type=Path, required=True)
    arguments = parser.parse_args()
    with one_sentence_errors():
        chosen = list(topical(all_documents(arguments.corpus)))
        labelled = learned(path for path in (WRITTEN, HYDRATED) if path.exists())
        for path, texts in (
            (DOCUMENTS, chosen),
            (LABELLED, labelled),
            (SENTENCES, unseen(candidates(arguments.corpus))),
        ):
            write_text(path, "".join(f"{' '.join(text.split())}\n" for text in texts))
            print(f"{len(texts):,} {path.name.partition('.')[0]} -> {path}")


def all_documents(corpus: Path) -> Iterator[str]:
    """Every document below `corpus`."""
    for path in tqdm(corpus_files(corpus, ANY), desc="reading", unit="file"):
        yield from read_any(path)


def topical(texts: Iterable[str]) -> Iterator[str]:
    """The documents in which searched words are frequent."""
    words = searched_words("search", "context")
    for text in texts:
        plain = normalise(text)
        found = len(words.findall(plain))
        if found >= _LEAST and found * _EVERY >= len(plain.split()):
            yield text


def learned(files: Iterable[Path]) -> list[str]:
    """The sentences of the training split, shuffled and put together by tens, so that blocks hold several stories."""
    rows = [row for path in files for _, row in read_rows(path)]
    texts = [str(row["text"]) for row in rows if _split(row) == SPLITS[0]]
    random.Random(1).shuffle(texts)
    return [" ".join(texts[start : start + 10]) for start in range(0, len(texts), 10)]


def _split(row: Row) -> str:
    return split_of_row(row, story_of(row, key(str(row["text"]))))


def candidates(corpus: Path) -> list[str]:
    """Sentences of the corpus with a word of `search`, each once, none that is annotated; a fixed draw of MOST."""
    words = searched_words("search")
    seen = {str(row["key"]) for _, row in read_rows(ANNOTATED)}
    found = []
    for document in all_documents(corpus):
        for text in sentences(document):
            plain = normalise(text)
            if len(plain.split()) in _WORDS and words.search(plain) and key(text) not in seen:
                seen.add(key(text))
                found.append(text)
    return random.Random(13).sample(found, min(MOST, len(found)))


def unseen(texts: Sequence[str], real: Path = REAL_NEWS) -> list[str]:
    """The texts that are not nearly a sentence of the real validation news, where that is there."""
    if not real.exists():
        return list(texts)
    held_out = [str(row["text"]) for _, row in read_rows(real)]
    everything = [*held_out, *texts]
    near = {later for earlier, later, _ in near_pairs(everything, 0.5) if earlier < len(held_out)}
    return [text for number, text in enumerate(everything) if number >= len(held_out) and number not in near]


if __name__ == "__main__":
    main()
