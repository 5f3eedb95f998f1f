"""What fine-tuning prints: a line an epoch, and which epoch is kept."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from train.config import FinetuneConfig
from train.finetune import finetune


def test_a_line_an_epoch_with_its_scores_and_the_epoch_that_is_kept(
    settings: dict[str, object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    finetune(FinetuneConfig(**settings | {"epochs": 3}, output=tmp_path))  # type: ignore[arg-type]
    said = capsys.readouterr().out
    last = max(tmp_path.glob("checkpoints/*/trainer_state.json"), key=lambda path: path.stat().st_mtime)
    state = json.loads(last.read_text(encoding="utf-8"))
    scores = [log for log in state["log_history"] if "eval_favg3" in log]
    losses = [log["loss"] for log in state["log_history"] if "loss" in log]
    lines = re.findall(
        r"^epoch (\d) of 3: loss ([\d.]+), on the development split ([\d.]+);.* Favg3 ([\d.]+)", said, re.M
    )
    assert lines == [
        (str(n), f"{loss:.3f}", f"{log['eval_loss']:.3f}", f"{log['eval_favg3']:.3f}")
        for n, (loss, log) in enumerate(zip(losses, scores, strict=True), 1)
    ]
    best = max(scores, key=lambda log: log["eval_favg3"])["epoch"]
    assert f"; epoch {best:.0f} is kept, the best by Favg3\n" in said and "{'" not in said
