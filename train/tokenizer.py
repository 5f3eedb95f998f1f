"""The encoder's tokenizer: Arabic normalisation and WordPiece, both inside tokenizer.json."""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from wijha.errors import InputError

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]

# Honorific signs and harakat, superscript alef, tatweel, soft hyphen, zero-width and bidi controls, BOM.
_REMOVED = (
    "[\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed"
    "\u0640\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]"
)
_DOUBLE_QUOTES = "[\u00ab\u00bb\u201c-\u201f\u2039\u203a\u300c\u300d]"
_SINGLE_QUOTES = "[\u2018-\u201b\u2032\u0060\u00b4]"


def _digits() -> list[normalizers.Normalizer]:
    pairs = [(chr(base + i), str(i)) for base in (0x0660, 0x06F0) for i in range(10)]
    return [normalizers.Replace(*pair) for pair in pairs]


STEPS: dict[str, list[normalizers.Normalizer]] = {
    "nfkc": [normalizers.NFKC()],
    "remove_marks": [normalizers.Replace(Regex(_REMOVED), "")],
    "fold_alef": [normalizers.Replace(Regex("[\u0623\u0625\u0622\u0671]"), "\u0627")],  # hamza, madda, wasla
    "fold_yeh": [normalizers.Replace(Regex("[\u0649\u06cc]"), "\u064a")],  # alef maksura, Farsi yeh
    "fold_persian": [normalizers.Replace("\u06a9", "\u0643"), normalizers.Replace("\u06cc", "\u064a")],  # keheh, yeh
    "fold_digits": _digits(),
    "fold_quotes": [normalizers.Replace(Regex(_DOUBLE_QUOTES), '"'), normalizers.Replace(Regex(_SINGLE_QUOTES), "'")],
    "lowercase": [normalizers.Lowercase()],
}
OURS = ("nfkc", "remove_marks", "fold_alef", "fold_yeh", "fold_persian", "fold_digits", "fold_quotes", "lowercase")


def normalization_steps(names: Iterable[str]) -> list[normalizers.Normalizer]:
    """The normalizers behind the names of STEPS, in the order given. Raises InputError for an unknown name."""
    if unknown := [name for name in names if name not in STEPS]:
        raise InputError(
            f"expected normalisation steps among {', '.join(STEPS)}, got {', '.join(unknown)}; mend the config"
        )
    return [step for name in names for step in STEPS[name]]


def train_tokenizer(texts: Iterable[str], vocabulary: int, max_length: int) -> PreTrainedTokenizerFast:
    """A WordPiece tokenizer of `vocabulary` pieces, learnt on `texts` after normalisation."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=40))
    tokenizer.normalizer = normalizers.Sequence(normalization_steps(OURS))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocabulary, min_frequency=2, special_tokens=SPECIAL, limit_alphabet=200, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")],
    )
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL, strict=True))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=max_length, **names)
