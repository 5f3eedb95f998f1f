"""Normalisation inside tokenizer.json: spellings that must give the same token ids."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from train.tokenizer import OURS, SPECIAL, main, normalization_steps, respelt
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
        ("كيف هذه", "ڪےف ہذھ"),  # swash kaf, yeh barree, heh goal and doachashmee
        ("رئيس مسؤول", "رييس مسوول"),  # hamza without its seat
        ("هدنة", "هدنه"),  # heh for teh marbuta
        ("من، ولم؟", "من, ولم?"),
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


def old_tokenizer(*pieces: str) -> Tokenizer:
    """A tokenizer whose only step is NFKC, with these pieces behind the special ones."""
    tokenizer = Tokenizer(
        models.WordPiece({piece: at for at, piece in enumerate([*SPECIAL, *pieces])}, unk_token="[UNK]")
    )
    tokenizer.normalizer = normalizers.Sequence(normalization_steps(["nfkc"]))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def test_pieces_keep_their_numbers_under_new_steps() -> None:
    tokenizer = old_tokenizer("هدنة", "هدنه", "رئيس", "حلب")
    new, unused = respelt(tokenizer, ["هدنة رئيس", "هدنة حلب", "هدنه"])
    assert new.encode("هدنة هدنه رييس رئيس حلب").ids == [5, 5, 7, 7, 8]  # the commoner of the two is left
    assert unused == 1
    assert new.token_to_id("[unused6]") == 6
    assert new.get_vocab_size() == tokenizer.get_vocab_size()
    again, gone = respelt(new, ["هدنة"])
    assert (again.to_str(), gone) == (new.to_str(), 0)


def test_an_encoder_gets_the_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old_tokenizer("هدنة").save(str(tmp_path / "tokenizer.json"))
    monkeypatch.setattr("sys.argv", ["train.tokenizer", str(tmp_path)])
    main()
    assert f"{', '.join(OURS)}; 0 pieces" in capsys.readouterr().out
    assert Tokenizer.from_file(str(tmp_path / "tokenizer.json")).encode("هدنه").ids == [5]
    assert json.loads((tmp_path / "manifest.json").read_text())["files"]["tokenizer.json"]


def test_a_folder_without_a_tokenizer_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["train.tokenizer", str(tmp_path)])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    assert "expected a tokenizer at" in capsys.readouterr().err
