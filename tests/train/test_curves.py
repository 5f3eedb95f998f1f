"""Curves for TensorBoard: every step once, however often a run was killed; nothing without the package."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from train.curves import curves, draw

accumulator = pytest.importorskip(
    "tensorboard.backend.event_processing.event_accumulator", reason="pip install '.[tensorboard]'"
)


def points(output: Path, name: str) -> dict[int, float]:
    """Step -> value of a curve, as TensorBoard reads it."""
    events = accumulator.EventAccumulator(str(output / "tensorboard"))
    events.Reload()
    read = [(event.step, event.value) for event in events.Scalars(name)]
    assert len(dict(read)) == len(read)
    return dict(read)


def test_steps_that_a_kill_took_back_are_drawn_once(tmp_path: Path) -> None:
    before = curves(tmp_path)
    for step, loss in ((4, 9.0), (8, 8.0), (12, 7.0)):
        draw(before, step, {"loss": loss})
    time.sleep(1.1)  # the files' names, by which TensorBoard orders them, have whole seconds
    draw(curves(tmp_path, 8), 12, {"loss": 6.0})  # the checkpoint after step 8 was the last whole one
    assert points(tmp_path, "loss") == {4: 9.0, 8: 8.0, 12: 6.0}


def test_a_run_has_its_development_scores_and_its_loss(model: Path) -> None:
    scores, loss = points(model.parent, "eval/favg3"), points(model.parent, "train/loss")
    assert len(scores) == len(loss) == 2 and scores.keys() == loss.keys()
    assert all(0 <= score <= 1 for score in scores.values()) and all(value > 0 for value in loss.values())


def test_without_the_package_nothing_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.curves.find_spec", lambda name: None)
    writer = curves(tmp_path)
    draw(writer, 1, {"loss": 1.0})
    assert writer is None and not (tmp_path / "tensorboard").exists()
