"""Find the sentences of a corpus that may speak of the topics: for more pre-training and for self-training.

    python -m train.topical --corpus DIR

Reads every sentence of DIR with a word of `search` in configs/keywords.yaml, leaves out what is annotated or nearly a
sentence of the real validation news, and writes data/topical/sentences.local.txt, a sentence a line.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from pathlib import Path

import yaml
from tqdm import tqdm

from train.baselines import KEYWORDS
from train.command import one_sentence_errors
from train.corpus.duplicates import near_pairs
from train.evaluation import REAL_NEWS
from train.hydrate import LABELS, documents, text_files
from wijha.files import write_text
from wijha.records import read_rows
from wijha.text import key, normalise, sentences

OUTPUT = Path("data/topical/sentences.local.txt")
MOST = 80_000
_WORDS = range(6, 81)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True)
    arguments = parser.parse_args()
    with one_sentence_errors():
        texts = unseen(candidates(arguments.corpus))
        write_text(OUTPUT, "".join(f"{' '.join(text.split())}\n" for text in texts))
        print(f"{len(texts):,} sentences -> {OUTPUT}")


def candidates(corpus: Path, most: int = MOST) -> list[str]:
    """Sentences of the corpus with a word of `search`, each once, none that is annotated; a fixed draw of `most`."""
    words = yaml.safe_load(KEYWORDS.read_text(encoding="utf-8"))["search"]
    seen = {str(row["key"]) for _, row in read_rows(LABELS)}
    found = []
    for path in tqdm(text_files(corpus), desc="reading", unit="file"):
        for document in documents(path):
            for text in sentences(document):
                plain = normalise(text)
                if len(plain.split()) in _WORDS and any(word in plain for word in words) and key(text) not in seen:
                    seen.add(key(text))
                    found.append(text)
    return random.Random(13).sample(found, min(most, len(found)))


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
