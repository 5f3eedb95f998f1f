"""Arabic text: articles into sentences, and the normalised form by which two sentences are the same.

A sentence is an exact piece of its article; the annotated part of the corpus knows its sentences by their `key`, which
must not change.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata

# Harakat, Quranic marks, superscript alef, tatweel; zero-width and bidi controls, BOM.
_MARKS = re.compile("[\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u0640]")
_CONTROLS = re.compile("[\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_FOLD = str.maketrans(
    {
        "\u0622": "\u0627",
        "\u0623": "\u0627",
        "\u0625": "\u0627",
        "\u0671": "\u0627",  # alefs
        "\u0649": "\u064a",  # alef maksura -> yeh
    }
)
_NOT_WORD = re.compile(r"[\W_]+")

_LINE = re.compile("[\r\n\u2028\u2029]+")
_END = re.compile(
    # A full stop, not one of several ('..' is a pause in Arabic headlines), with closing
    # quotes, before a space or glued to the next Arabic word. Decimals have neither.
    "(?<![.\u2026])[.\u06d4](?![.\u2026])[\"'\u00bb\u201d\u2019)\\]]*(?=\\s|[\u0621-\u064a])"
    # Exclamation and question marks, before a space (a quoted question goes on).
    "|(?<![!?\u061f])[!?\u061f]+(?=\\s)"
)
_SHORT = 4  # letters; a stop between a shorter word and the next one ends nothing
# What may stand before a full stop that ends nothing: one letter (an initial, a title),
# letters joined by stops, a list number at the very start.
_ABBREVIATION = re.compile(r"(?:^|[\s(\"«“])[^\W\d_]\u0640?(?:\.[^\W\d_]\u0640?)*$")
_LIST_NUMBER = re.compile(r"^\s*\d{1,2}$")
_EDGE = " \t\u00a0-\u2013\u2014*\u2022\u25aa\u25cf\u25a0|"


def normalise(text: str) -> str:
    """NFKC, no marks or controls, alefs and alef maksura folded, words only, lower case."""
    text = _CONTROLS.sub("", unicodedata.normalize("NFKC", text))
    return _NOT_WORD.sub(" ", _MARKS.sub("", text).translate(_FOLD)).strip().lower()


def key(text: str) -> str:
    """First 16 hex digits of the sha1 of the normalised text."""
    return hashlib.sha1(normalise(text).encode()).hexdigest()[:16]


def sentences(text: str) -> list[str]:
    """Every piece of a document that holds a letter or digit, in order, stripped of spaces and bullets at its edges."""
    pieces = []
    for line in _LINE.split(text):
        start = seen = 0  # where the piece begins, and how far it was looked at: no sign is looked at for every stop
        last = max((place for place, sign in enumerate(line) if sign.isalnum()), default=-1)
        for end in _END.finditer(line):
            if end.end() > last:  # signs alone are no sentence: they stay with the one before them
                break
            before = line[seen : end.start()]
            abbreviated = _ABBREVIATION.search(before) is not None
            listed = seen == start and _LIST_NUMBER.match(before) is not None
            if abbreviated or listed or _glued_to_a_short_word(line, max(start, seen - _SHORT), end):
                # Letters behind the stop of an abbreviation go on with it; behind any other they begin nothing.
                seen = end.start() + (abbreviated and end[0][0] == ".")
                continue
            pieces.append(line[start : end.end()])
            start = seen = end.end()
        pieces.append(line[start:])
    return [piece.strip(_EDGE) for piece in pieces if any(map(str.isalnum, piece))]


def _glued_to_a_short_word(line: str, start: int, end: re.Match[str]) -> bool:
    """Whether no space follows a stop, and the last word from `start` on is short."""
    if not line[end.end() : end.end() + 1].strip():
        return False
    words = line[start : end.start()].split()
    return not words or len(words[-1]) < _SHORT
