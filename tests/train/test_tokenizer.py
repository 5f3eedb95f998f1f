"""Normalisation inside tokenizer.json: spellings that must give the same token ids."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from train.tokenizer import normalization_steps
from wijha import InputError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(ROOT / "models" / "encoder")


@pytest.mark.parametrize(
    ("plain", "variant"),
    [
        ("أكد", "أَكَّدَ"),  # harakat and shadda
        ("قال", "قـــال"),  # tatweel
        ("إلى أن", "الى ان"),  # hamza on alef, alef maksura
        ("سوريا", "سوریا"),  # Farsi yeh
        ("كان", "کان"),  # keheh
        ("لا", "\ufefb"),  # presentation form
        ("القرار 2254", "القرار ٢٢٥٤"),  # Arabic-Indic digits
        ("القرار 2254", "القرار ۲۲۵۴"),  # extended Arabic-Indic digits
        ('قال "نعم"', "قال «نعم»"),
        ('قال "نعم"', "قال “نعم”"),
        ("عاصمة القدس", "\u202bعاصمة\u200f القدس\u202c"),  # bidi controls
        ("من هنا", "من\u200c هنا"),  # zero-width non-joiner
        ("من هنا", "من  هنا"),
        ("NATO", "nato"),
    ],
)
def test_same_ids(tokenizer: PreTrainedTokenizerBase, plain: str, variant: str) -> None:
    assert tokenizer(plain)["input_ids"] == tokenizer(variant)["input_ids"]
    assert tokenizer.unk_token_id not in tokenizer(plain)["input_ids"]


def test_words_stay_apart(tokenizer: PreTrainedTokenizerBase) -> None:
    assert tokenizer("مؤيد")["input_ids"] != tokenizer("معارض")["input_ids"]


def test_unknown_step_is_named() -> None:
    with pytest.raises(InputError, match=r"expected normalisation steps among .* got fold_all; mend the config"):
        normalization_steps(["nfkc", "fold_all"])
