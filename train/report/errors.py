"""What the model gets wrong: every wrong label, the words that made it so, and the challenge pairs that fail."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import numpy as np

from train.data import CHALLENGE, Example, has_topics, load_examples
from train.report.measures import year
from train.report.scored import Scored, score_sentences
from train.scores import intervals, resampling_weights
from wijha.batching import windows
from wijha.classifier import Classifier

EXPLAINED = 200
SHOWN = 2_000
_STEPS = (0.05, 0.15, 0.4)  # drops of probability from which a word is marked lightly, more, most


@dataclass(frozen=True)
class Word:
    """A word and how a reader should see it."""

    text: str
    mark: str = ""
    """CSS class; empty for a plain word."""
    note: str = ""


@dataclass(frozen=True)
class Mistake:
    """One wrong label of one sentence."""

    example: Example
    topic: int
    true: str
    predicted: str
    score: float
    """Calibrated probability of the predicted label."""
    year: str
    words: list[Word] = field(default_factory=list)
    """The sentence with its words marked; empty where they were not computed."""


def mistakes(scored: Scored, classifier: Classifier, explained: int = EXPLAINED) -> list[Mistake]:
    """Every wrong label, the surest first; the first `explained` with their words marked by `occlusion`."""
    cells = [(float(scored.calibrated[r, t].max()), r, t) for r, t in zip(*np.nonzero(scored.wrong_cells), strict=True)]
    cells = sorted(cells, key=lambda cell: (-cell[0], cell[1], cell[2]))[:SHOWN]
    labels, first = scored.schema.label_names, cells[:explained]
    marked = occlusion(
        classifier, [(scored.examples[r].text, int(t), int(scored.predicted[r, t])) for _, r, t in first]
    )
    return [
        Mistake(
            scored.examples[r],
            int(t),
            labels[scored.true[r, t]],
            labels[scored.predicted[r, t]],
            score,
            year(scored.examples[r]),
            next(marked, []),
        )
        for score, r, t in cells
    ]


def occlusion(classifier: Classifier, cells: Sequence[tuple[str, int, int]]) -> Iterator[list[Word]]:
    """For each (text, topic, label): the text's words, marked by how much the label's probability drops without them.

    Each word is left out in turn. Zeiler and Fergus 2014, Visualizing and understanding convolutional networks;
    Li et al. 2016, Understanding neural networks through representation erasure.
    """
    tasks = []
    for text, topic, label in cells:
        words = text.split()
        without = [" ".join(words[:place] + words[place + 1 :]) for place in range(len(words))]
        tasks += [(variant, topic, label) for variant in [text, *without]]
    values = iter(
        probabilities[topic, label]
        for window in windows(tasks)
        for probabilities, (_, topic, label) in zip(
            classifier.probabilities([variant for variant, _, _ in window]), window, strict=True
        )
    )
    for text, _, _ in cells:
        full = next(values)
        yield [_marked(word, float(full - next(values))) for word in text.split()]


def _marked(word: str, drop: float) -> Word:
    strength = sum(drop >= step for step in _STEPS)
    if strength or drop <= -_STEPS[0]:
        return Word(word, f"up{strength}" if strength else "down", f"without it: {-drop:+.2f}")
    return Word(word)


@dataclass(frozen=True)
class Pair:
    """Sentences that differ in a few words and in a label, and what the model says of each."""

    story: str
    sentences: list[dict[str, Any]]
    """`words`, `true` and `predicted` (topic -> label, only topics that one of them sees) and `right`."""


def challenge_pairs(classifier: Classifier, path: Path = CHALLENGE) -> dict[str, Any] | None:
    """Share of the pairs with every sentence right, its interval, and the pairs that fail; None without a file of the
    model's topics."""
    if not path.exists() or not has_topics(path, classifier.schema):
        return None
    scored = score_sentences(classifier, load_examples(path, classifier.schema))
    members = defaultdict(list)
    for row, example in enumerate(scored.examples):
        members[example.story].append(row)
    groups = {story: rows for story, rows in members.items() if len(rows) > 1}
    right = np.array([scored.right[rows].all() for rows in groups.values()], dtype=np.float32)
    weights = resampling_weights(list(groups))
    failed = [_pair(scored, story, rows) for story, rows in groups.items() if not scored.right[rows].all()]
    return {
        "pairs": len(groups),
        "accuracy": float(right.mean()),
        "interval": intervals({"": weights @ right / weights.sum(axis=1)})[""],
        "sentences_right": float(scored.right.mean()),
        "failed": failed,
    }


def _pair(scored: Scored, story: str, rows: Sequence[int]) -> Pair:
    texts = [scored.examples[row].text.split() for row in rows]
    sentences = []
    for number, row in enumerate(rows):
        true, predicted = named_labels(scored, row, scored.true), named_labels(scored, row, scored.predicted)
        words = _difference(texts[number], texts[0 if number else 1])
        sentences.append({"words": words, "true": true, "predicted": predicted, "right": bool(scored.right[row])})
    return Pair(story, sentences)


def _difference(words: list[str], other: list[str]) -> list[Word]:
    """The words, those marked that the other text has not at their place."""
    result = []
    for kind, start, end, _, _ in SequenceMatcher(None, words, other, autojunk=False).get_opcodes():
        result += [Word(word, "" if kind == "equal" else "differs") for word in words[start:end]]
    return result


def named_labels(scored: Scored, row: int, numbers: np.ndarray) -> dict[str, str]:
    """Topic -> label of a sentence, for the topics that are there."""
    topics, labels = scored.schema.topics, scored.schema.label_names
    return {
        topic.english or topic.name: labels[number]
        for topic, number in zip(topics, numbers[row], strict=True)
        if number > 0
    }
