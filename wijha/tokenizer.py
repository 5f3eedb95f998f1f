"""Texts to token ids from tokenizer.json alone: the stock ids, without waiting for the stock class to be imported."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tokenizers import Encoding, Tokenizer

from wijha.files import read_json

_NO_LIMIT = 512
_CHARACTERS = 100_000  # hundreds a token of the longest model; all tokens of a line of 10 MB took 600 MiB and 5 s


class CutIds(list[int]):
    """Token ids of a text that is longer than the model reads."""


class TextEncoder:
    """The tokenizer of a model folder: normalisation, pieces, special tokens and truncation."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError or ValueError when a file of `folder` is missing or broken."""
        config = read_json(folder / "config.json")
        settings = read_json(folder / "tokenizer_config.json")
        content = (folder / "tokenizer.json").read_text(encoding="utf-8")
        try:
            self._tokenizer = Tokenizer.from_str(content)
        except Exception as error:  # the library raises no narrower class
            raise ValueError(f"tokenizer.json: {error}") from error
        self.pad: int = config.get("pad_token_id") or 0
        longest = min(settings.get("model_max_length", _NO_LIMIT), config.get("max_position_embeddings", _NO_LIMIT))
        self.longest = int(longest)
        """How many tokens the model reads."""
        self._tokenizer.enable_truncation(self.longest)
        self._tokenizer.no_padding()

    def ids(self, texts: Sequence[str], behind: Sequence[int] = ()) -> list[list[int]]:
        """Token ids of each text, special tokens included, and those that are to stand `behind` it; the text is cut at
        the model's length: then they are CutIds.

        Half of a surrogate pair reads as a question mark. Of a longer text the first 100,000 characters are read.
        """
        found = self._encoded([text[:_CHARACTERS] for text in texts])
        cut = (len(text) > _CHARACTERS or each.overflowing for text, each in zip(texts, found, strict=True))
        made = (CutIds(each.ids) if more else each.ids for each, more in zip(found, cut, strict=True))
        return [_joined(ids, behind, self.longest) for ids in made] if behind else list(made)

    def known(self, ids: Sequence[int]) -> str:
        """What token ids spell, but for special ones, that of unknown signs among them."""
        return self._tokenizer.decode(ids, skip_special_tokens=True).strip()

    def _encoded(self, texts: list[str]) -> list[Encoding]:
        try:
            return self._tokenizer.encode_batch_fast(texts)
        except TypeError:  # half of a surrogate pair, which no UTF-8 file can hold but a JSON escape can
            whole = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
            return self._tokenizer.encode_batch_fast(whole)


def _joined(ids: list[int], behind: Sequence[int], longest: int) -> list[int]:
    """Both, the first cut before its last id, [SEP], where they would be longer."""
    room = longest - len(behind)
    if len(ids) <= room:
        return type(ids)([*ids, *behind])
    return CutIds([*ids[: room - 1], ids[-1], *behind])
