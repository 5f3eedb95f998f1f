"""Words of the topics, from configs/keywords.yaml: what the keyword baseline, `--blind` and the searches go by."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

from tokenizers import normalizers

from train.tokenizer import OURS, normalization_steps
from wijha.errors import InputError
from wijha.files import read_yaml
from wijha.schema import Schema
from wijha.text import normalise

KEYWORDS = Path("configs/keywords.yaml")
NORMALIZER = normalizers.Sequence(normalization_steps(OURS))
"""Spells texts as the small encoder's tokenizer does."""


def keyword_expressions(schema: Schema) -> dict[str, re.Pattern[str]]:
    """Topic -> what finds one of its expressions in normalised text, by configs/keywords.yaml; none where that lacks a
    topic. Raises InputError for a topic without a list of regular expressions."""
    listed = read_yaml(KEYWORDS) if KEYWORDS.exists() else {}
    if not isinstance(listed, Mapping) or not set(schema.topic_names) <= set(listed):
        return {}
    return {topic: _one_of(listed[topic], topic) for topic in schema.topic_names}


def _one_of(patterns: object, topic: str) -> re.Pattern[str]:
    words = [str(each).strip() for each in patterns] if isinstance(patterns, list) else []
    try:
        if words and all(words):
            return re.compile("|".join(f"(?:{_behind_li(NORMALIZER.normalize_str(word))})" for word in words))
        reason = "none"
    except re.error as error:
        reason = str(error)
    raise InputError(f"expected a list of regular expressions as {topic} in {KEYWORDS}, found {reason}; mend it")


def searched_words(*lists: str) -> re.Pattern[str]:
    """What finds a word of these lists of configs/keywords.yaml in a normalised text."""
    words = read_yaml(KEYWORDS)
    return re.compile("|".join(_behind_li(word) for name in lists for word in words[name]))


def _behind_li(expression: str) -> str:
    """The expression with the article too as the preposition ل spells it: القدس, للقدس; اللجنة, للجنة."""
    article = r"(?:(?<=\\b)|\b)(?<!\[)ال(?=\w)"
    return re.sub(article, lambda found: "(?:ال|ل)" if expression[found.end()] == "ل" else "(?:ال|لل)", expression)


def blinded(text: str, words: re.Pattern[str]) -> str:
    """The text with [MASK] for each of its words that holds one of `words`, alone or with its neighbour."""
    plain = [normalise(word) for word in text.split()]
    hidden = {place for place, word in enumerate(plain) if words.search(word)}
    for place, pair in enumerate(pairwise(plain)):
        if not hidden & {place, place + 1} and words.search(" ".join(pair)):
            hidden |= {place, place + 1}
    return " ".join("[MASK]" if place in hidden else word for place, word in enumerate(text.split()))
