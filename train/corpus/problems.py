"""Everything for which the corpus is refused, each problem naming its rows."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from train.corpus.duplicates import near_pairs
from train.corpus.parts import APART, REAL, Sentence
from train.data import SPLITS
from wijha.errors import InputError
from wijha.schema import Schema
from wijha.text import key

ARABIC_SHARE = 0.6
_SHOWN = 40
_COMMITTED = ("written", "challenge")
_INVISIBLE = ("Cc", "Cf", "Zl", "Zp")  # controls, zero-width, bidi, BOM, soft hyphen; line and paragraph separators


def refuse(expected: str, problems: Sequence[str], remedy: str) -> None:
    """Raise InputError with the problems, one a line, unless there are none."""
    if problems:
        shown = [*problems[:_SHOWN], *([f"... and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else [])]
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise InputError(f"expected {expected}, found {count}; {remedy}\n  " + "\n  ".join(shown))


def all_problems(corpus: Sequence[Sentence], real: Sequence[Sentence], schema: Schema) -> list[str]:
    """Every problem of the corpus, the sentences of `real` being those that it must not hold."""
    return list(
        chain(
            repeated_ids(corpus),
            unknown_labels(corpus, schema),
            wrong_codes(corpus, schema),
            wrong_texts(corpus),
            exact_duplicates([*corpus, *real]),
            near_duplicates([*corpus, *real]),
            wrong_splits(corpus),
            shared_stories(corpus),
            wrong_pairs(corpus, schema),
        )
    )


def repeated_ids(corpus: Iterable[Sentence]) -> Iterator[str]:
    """Ids that stand for several rows."""
    for name, rows in _grouped((row.id, row) for row in corpus).items():
        if len(rows) > 1:
            yield f"the id {name} stands for {len(rows)} rows: {_names(rows)}"


def unknown_labels(corpus: Iterable[Sentence], schema: Schema) -> Iterator[str]:
    """Labels that the schema does not have; a missing one is none of them."""
    for row in corpus:
        for topic, label in row.labels.items():
            if label not in schema.label_names:
                yield f"{row.name}: {topic} is {label!r}, not one of {', '.join(schema.label_names)}"


def codes(schema: Schema) -> dict[str, str]:
    """Character of a reader's code -> label. Raises InputError for labels that share their first letter."""
    found = {"-": schema.absent} | {name[0]: name for name in schema.label_names[1:]}
    if len(found) < len(schema.labels):
        raise InputError(
            f"expected labels that differ in their first letter, found {', '.join(schema.label_names)}; "
            "rename one, or leave out the readers field"
        )
    return found


def wrong_codes(corpus: Iterable[Sentence], schema: Schema) -> Iterator[str]:
    """Readers' codes that do not have one known character a topic."""
    read = [row for row in corpus if row.readers]
    known = codes(schema) if read else {}
    for row in read:
        for code in row.readers:
            if len(code) != len(schema.topics) or not set(code) <= set(known):
                yield f"{row.name}: the reader's code {code!r} is not {len(schema.topics)} of {' '.join(known)}"


def wrong_texts(corpus: Iterable[Sentence]) -> Iterator[str]:
    """Texts that are missing, hold what nobody sees, are hardly Arabic, or are not the ones that were labelled."""
    for row in corpus:
        if row.text is None:
            continue
        if not row.text.strip():
            yield f"{row.name}: no text"
            continue
        if row.part in _COMMITTED and (hidden := _invisible(row.text)):
            yield f"{row.name}: invisible characters {', '.join(hidden)}"
        if row.key != key(row.text):
            yield f"{row.name}: its key {row.key} is not the one of its text, {key(row.text)}"
        if (share := arabic_share(row.text)) < ARABIC_SHARE:
            yield f"{row.name}: {share:.0%} of its letters are Arabic, less than {ARABIC_SHARE:.0%}"


def _invisible(text: str) -> list[str]:
    return sorted({f"U+{ord(c):04X}" for c in text if unicodedata.category(c) in _INVISIBLE})


def arabic_share(text: str) -> float:
    """Share of Arabic letters among all letters; 0 for a text without letters."""
    letters = [character for character in text if character.isalpha()]
    arabic = sum(unicodedata.name(character, "").startswith("ARABIC") for character in letters)
    return arabic / len(letters) if letters else 0.0


def exact_duplicates(sentences: Iterable[Sentence]) -> Iterator[str]:
    """Rows that are the same once normalised; also annotated ones whose text is not here, by their key."""
    for rows in _grouped((row.key, row) for row in sentences if row.text != "").values():
        if len(rows) > 1 and {row.part for row in rows} != {REAL}:
            yield f"the same sentence: {_names(rows)}"


def near_duplicates(sentences: Iterable[Sentence]) -> Iterator[str]:
    """Nearly the same sentence on two sides of a split, in challenge and elsewhere, or in the held-out real news.

    Sentences of one story never are on two sides, so the members of a contrast pair may be as near as they like.
    """
    rows = [row for row in sentences if row.text]
    for earlier, later, jaccard in near_pairs([row.text or "" for row in rows]):
        a, b = rows[earlier], rows[later]
        if a.split != b.split and a.key != b.key:
            yield f"nearly the same sentence ({jaccard:.2f}): {a.name} ({a.split}), {b.name} ({b.split})"


def wrong_splits(corpus: Iterable[Sentence]) -> Iterator[str]:
    """Splits that are none of ours."""
    for row in corpus:
        if row.part not in APART and row.split not in SPLITS:
            yield f"{row.name}: its split {row.split!r} is not one of {', '.join(SPLITS)}"


def shared_stories(corpus: Iterable[Sentence]) -> Iterator[str]:
    """Stories on two sides: what is trained on would be tested with."""
    for story, rows in _grouped((row.story, row) for row in corpus).items():
        if len(sides := {row.split for row in rows}) > 1:
            yield f"the story {story} is in {' and '.join(sorted(sides))}: {_names(rows)}"


def wrong_pairs(corpus: Iterable[Sentence], schema: Schema) -> Iterator[str]:
    """Contrast pairs that are not two sentences that differ in one topic."""
    for story, rows in contrast_pairs(corpus).items():
        if len(rows) != 2:
            yield f"the contrast pair {story} has {len(rows)} rows, not 2: {_names(rows)}"
            continue
        differ = [topic for topic in schema.topic_names if rows[0].labels[topic] != rows[1].labels[topic]]
        if len(differ) != 1:
            yield f"the contrast pair {story} differs in {', '.join(differ) or 'no topic'}, not in one: {_names(rows)}"


def contrast_pairs(corpus: Iterable[Sentence]) -> dict[str, list[Sentence]]:
    """The challenge by story: each story is one pair."""
    return _grouped((row.story, row) for row in corpus if row.part == "challenge")


def _grouped(items: Iterable[tuple[str, Sentence]]) -> dict[str, list[Sentence]]:
    groups: dict[str, list[Sentence]] = defaultdict(list)
    for name, row in items:
        groups[name].append(row)
    return groups


def _names(rows: Iterable[Sentence]) -> str:
    return ", ".join(row.name for row in rows)
