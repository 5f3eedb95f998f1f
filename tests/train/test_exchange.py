"""Sentences made by exchanging words: which apply, how prefixes are kept, what stays out."""

from __future__ import annotations

from pathlib import Path

import pytest

from train.config import ExchangeConfig, build, load_config
from train.exchange import FAMILIES, exchanged, finder, load_families
from wijha.errors import InputError
from wijha.text import key

ROOT = Path(__file__).resolve().parents[2]
TRUCE = "أعلن الوسيط أن الهدنة في ليبيا وطرابلس صامدة وأن لليبيا والليبيين حقا في السلام"


def family(**changed: object) -> dict[str, object]:
    return {"where": ["ليبيا", "$calm"], "unless": "سوري", "put": {"ليبيا": "سوريا", "الليبيين": "السوريين"}} | changed


def made(text: str, *families: dict[str, object]) -> list[str | None]:
    named = {str(number): one for number, one in enumerate(families)}
    config = build(ExchangeConfig, {"words": {"calm": "هدنة|الهدنة"}, "families": named}, "test")
    return [one.exchange(text) for one in load_families(config)]


def test_words_are_put_in_with_their_prefixes() -> None:
    assert made(TRUCE, family()) == ["أعلن الوسيط أن الهدنة في سوريا وطرابلس صامدة وأن لسوريا والسوريين حقا في السلام"]


@pytest.mark.parametrize(
    ("text", "old", "new", "result"),
    [
        ("نداء للجيش", "الجيش", "النظام", "نداء للنظام"),
        ("نداء وللجيش", "الجيش", "دمشق", "نداء ولدمشق"),
        ("نداء لغزة", "غزة", "الغوطة", "نداء للغوطة"),
        ("غزة وبغزة وغزتنا", "غزة", "حلب", "حلب وبحلب وغزتنا"),
    ],
)
def test_the_article_is_written_as_arabic_writes_it(text: str, old: str, new: str, result: str) -> None:
    assert made(text, {"where": ["."], "unless": "(?!)", "put": {old: new}}) == [result]


def test_a_family_applies_where_all_is_found_and_nothing_forbidden() -> None:
    assert made(TRUCE.replace("الهدنة", "الحرب"), family()) == [None]
    assert made(TRUCE + " كما في سوريا", family()) == [None]
    assert made(TRUCE, family(put={"تونس": "سوريا"})) == [None]


def test_the_first_word_that_stands_there_is_enough() -> None:
    put = {"الليبيين": "السوريين", "ليبيا": "سوريا"}
    (one,) = made(TRUCE, family(put=put, first=True))
    assert one is not None and "السوريين" in one and "ليبيا" in one


def test_the_longest_word_wins() -> None:
    match = finder(["الضفة", "الضفة الغربية"]).search("في الضفة الغربية")
    assert match is not None and match["word"] == "الضفة الغربية"


def test_no_annotated_sentence_and_none_twice() -> None:
    config = build(ExchangeConfig, {"words": {"calm": "الهدنة"}, "families": {"a": family(), "b": family()}}, "test")
    families = load_families(config)
    assert len(list(exchanged([TRUCE, TRUCE, "ليبيا الهدنة"], families, set()))) == 1
    assert list(exchanged([TRUCE], families, {key(TRUCE)})) == []


def test_the_families_that_ship_speak_of_the_topics() -> None:
    families = load_families(load_config(ExchangeConfig, ROOT / FAMILIES))
    assert all(one.exchange("لا شيء هنا يخص أحدا من قريب أو بعيد") is None for one in families)
    (text,) = exchanged([TRUCE], families, set())
    assert "سوريا" in text and "دمشق" in text and "ليبي" not in text


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"where": ["("]}, "is neither a regular expression nor a name in words"),
        ({"unless": "$nowhere"}, "is neither a regular expression nor a name in words"),
        ({"where": "ليبيا"}, "must hold where"),
        ({"also": 1}, "must hold where"),
        ({"where": [2013]}, "2013 is neither a regular expression nor a name in words"),
        ({"put": {"ليبيا": 5}}, "put must hold texts, each for another, got {'ليبيا': 5}"),
        ({"put": {}}, "put must hold texts, each for another, got {}"),
    ],
)
def test_a_wrong_family_is_named(changed: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=f"families.libya.*{said}"):
        build(ExchangeConfig, {"words": {"calm": "هدنة"}, "families": {"libya": family(**changed)}}, "test")


def test_a_word_that_is_no_text_is_named() -> None:
    families = {"libya": family(where=["$number"])}
    with pytest.raises(
        InputError, match=r"words\.number must be a text, got 5; families\.libya: '\$number' is neither"
    ):
        build(ExchangeConfig, {"words": {"number": 5}, "families": families}, "test")
