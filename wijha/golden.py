"""Sentences saved with a model, each with its token ids and logits: what it said when it was made.

A manifest proves that the files are the same; these prove that the libraries and the processor still make the same of
them. A tokenizer library that cuts words in another way is noticed here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from wijha.errors import InputError
from wijha.files import read_json, write_json
from wijha.manifest import GOLDEN, MANIFEST, check_manifest, write_manifest
from wijha.reader import Reader
from wijha.safety import WEIGHTS, check_weights

SENTENCES = (
    "فاز الفريق بكأس المدينة.",
    "أكّدَ الوزيرُ أنّ الحلَّ السياسيَّ هو السبيلُ الوحيدُ في سوريا.",  # diacritics
    "رفضـــت الفصائل الهدنـة في الريف، وواصلت القصف!",  # tatweel
    "صدر القرار ٢٢٥٤ في 18/12/2015، وأيّده ۷۳٫۵٪ من الحضور.",  # three kinds of digits
    "قال متحدث باسم UN وRussia Today: «لا بديل عن Geneva»؟",  # Latin letters
    # ARABIC LETTER ... INITIAL, MEDIAL and FINAL FORM, as old PDF files have them: madinat al-quds
    "\ufee3\ufeaa\ufef3\ufee8\ufe94 \ufe8d\ufedf\ufed8\ufeaa\ufeb1",
    # RIGHT-TO-LEFT MARK, ZERO WIDTH NON-JOINER, ARABIC LETTER KEHEH, ARABIC LETTER FARSI YEH
    "\u200fوقّعت الدولتان اتفاقا\u200c لم\u06a9افحة الإرهاب ف\u06cc عمّان…",
    "دعا إلى خفض التصعيد " * 40,  # longer than a model reads
    "",
)
"""Invented; each shows something that a tokenizer can get wrong."""


def seal(folder: Path) -> None:
    """Write golden.json, unless it is there, and manifest.json: the last thing done by what writes into a model folder.

    The logits are those of torch on the CPU in fp32.
    """
    if not (folder / GOLDEN).exists():
        reader = Reader.load(folder, "cpu", "torch")
        ids = reader.token_ids(SENTENCES)
        rows = zip(SENTENCES, ids, reader.logits(ids).astype(float).round(5).tolist(), strict=True)
        sentences = [{"text": text, "ids": ids, "logits": row} for text, ids, row in rows]
        write_json(folder / GOLDEN, {"tokenizers": version("tokenizers"), "sentences": sentences})
    write_manifest(folder)


def unseal(folder: Path) -> None:
    """Remove what `seal` writes, before a folder gets other weights."""
    for name in (MANIFEST, GOLDEN):
        (folder / name).unlink(missing_ok=True)


def check_model(reader: Reader) -> Iterator[str]:
    """A line for each thing of an opened model that is as it was saved: weights, files, token ids, logits.

    Raises InputError for the first that is not, and where nothing is there to compare with.
    """
    folder = reader.folder
    if (folder / WEIGHTS).exists():  # openvino needs none
        check_weights(folder)
        yield "weights  all finite: ok"
    files = check_manifest(folder)
    if files is None:
        raise InputError(
            f"expected {MANIFEST} in {folder} to check it by, found none; it loads, but nothing tells whether it is "
            "what was trained: train.finetune, train.export and train.release write one"
        )
    size = sum(each.bytes for each in files.values())
    yield f"files    {len(files)} files, {size / 1e6:.1f} MB, as {MANIFEST} lists them: ok"
    golden = _read(folder / GOLDEN)
    yield _check_ids(reader, golden)
    yield _check_logits(reader, golden)


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(read_json(path))
    except OSError as error:
        raise InputError(f"expected {path} to check the model by, found none; train it again") from error


def _check_ids(reader: Reader, golden: dict[str, Any]) -> str:
    texts = [sentence["text"] for sentence in golden["sentences"]]
    for sentence, ids in zip(golden["sentences"], reader.token_ids(texts), strict=True):
        if ids != sentence["ids"]:
            raise InputError(
                f"expected the token ids of {GOLDEN} for {sentence['text'][:60]!r}, got others from tokenizers "
                f"{version('tokenizers')}; install tokenizers=={golden['tokenizers']}, or train the model again"
            )
    return f"tokens   {len(texts)} sentences, the ids of {GOLDEN}: ok"


def _check_logits(reader: Reader, golden: dict[str, Any]) -> str:
    texts = [sentence["text"] for sentence in golden["sentences"]]
    expected = np.array([sentence["logits"] for sentence in golden["sentences"]])
    difference = float(np.abs(reader.logits(reader.token_ids(texts)) - expected).max())
    runtime = reader.runtime
    if not difference <= runtime.tolerance:  # NaN is no more within it than a large number
        raise InputError(
            f"expected the logits of {GOLDEN} within {runtime.tolerance:g} from {runtime.name}, got a difference of "
            f"{difference:.5f}; export the model again or use --runtime torch"
        )
    return (
        f"logits   {len(texts)} sentences, at most {difference:.5f} from {GOLDEN} "
        f"({runtime.name}: up to {runtime.tolerance:g}): ok"
    )
