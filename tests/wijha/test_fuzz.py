"""Any string at all is split, classified and run through a file job: no crash, no hang, nothing lost."""

from __future__ import annotations

import faulthandler
import json
import os
import re
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from random import Random

import numpy as np
import pytest
from transformers import AutoTokenizer

from wijha import Classifier
from wijha.cli import main
from wijha.text import sentences
from wijha.tokenizer import TextEncoder

MIB = 1 << 20
EXTREMES = {
    "empty": "",
    "spaces": " \u00a0\t\r\n",
    "only marks": "\u064b\u0651\u0640\u200f\ufeff",
    "only controls": "\x00\x01\x1b\x7f\x85",
    "NUL in a word": "قا\0ل",
    "1 MB of one letter": "ا" * (MIB // 2),
    "1 MB of marks on a letter": "ا" + "\u0651\u064b" * (MIB // 4),
    "1 MB of short words": "لا " * (MIB // 5),
    "1 MB of initials": "أ. " * (MIB // 4),
    "half of a surrogate pair": "قال \ud83d ثم",
    "both halves apart": "\ud83d\ude00",
    "undecodable bytes": b"\xff\xfe \xe9".decode("utf-8", "surrogateescape"),
    "special tokens": "[CLS] [SEP] [PAD] [MASK] [UNK]",
    "noncharacters": "\ufffe\uffff\U0010ffff",
    "one sign that becomes eighteen": "\ufdfa" * 300,
}
RANGES = [
    (0, 0x80),
    (0x600, 0x700),
    (0x750, 0x780),
    (0xFB50, 0xFE00),
    (0x2000, 0x2070),
    (0xD800, 0xE000),
    (0, 0x110000),
]
LINE = re.compile("[\r\n\u2028\u2029]")
EDGES = set(" \t\r\n\u00a0\u2028\u2029-\u2013\u2014*\u2022\u25aa\u25cf\u25a0|")


HANG = 1_800  # seconds, many times what a test takes


@pytest.fixture(autouse=True)
def _no_hang(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """A test that hangs ends the run with the line that it hangs at."""
    with capfd.disabled():
        screen = os.dup(2)
    faulthandler.dump_traceback_later(HANG, exit=True, file=screen)
    yield
    faulthandler.cancel_dump_traceback_later()
    os.close(screen)


@pytest.fixture(scope="module")
def classifier(model: Path) -> Classifier:
    return Classifier.load(model, runtime="torch")


def made_up(dice: Random) -> str:
    """Up to 60 code points out of one or two ranges: Latin, Arabic, forms, controls, surrogates, all there is."""
    ranges = dice.choices(RANGES, k=2)
    return "".join(chr(dice.randrange(*dice.choice(ranges))) for _ in range(dice.randrange(60)))


def check(classifier: Classifier, texts: list[str]) -> None:
    found = classifier.classify(texts)
    assert [prediction.text for prediction in found] == texts
    for prediction in found:
        for topic in prediction.topics.values():
            values = list(topic.probabilities.values())
            assert np.isfinite(values).all() and min(values) >= 0 and sum(values) == pytest.approx(1, abs=1e-5)
            assert topic.score == max(values)


@pytest.mark.parametrize("name", EXTREMES)
def test_extremes(classifier: Classifier, name: str) -> None:
    check(classifier, [EXTREMES[name]])


COUNTS = pytest.mark.parametrize("count", [1_000, pytest.param(10_000, marks=pytest.mark.slow)])


@COUNTS
def test_any_string(classifier: Classifier, count: int) -> None:
    dice = Random(count)
    texts = [made_up(dice) for _ in range(count)]
    assert (
        any(0xD800 <= ord(c) < 0xE000 for text in texts for c in text) and max(map(max, filter(None, texts))) > "\uffff"
    )
    check(classifier, texts)


@COUNTS
def test_any_string_is_split(count: int) -> None:
    """Lost are spaces, ends of lines, dashes, bullets, and signs before the first letter or digit of a line alone."""
    dice = Random(count)
    for text in [*EXTREMES.values(), *(made_up(dice) for _ in range(count))]:
        lost, rest = "", text
        for piece in sentences(text):
            before, _, rest = rest.partition(piece)
            lost += before
        signs = {sign for line in LINE.split(text) for sign in takewhile(lambda sign: not sign.isalnum(), line)}
        assert set(lost + rest) <= EDGES | signs


@pytest.mark.parametrize("count", [200, pytest.param(10_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_any_string_in_a_file(tmp_path: Path, model: Path, count: int, suffix: str) -> None:
    """Those without text, with NUL or with half of a pair are set aside; `verify` finds each of the others once."""
    dice = Random(count)
    lines = [json.dumps({"text": text}) for text in [*EXTREMES.values(), *(made_up(dice) for _ in range(count))]]
    (tmp_path / "in.jsonl").write_text("\n".join(lines), encoding="utf-8")
    words = [str(tmp_path / "in.jsonl"), str(tmp_path / f"out{suffix}"), "--articles"]
    assert main(["predict", *words, "--model", str(model), "--runtime", "torch"]) == 0
    assert main(["verify", *words]) == 0


def test_half_of_a_pair_reads_as_a_question_mark_and_leaves_its_neighbours(classifier: Classifier) -> None:
    texts = ["قال \ud83d ثم", "قال ? ثم", "رفضت الفصائل الهدنة"]
    broken, replaced, neighbour = classifier.probabilities(texts)
    assert np.abs(broken - replaced).max() < 1e-6
    assert np.abs(neighbour - classifier.probabilities(texts[2:])[0]).max() < 1e-5


def test_what_no_model_reads_is_not_tokenised(model: Path) -> None:
    """All tokens of a line of 10 MB took 600 MiB before they were cut off."""
    encoder, text = TextEncoder(model), "رفضت الفصائل الهدنة " * 10
    assert (
        encoder.ids([text + " كلمة" * 30_000])
        == AutoTokenizer.from_pretrained(model)([text + " كلمة" * 30_000], truncation=True)["input_ids"]
    )
    assert encoder.ids([" " * 99_999 + "حلب"]) == encoder.ids(["ح"])
