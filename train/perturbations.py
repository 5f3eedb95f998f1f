"""Ways in which the same Arabic sentence is written otherwise, and ways in which it is mistyped.

Each takes a text and a random generator and changes nothing that a reader would read differently (SPELLINGS, LOOSE) or
some of the letters (NOISE). Used by train.robustness and the tests.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable
from random import Random

Change = Callable[[str, Random], str]

_LETTERS = {chr(code) for code in [*range(0x0621, 0x063B), *range(0x0641, 0x064B)]}
_JOINING = _LETTERS - set("ءآأؤإاةدذرزوى")  # those that join to the next letter
_HARAKAT = [chr(code) for code in range(0x064B, 0x0653)]
_ZERO_WIDTH = ["\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad"]  # spaces, joiners, soft hyphen
_BIDI = ["\u200e", "\u200f", "\u202a\u202c", "\u202b\u202c", "\u2067\u2069"]  # marks, embeddings, isolate
_FORMS: dict[str, list[str]] = {}
for _code in range(0xFE80, 0xFEF5):
    _FORMS.setdefault(unicodedata.normalize("NFKC", chr(_code)), []).append(chr(_code))
_NEIGHBOURS: dict[str, str] = {}
for _row in ("ضصثقفغعهخحجد", "شسيبلاتنمكط", "ئءؤرىةوزظ"):  # the Arabic (101) keyboard
    for _at, _letter in enumerate(_row):
        _NEIGHBOURS[_letter] = _row[max(_at - 1, 0) : _at] + _row[_at + 1 : _at + 2]


def _behind(marks: list[str], after: set[str], share: float) -> Change:
    """Put one of `marks` behind a `share` of the letters in `after`."""

    def change(text: str, dice: Random) -> str:
        return "".join(c + dice.choice(marks) if c in after and dice.random() < share else c for c in text)

    return change


def _mapped(*pairs: tuple[str, str]) -> Change:
    """Characters of the first of a pair become those of the second."""
    table = {ord(a): b for old, new in pairs for a, b in zip(old, new, strict=True)}
    return lambda text, dice: text.translate(table)


def _either(old: str, alphabets: tuple[str, ...]) -> Change:
    """Each of the characters `old` becomes the one in its place in one of `alphabets`, drawn anew each time."""
    return lambda text, dice: "".join(dice.choice(alphabets)[old.index(c)] if c in old else c for c in text)


def _presentation_forms(text: str, dice: Random) -> str:
    return "".join(dice.choice(_FORMS[c]) if c in _FORMS else c for c in text.replace("لا", "\ufefb"))


def _quotes(text: str, dice: Random) -> str:
    style = dice.choice(["«»", "“”", "„“", "‹›"])
    plain = text.translate(dict.fromkeys(map(ord, "«»“”„"), '"'))
    parts = plain.split('"')
    return "".join(part + style[at % 2] for at, part in enumerate(parts[:-1])) + parts[-1]


SPELLINGS: dict[str, Change] = {
    "diacritics": _behind(_HARAKAT, _LETTERS, 0.5),
    "tatweel": _behind(["\u0640", "\u0640\u0640"], _JOINING, 0.3),
    "zero-width controls": _behind(_ZERO_WIDTH, _LETTERS, 0.2),
    "bidi controls": _behind(_BIDI, _LETTERS, 0.2),
    "Arabic letter mark": _behind(["\u061c"], _LETTERS, 0.05),
    "presentation forms": _presentation_forms,
    "Persian and Urdu letters": _either("كيه", ("کیہ", "ڪےھ")),
    "alef without hamza": _mapped(("أإآ", "ااا")),
    "hamza without its seat": _mapped(("ؤئ", "وي")),
    "decomposed hamza": lambda text, dice: unicodedata.normalize("NFD", text),
    "yeh for alef maksura": _mapped(("ى", "ي")),
    "heh for teh marbuta": _mapped(("ة", "ه")),
    "Arabic-Indic digits": _mapped(("0123456789", "٠١٢٣٤٥٦٧٨٩")),
    "Persian digits": _mapped(("0123456789", "۰۱۲۳۴۵۶۷۸۹")),
    "quotation marks": _quotes,
    "Latin comma and question mark": _mapped(("،؛؟", ",;?")),
    "doubled spaces": lambda text, dice: text.replace(" ", "  "),
    "other spaces": lambda text, dice: "".join(dice.choice("\u00a0\t\u2009 ") if c == " " else c for c in text),
}
"""What the encoder's normaliser covers: the token ids are equal, so the labels are."""

LOOSE: dict[str, Change] = {
    "no quotation marks": lambda text, dice: text.translate(dict.fromkeys(map(ord, "«»“”„\"'"))),
    "no full stop": lambda text, dice: text.rstrip(" ."),
}
"""What it does not cover: the token ids differ, the labels should not."""


def _letters_changed(kind: Callable[[str, str, Random], str]) -> Callable[[float], Change]:
    """A change of each letter with a probability; `kind` gets the letter and the one behind it in its word."""

    def of_rate(rate: float) -> Change:
        def change(text: str, dice: Random) -> str:
            out, at = [], 0
            while at < len(text):
                following = text[at + 1] if text[at + 1 : at + 2] in _LETTERS else ""
                if text[at] in _LETTERS and dice.random() < rate:
                    out.append(made := kind(text[at], following, dice))
                    at += 2 if len(made) == 2 else 1
                else:
                    out.append(text[at])
                    at += 1
            return "".join(out)

        return change

    return of_rate


NOISE: dict[str, Callable[[float], Change]] = {
    "neighbouring key": _letters_changed(lambda letter, _, dice: dice.choice(_NEIGHBOURS.get(letter, letter))),
    "dropped letter": _letters_changed(lambda letter, following, dice: ""),
    "swapped letters": _letters_changed(lambda letter, following, dice: following + letter),
}
"""Mistyping: a rate of the letters -> the change. A letter without a neighbouring key or partner stays."""


def changed(texts: Iterable[str], change: Change, seed: str) -> list[str]:
    """`change` on each text, with a generator of its own: neither order nor number of texts matters."""
    return [change(text, Random(f"{seed} {text}")) for text in texts]
