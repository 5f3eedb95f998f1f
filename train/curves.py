"""Curves of a training while it runs, for TensorBoard: OUTPUT/tensorboard, where the package tensorboard is installed.

.venv/bin/pip install -c constraints.txt -e '.[tensorboard]' && tensorboard --logdir runs
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


def curves(output: Path, done: int = 0) -> SummaryWriter | None:
    """A writer for the run in `output`, which has made `done` steps: what an earlier call wrote of later ones goes.
    None where tensorboard is not installed."""
    if not find_spec("tensorboard"):
        return None
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(output / "tensorboard", purge_step=done + 1)


def draw(writer: SummaryWriter | None, step: int, row: Mapping[str, float]) -> None:
    """A point of each curve."""
    if writer:
        for name, value in row.items():
            writer.add_scalar(name, value, step)
        writer.flush()
