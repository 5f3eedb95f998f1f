"""Plain text -> token ids on disk, once: uint16 arrays that every run and every process reads the same way."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from zlib import crc32

import numpy as np
import torch
from transformers import PreTrainedTokenizerFast

from train.config import PretrainConfig
from train.plain_text import read_texts
from wijha.batching import windows
from wijha.errors import InputError
from wijha.files import read_json, write_json

VALIDATION_EVERY = 200  # one document of 200 is held out, wherever it stands and however it is spaced
_DOCUMENTS_A_CALL = 2_000


def write_shards(corpora: Sequence[Path], tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write train.u16 and validation.u16 (documents joined by [SEP]) and a manifest that names their sizes."""
    folder.mkdir(parents=True, exist_ok=True)
    counts = {"train": 0, "validation": 0}
    digest = hashlib.sha256()
    with open(folder / "train.u16", "wb") as train, open(folder / "validation.u16", "wb") as validation:
        for text, ids in _encoded(corpora, tokenizer):
            held_out = crc32(" ".join(text.split()).encode()) % VALIDATION_EVERY == 0
            (validation if held_out else train).write(ids.tobytes())
            counts["validation" if held_out else "train"] += len(ids)
            digest.update(ids.tobytes())
    manifest = {"tokens": counts, "sha256": digest.hexdigest(), "vocabulary": len(tokenizer)}
    write_json(folder / "manifest.json", manifest)


def _encoded(corpora: Sequence[Path], tokenizer: PreTrainedTokenizerFast) -> Iterator[tuple[str, np.ndarray]]:
    if len(tokenizer) > 2**16:
        raise InputError(f"expected a vocabulary of at most 65,536 pieces, got {len(tokenizer)}; choose a smaller one")
    for texts in windows(read_texts(*corpora), _DOCUMENTS_A_CALL):
        encoded = tokenizer(texts, add_special_tokens=False, truncation=False, verbose=False)["input_ids"]
        for text, ids in zip(texts, encoded, strict=True):
            yield text, np.array([*ids, tokenizer.sep_token_id], dtype=np.uint16)


def load_blocks(folder: Path, split: str, length: int) -> np.ndarray:
    """Blocks of `length` token ids, shape (blocks, length), memory-mapped.

    Raises InputError when a shard is missing or shorter than its manifest says, and for a corpus too small for a block.
    """
    try:
        expected = read_json(folder / "manifest.json")["tokens"][split]
        path = folder / f"{split}.u16"
        ids = np.memmap(path, dtype=np.uint16, mode="r") if expected else np.empty(0, np.uint16)  # no map of nothing
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"expected token shards with a manifest in {folder}, found none; delete it and rerun"
        ) from error
    if len(ids) != expected:
        raise InputError(f"expected {expected} tokens in {path}, found {len(ids)}; delete it and rerun")
    if len(ids) < length:
        raise InputError(
            f"expected at least {length} tokens of {split} text, got {len(ids)}; give a larger corpus, delete {folder} "
            "and rerun"
        )
    return ids[: len(ids) // length * length].reshape(-1, length)


def block_batch(blocks: np.ndarray, step: int, config: PretrainConfig) -> torch.Tensor:
    """The sequences of one step, shape (batch, block - 1): a new order each time round, known from the step alone."""
    first = step * config.batch
    picks = []
    for row in range(first, first + config.batch):
        turn, place = divmod(row, len(blocks))
        picks.append(_order(len(blocks), config.seed + turn)[place])
    return torch.from_numpy(blocks[np.array(picks)].astype(np.int64))


@lru_cache(maxsize=2)
def _order(length: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).permutation(length)
