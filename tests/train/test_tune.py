"""Tuning: draws settings, goes on after a kill, refuses another config, leaves a config to train by."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import optuna
import pytest

import train.tune as recipe
from train.config import FinetuneConfig, load_config
from train.tune import tune
from wijha import InputError


@pytest.fixture
def config(settings: dict[str, object], tmp_path: Path) -> FinetuneConfig:
    return FinetuneConfig(**(settings | {"epochs": 1}), output=tmp_path / "unused")  # type: ignore[arg-type]


def test_a_study_goes_on_where_it_was_killed(
    config: FinetuneConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, run_trial = tmp_path / "study", recipe.run_trial
    seen: list[FinetuneConfig] = []

    def killed_at_the_second(drawn: FinetuneConfig, trial: Path) -> float:
        seen.append(drawn)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return run_trial(drawn, trial)

    monkeypatch.setattr(recipe, "run_trial", killed_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        tune(config, 3, folder)
    best = tune(config, 3, folder)
    assert len(seen) == 4 and len({one.learning_rate for one in seen}) == 4
    assert not (folder / "trial").exists()
    study = optuna.load_study(study_name="study", storage=f"sqlite:///{folder / 'study.db'}")
    won = load_config(FinetuneConfig, best)
    assert won.learning_rate == study.best_params["learning_rate"] and won.data == config.data
    assert f"{study.best_value:.4f}" in capsys.readouterr().out
    assert tune(config, 3, folder) == best and len(seen) == 4


def test_a_study_of_another_config_is_refused(config: FinetuneConfig, tmp_path: Path) -> None:
    tune(config, 1, tmp_path / "study")
    with pytest.raises(InputError, match="expected the config and data that the study"):
        tune(dataclasses.replace(config, epochs=2), 2, tmp_path / "study")
