"""Arabic sentence splitting and the key by which two sentences are the same."""

from __future__ import annotations

import pytest

from wijha.text import key, normalise, sentences


@pytest.mark.parametrize(
    ("article", "pieces"),
    [
        ("وصل الوفد. غادر الوفد.", ["وصل الوفد.", "غادر الوفد."]),
        ("هل يعود الوفد؟ نعم! سيعود.", ["هل يعود الوفد؟", "نعم!", "سيعود."]),
        ("قال: «لن نعود.» ثم غادر.", ["قال: «لن نعود.»", "ثم غادر."]),
        ("ارتفع السعر 3.5 في المئة. انتهى", ["ارتفع السعر 3.5 في المئة.", "انتهى"]),
        ("قال د. سامي ذلك لوكالة أ.ف.ب. أمس", ["قال د. سامي ذلك لوكالة أ.ف.ب. أمس"]),
        ("عنوان\nنص الخبر، وفيه فاصلة؛ وفاصلة منقوطة", ["عنوان", "نص الخبر، وفيه فاصلة؛ وفاصلة منقوطة"]),
        ("انتظروا .. عدنا ... الآن", ["انتظروا .. عدنا ... الآن"]),
        ("انتهى اللقاء.وأضاف الوزير", ["انتهى اللقاء.", "وأضاف الوزير"]),
        ("-1 البند الأول\n- 5 جرحى\n-\n–3 قتلى", ["1 البند الأول", "5 جرحى", "3 قتلى"]),
        ("وصل د.سامي إلى شارع ابن.سينا يوم 10.مايو", ["وصل د.سامي إلى شارع ابن.سينا يوم 10.مايو"]),
        ("1. البند الأول. البند الثاني", ["1. البند الأول.", "البند الثاني"]),
        ("سقط منهم 12. غادر الوفد\n2254. القرار باق", ["سقط منهم 12.", "غادر الوفد", "2254.", "القرار باق"]),
        ('قال: "هل يعود الوفد؟ ".', ['قال: "هل يعود الوفد؟ ".']),
        ("وصل الوفد. \u200f\n.\n\U0001f447\nغادر الوفد! ..", ["وصل الوفد. \u200f", "غادر الوفد! .."]),
        ("", []),
        (" \n\n ", []),
    ],
)
def test_sentences(article: str, pieces: list[str]) -> None:
    assert sentences(article) == pieces


@pytest.mark.parametrize(
    ("line", "count"),
    [
        ("أ. " * 200_000, 1),
        ("أ." * 200_000, 1),
        ("1. قال أ. " + "د. " * 200_000 + "غادر الوفد. انتهى", 2),
        (" " * 200_000 + "1. " + "أ. " * 200_000, 1),
        ("من.ما " * 200_000, 1),
        ("!" * 200_000 + "لا", 1),
    ],
    ids=["initials", "joined", "of a list", "behind spaces", "short words", "exclamation marks"],
)
def test_a_long_line_is_split_in_one_pass(line: str, count: int) -> None:
    """A look back from every stop, or from every mark, to the beginning of the line took hours."""
    assert len(sentences(line)) == count


@pytest.mark.parametrize(
    ("line", "pieces"),
    [
        ("1.أ. ب", ["1.أ.", "ب"]),
        ("أ۔ب. ج", ["أ۔ب.", "ج"]),
        ("أ.5. ب", ["أ.5.", "ب"]),
        ('أ."ب. ج', ['أ."ب. ج']),
        ("من  .ما. قال", ["من  .ما.", "قال"]),
        ("كلمة.د.سامي", ["كلمة.", "د.سامي"]),
    ],
)
def test_a_stop_is_judged_by_what_stands_before_it_in_its_sentence(line: str, pieces: list[str]) -> None:
    assert sentences(line) == pieces


def test_key_ignores_marks_punctuation_and_spelling_of_alef_and_yeh() -> None:
    assert key("أكّدَ «الوزير» إلى\u200fالجميع!") == key("اكد الوزير الي الجميع".replace("الي ", "الي"))
    assert key("أكد الوزير") != key("أكد السفير")
    assert normalise("ﻻ  قـــال") == "لا قال"
    assert normalise("\u0622\u0623\u0625\u0671\u0649") == "\u0627\u0627\u0627\u0627\u064a"


def test_key_ignores_the_case_of_foreign_names() -> None:
    assert key("قال NATO إنه باق") == key("قال nato إنه باق") != key("قال UNO إنه باق")
    assert normalise("قال NATO") == "قال nato"
