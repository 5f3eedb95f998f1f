"""The encoder's tokenizer: Arabic normalisation and WordPiece, both inside tokenizer.json.

    python -m train.tokenizer ENCODER     # after a change of OURS: gives an encoder that is there the new steps

Its pieces are then spelt as the steps spell them and keep their numbers, so that no weight changes. Of pieces that
become one the commonest in data/written.jsonl stays; the others are left unused.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from train.command import command_line, one_sentence_errors
from train.data import WRITTEN
from wijha.errors import InputError
from wijha.files import write_text
from wijha.manifest import write_manifest
from wijha.records import read_rows

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]

# Honorific signs and harakat, superscript alef, tatweel, soft hyphen, zero-width and bidi controls, BOM.
_REMOVED = (
    "[\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed"
    "\u0640\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]"
)
_DOUBLE_QUOTES = "[\u00ab\u00bb\u201c-\u201f\u2039\u203a\u300c\u300d]"
_SINGLE_QUOTES = "[\u2018-\u201b\u2032\u0060\u00b4]"


def _each(old: str, new: str) -> list[normalizers.Normalizer]:
    """Each character of `old` becomes `new`, a step each: three plain steps take less time than one with a Regex."""
    return [normalizers.Replace(character, new) for character in old]


STEPS: dict[str, list[normalizers.Normalizer]] = {
    "nfkc": [normalizers.NFKC()],
    "remove_marks": [normalizers.Replace(Regex(_REMOVED), "")],
    "fold_alef": _each("\u0623\u0625\u0622\u0671", "\u0627"),  # hamza above and below, madda, wasla
    "fold_yeh": _each("\u0649\u06cc", "\u064a"),  # alef maksura, Farsi yeh
    "fold_persian": [  # letters of Persian, Urdu and Sindhi keyboards: kaf, yeh, heh
        *_each("\u06a9\u06aa", "\u0643"),
        *_each("\u06cc\u06d2", "\u064a"),
        *_each("\u06be\u06c1\u06d5", "\u0647"),
    ],
    "fold_hamza": [*_each("\u0624", "\u0648"), *_each("\u0626", "\u064a")],  # its seat stays
    "fold_teh_marbuta": _each("\u0629", "\u0647"),
    "fold_punctuation": [*_each("\u060c", ","), *_each("\u061b", ";"), *_each("\u061f", "?")],
    "fold_digits": [step for i in range(10) for step in _each(chr(0x660 + i) + chr(0x6F0 + i), str(i))],
    "fold_quotes": [normalizers.Replace(Regex(_DOUBLE_QUOTES), '"'), normalizers.Replace(Regex(_SINGLE_QUOTES), "'")],
    "lowercase": [normalizers.Lowercase()],
}
OURS = tuple(STEPS)


def main() -> None:
    """Command line."""
    parser = command_line(__doc__)
    parser.add_argument("encoder", type=Path)
    folder = parser.parse_args().encoder
    with one_sentence_errors():
        path = folder / "tokenizer.json"
        tokenizer, unused = respelt(_tokenizer(path), (str(row["text"]) for _, row in read_rows(WRITTEN)))
        write_text(path, tokenizer.to_str(pretty=True))
        write_manifest(folder)
    print(f"{path}: {', '.join(OURS)}; {unused} pieces are spelt like a commoner one and no longer used")


def normalization_steps(names: Iterable[str]) -> list[normalizers.Normalizer]:
    """The normalizers behind the names of STEPS, in the order given. Raises InputError for an unknown name."""
    if unknown := [name for name in names if name not in STEPS]:
        raise InputError(
            f"expected normalisation steps among {', '.join(STEPS)}, got {', '.join(unknown)}; mend the config"
        )
    return [step for name in names for step in STEPS[name]]


def train_tokenizer(texts: Iterable[str], vocabulary: int, max_length: int) -> PreTrainedTokenizerFast:
    """A WordPiece tokenizer of `vocabulary` pieces, learnt on `texts` after normalisation.

    Between pieces of equal counts the trainer chooses otherwise each time: two of the same texts need not be the same.
    """
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=40))
    tokenizer.normalizer = normalizers.Sequence(normalization_steps(OURS))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocabulary, min_frequency=2, special_tokens=SPECIAL, limit_alphabet=200, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return finished(tokenizer, max_length)


def finished(tokenizer: Tokenizer, max_length: int) -> PreTrainedTokenizerFast:
    """`tokenizer` with [CLS] and [SEP] around what it is given, as transformers wants it."""
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")],
    )
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL, strict=True))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=max_length, **names)


def save_tokenizer(tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Save it under the name by which transformers 4 knows its class too: 5 writes another, its own, for the same."""
    tokenizer.save_pretrained(folder)
    path = folder / "tokenizer_config.json"
    text = path.read_text(encoding="utf-8")
    write_text(path, text.replace('"TokenizersBackend"', '"PreTrainedTokenizerFast"'))


def respelt(tokenizer: Tokenizer, texts: Iterable[str]) -> tuple[Tokenizer, int]:
    """The tokenizer with the steps of OURS, every piece with its number, and how many pieces are left unused."""
    seen = Counter(number for text in texts for number in tokenizer.encode(text).ids)
    normalizer = normalizers.Sequence(normalization_steps(OURS))
    alike: defaultdict[str, list[int]] = defaultdict(list)
    for piece, number in sorted(tokenizer.get_vocab().items(), key=lambda item: (-seen[item[1]], item[1])):
        alike[piece if piece in SPECIAL else normalizer.normalize_str(piece)].append(number)
    vocabulary = {piece: numbers[0] for piece, numbers in alike.items()}
    unused = [number for numbers in alike.values() for number in numbers[1:]]
    vocabulary |= {f"[unused{number}]": number for number in unused}
    changed: dict[str, Any] = json.loads(tokenizer.to_str())
    changed["model"]["vocab"] = dict(sorted(vocabulary.items(), key=lambda item: item[1]))
    result = Tokenizer.from_str(json.dumps(changed))
    result.normalizer = normalizer
    return result, len(unused)


def _tokenizer(path: Path) -> Tokenizer:
    try:
        return Tokenizer.from_str(path.read_text(encoding="utf-8"))
    except Exception as error:  # the library raises no narrower class
        raise InputError(f"expected a tokenizer at {path}, got: {error}; name the folder of an encoder") from error


if __name__ == "__main__":
    main()
