"""Make sentences about the topics out of a corpus's sentences about other matters: text to distil on.

    python -m train.exchange --corpus DIR

Writes data/exchanged.local.txt, a sentence a line: those of DIR that a family of configs/exchanges.yaml applies to, a
truce elsewhere, a treaty on something else, with its words put in the place of theirs; none whose source is annotated.
Nobody labels them: several models do (`python -m train.distill CONFIG MODEL ... --sentences data/exchanged.local.txt`).
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from train.command import command_line, one_sentence_errors
from train.config import ExchangeConfig, load_config
from train.data import ANNOTATED
from train.hydrate import source
from train.plain_text import LETTERS
from train.topical import all_documents, unseen
from wijha.files import write_text
from wijha.records import read_rows
from wijha.text import key, sentences

FAMILIES, SENTENCES = Path("configs/exchanges.yaml"), Path("data/exchanged.local.txt")
_WORDS = range(8, 56)


def main() -> None:
    """Command line."""
    parser = command_line(__doc__)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--families", type=Path, default=FAMILIES)
    arguments = parser.parse_args()
    with one_sentence_errors():
        families = load_families(load_config(ExchangeConfig, arguments.families))
        labelled = {name for _, row in read_rows(ANNOTATED) for name in (str(row["key"]), source(row))}
        texts = (text for document in all_documents(arguments.corpus) for text in sentences(document))
        made = unseen(list(exchanged(texts, families, labelled)))
        random.Random(13).shuffle(made)
        write_text(SENTENCES, "".join(f"{text}\n" for text in made))
        print(f"{len(made):,} sentences -> {SENTENCES}")


@dataclass(frozen=True)
class Family:
    """Words for one kind of sentence, those about one conflict for instance."""

    where: tuple[re.Pattern[str], ...]
    """All of them are found in such a sentence."""
    unless: re.Pattern[str]
    """Is not found in it."""
    put: Mapping[str, str]
    """Word -> the word in its place."""
    words: tuple[re.Pattern[str], ...]
    """Find the words of `put`: the first that finds any counts."""

    def exchange(self, text: str) -> str | None:
        """The sentence with the words put in, prefixes kept; None where the family does not apply."""
        if self.unless.search(text) or not all(pattern.search(text) for pattern in self.where):
            return None
        for pattern in self.words:
            made, found = pattern.subn(self._in_place, text)
            if found:
                return made
        return None

    def _in_place(self, match: re.Match[str]) -> str:
        """`for the` is one prefix in Arabic: l + al- is written ll-."""
        prefix, word = match["prefix"] or "", match["word"]
        if word is None:
            prefix, word = f"{match['conjunction']}ل", f"ال{match['rest']}"
        new = self.put[word]
        return f"{prefix}ل{new[2:]}" if prefix.endswith("ل") and new.startswith("ال") else prefix + new


def load_families(config: ExchangeConfig) -> list[Family]:
    """The families of a config, in its order, expressions compiled."""
    families = []
    for family in config.families.values():
        groups = [[word] for word in family["put"]] if family.get("first") else [list(family["put"])]
        families.append(
            Family(
                tuple(config.expression(text) for text in family["where"]),
                config.expression(family["unless"]),
                family["put"],
                tuple(finder(words) for words in groups),
            )
        )
    return families


def finder(words: Iterable[str]) -> re.Pattern[str]:
    """Finds any of the words as whole words, the longest first, with or without prefixes of one letter."""
    longest = sorted(words, key=len, reverse=True)
    plain = "|".join(map(re.escape, longest))
    definite = "|".join(re.escape(word[2:]) for word in longest if word.startswith("ال")) or r"(?!)"
    return re.compile(
        rf"(?<![{LETTERS}])(?:(?P<prefix>[وف]?[بلك]?)(?P<word>{plain})"
        rf"|(?P<conjunction>[وف]?)لل(?P<rest>{definite}))(?![{LETTERS}])"
    )


def exchanged(texts: Iterable[str], families: Iterable[Family], labelled: set[str]) -> Iterator[str]:
    """What each family makes of each text of 8 to 55 words whose key is not in `labelled`, every sentence once."""
    families, seen = tuple(families), set(labelled)
    for text in texts:
        if len(text.split()) not in _WORDS:
            continue
        made = [new for family in families if (new := family.exchange(text))]
        if not made or key(text) in labelled:
            continue
        for new in made:
            if (name := key(new)) not in seen:
                seen.add(name)
                yield " ".join(new.split())


if __name__ == "__main__":
    main()
