"""The task of pre-training: which words are masked, the loss on them, and how well they are guessed."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn.functional import cross_entropy
from transformers import BertForMaskedLM, PreTrainedTokenizerFast

from train.config import PretrainConfig


class WordMasker:
    """Chooses whole words to mask; the same step always gets the same masks."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, config: PretrainConfig) -> None:
        self.config = config
        self.cls, self.sep, self.mask = tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.mask_token_id
        pieces = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
        if any(piece.startswith("##") for piece in pieces):
            continues = [piece.startswith("##") for piece in pieces]
        else:  # SentencePiece marks where a word begins
            continues = [not piece.startswith(("\u2581", "[")) for piece in pieces]
        self.continues = torch.tensor(continues)

    def __call__(self, blocks: torch.Tensor, progress: float, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """(batch, block-1) ids -> inputs (batch, block), targets (2, batch, k): positions and true ids there."""
        generator = torch.Generator().manual_seed(self.config.seed * 1_000_003 + step)
        ids = torch.cat([torch.full((len(blocks), 1), self.cls), blocks], dim=1)
        first, last = self.config.masking
        count = max(1, round((first + (last - first) * progress) * ids.shape[1]))
        words = (~self.continues[ids]).cumsum(dim=1) - 1  # index of the word that a piece belongs to
        scores = torch.rand(ids.shape, generator=generator).gather(1, words)
        scores[(ids == self.cls) | (ids == self.sep)] = 2.0
        positions = scores.argsort(dim=1, stable=True)[:, :count]
        truth = ids.gather(1, positions)
        lot = torch.rand(positions.shape, generator=generator)
        random = torch.randint(5, len(self.continues), positions.shape, generator=generator)
        shown = torch.where(lot < 0.8, self.mask, torch.where(lot < 0.9, random, truth))
        return ids.scatter(1, positions, shown), torch.stack([positions, truth])


class MaskedTask(torch.nn.Module):
    """A model with its loss: one module, so that several processes exchange its gradients."""

    def __init__(self, model: BertForMaskedLM) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Mean cross-entropy of the masked pieces; `targets` (2, batch, k) are their positions and true ids."""
        positions, truth = targets
        return cross_entropy(masked_logits(self.model, ids, positions).float(), truth.reshape(-1))


def masked_logits(model: BertForMaskedLM, ids: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """Vocabulary logits at `positions` (batch, k), shape (batch * k, vocabulary).

    The vocabulary head runs on these alone.
    """
    hidden = model.bert(ids).last_hidden_state
    chosen = hidden.gather(1, positions.unsqueeze(-1).expand(-1, -1, hidden.shape[-1]))
    return model.cls(chosen.reshape(-1, hidden.shape[-1]))


@torch.no_grad()
def validate(
    model: BertForMaskedLM, blocks: np.ndarray, masker: WordMasker, config: PretrainConfig
) -> tuple[float, float]:
    """Loss and accuracy on the same masked held-out blocks each time, at the last masking rate."""
    total = right = count = 0.0
    for start in range(0, min(len(blocks), 4 * config.batch), config.batch):
        chunk = torch.from_numpy(blocks[start : start + config.batch].astype(np.int64))
        ids, (positions, truth) = masker(chunk, 1.0, -1 - start)
        with torch.autocast(model.device.type, torch.bfloat16):
            logits = masked_logits(model, ids.to(model.device), positions.to(model.device)).float()
        truth = truth.reshape(-1).to(model.device)
        total += cross_entropy(logits, truth, reduction="sum").item()
        right += (logits.argmax(-1) == truth).sum().item()
        count += len(truth)
    return total / count, right / count
