"""Spellings that must not matter: the tokenizers that ship give equal ids, whatever the weights say."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import pytest

from train.perturbations import LOOSE, SPELLINGS, changed
from wijha.tokenizer import TextEncoder

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module", params=["encoder", "encoder-deep", "classifier", "classifier/first"])
def encoder(request: pytest.FixtureRequest) -> TextEncoder:
    return TextEncoder(ROOT / "models" / str(request.param))


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """160 sentences of the corpus and one in which every change finds something."""
    with open(ROOT / "data" / "written.jsonl", encoding="utf-8") as lines:
        made = [json.loads(line)["text"] for line in islice(lines, 0, 4_800, 30)]
    return [*made, 'إلى مدى «القرار 2254» و"نعم" الآن: لا، كان يؤمن بكل شيئا هنا في القاعة؟.']


@pytest.mark.parametrize("name", SPELLINGS)
def test_token_ids_are_equal(encoder: TextEncoder, texts: list[str], name: str) -> None:
    variants = changed(texts, SPELLINGS[name], "test")
    altered = [number for number, text in enumerate(texts) if variants[number] != text]
    assert altered[-1] == len(texts) - 1 and len(altered) > 5
    assert encoder.ids(variants) == encoder.ids(texts)


@pytest.mark.parametrize("name", LOOSE)
def test_what_is_only_measured_changes_the_ids(encoder: TextEncoder, texts: list[str], name: str) -> None:
    """When the normaliser comes to cover one of these it belongs into SPELLINGS."""
    variant = changed(texts[-1:], LOOSE[name], "test")
    assert variant != texts[-1:] and encoder.ids(variant) != encoder.ids(texts[-1:])


def test_everything_at_once(encoder: TextEncoder, texts: list[str]) -> None:
    variants = texts
    together = [name for name in SPELLINGS if name != "decomposed hamza"]  # nothing may part a letter from its hamza
    for name in reversed(together):  # letters first, marks last
        variants = changed(variants, SPELLINGS[name], "test")
    assert all(variant != text for variant, text in zip(variants, texts, strict=True))
    assert encoder.ids(variants) == encoder.ids(texts)
