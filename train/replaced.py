"""Replaced-token detection: a frozen masked language model fills the masked places, and the model that is trained tells
its words from the true ones, at every place.

Clark et al. 2020, ELECTRA, arXiv 2003.10555, in the variant whose generator is trained first.
"""

from __future__ import annotations

import torch
from torch.nn.functional import binary_cross_entropy_with_logits
from transformers import BertForMaskedLM, BertForTokenClassification

from train.masking import masked_logits


class ReplacedTask(torch.nn.Module):
    """A model with one logit a token, and the generator that it is taught by: one module, as MaskedTask is."""

    def __init__(self, model: BertForTokenClassification, generator: BertForMaskedLM, mask: int) -> None:
        """`mask` is the id of [MASK]."""
        super().__init__()
        self.model, self.mask = model, mask
        self.generator = generator.requires_grad_(False)

    def compile(self, *arguments: object, **options: object) -> None:
        """The two models alone: the draw between them stays as it is."""
        self.model.compile(*arguments, **options)
        self.generator.bert.compile(*arguments, **options)

    def forward(self, ids: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Mean binary cross-entropy of the tokens; `targets` (2, batch, k) are the masked positions and true ids."""
        return binary_cross_entropy_with_logits(*self._judged(ids, targets))

    def score(self, ids: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Loss of every token, and whether each masked place was judged rightly."""
        logits, replaced = self._judged(ids, targets)
        right = ((logits > 0) == (replaced > 0)).gather(1, targets[0])
        return binary_cross_entropy_with_logits(logits, replaced, reduction="none"), right

    def _judged(self, ids: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits (batch, block) that a token is not the true one, and whether it is not."""
        positions, truth = targets
        fake = self._filled(ids.scatter(1, positions, self.mask), targets)
        replaced = torch.zeros_like(ids).scatter(1, positions, (fake != truth).long())
        return self.model(ids.scatter(1, positions, fake)).logits[..., 0].float(), replaced.float()

    @torch.no_grad()
    def _filled(self, ids: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Words drawn by the generator, shape (batch, k); the same batch always gets the same ones."""
        logits = masked_logits(self.generator, ids, targets[0])[0].float()
        heights = logits.softmax(dim=-1).cumsum(dim=-1)
        draw = torch.Generator().manual_seed(int((targets[0] * targets[1]).sum()))
        points = torch.rand(len(heights), 1, generator=draw).to(heights.device) * heights[:, -1:]
        return torch.searchsorted(heights, points).clamp(max=logits.shape[-1] - 1).reshape(targets[1].shape)
