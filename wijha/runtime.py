"""What turns token ids into logits: one small interface, one class for each way of computing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from transformers import AutoModelForSequenceClassification
from transformers.utils import logging


class Runtime(Protocol):
    """Computes logits for a padded batch."""

    name: str

    def logits(self, rows: Sequence[Sequence[int]], pad: int) -> np.ndarray:
        """Token ids of each row -> logits (rows, outputs), float32."""


class TorchRuntime:
    """PyTorch on the GPU where there is one, else on the CPU."""

    def __init__(self, folder: Path, device: str | None = None) -> None:
        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self.name = f"torch {self.device}"
        with no_progress_bar():
            self._model = AutoModelForSequenceClassification.from_pretrained(folder, local_files_only=True)
        self._model.to(self.device, torch.float32).eval()

    @torch.inference_mode()
    def logits(self, rows: Sequence[Sequence[int]], pad: int) -> np.ndarray:
        """See Runtime."""
        width = max(map(len, rows))
        ids = torch.full((len(rows), width), pad, dtype=torch.long)
        for number, row in enumerate(rows):
            ids[number, : len(row)] = torch.tensor(row)
        lengths = torch.tensor([len(row) for row in rows])
        mask = (torch.arange(width) < lengths[:, None]).long()
        output = self._model(input_ids=ids.to(self.device), attention_mask=mask.to(self.device))
        return np.asarray(output.logits.float().cpu())


@contextmanager
def no_progress_bar() -> Iterator[None]:
    """Loading a small model takes no bar of its own."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
