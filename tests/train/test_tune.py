"""Tuning: draws settings, goes on after a kill, refuses another config, leaves a config to train by."""

from __future__ import annotations

import dataclasses
import json
import shutil
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
    config: FinetuneConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
    study = tune(config, 3, folder)
    assert len(seen) == 4 and len({one.learning_rate for one in seen}) == 4
    assert seen[0] == config  # first of all the settings that the config has
    assert not (folder / "trial").exists()
    assert tune(config, 3, folder).best_value == study.best_value and len(seen) == 4


def test_a_study_leaves_its_trials_and_a_config_to_train_by(
    config: FinetuneConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(recipe, "OUTPUT", tmp_path / "tune")
    monkeypatch.setattr(recipe, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(recipe, "run_trial", lambda drawn, folder: drawn.learning_rate)
    recipe.report(dataclasses.replace(config, share=0.5), 3)
    kept = json.loads((tmp_path / "results" / "unused.json").read_text(encoding="utf-8"))["trials"]
    best = max(kept, key=lambda trial: trial["score"])
    won = load_config(FinetuneConfig, tmp_path / "tune" / "unused" / "best.yaml")
    assert won.learning_rate == best["settings"]["learning_rate"] and won.data == config.data and won.share == 1.0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    assert len(rows) == 4 and f"{best['score']:.3f}" in rows[1]


def test_learning_rates_are_drawn_around_the_config_s_own(config: FinetuneConfig) -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for rate in (1e-5, 1e-2):
        own = dataclasses.replace(config, learning_rate=rate)
        rates = [recipe.drawn(own, study.ask()).learning_rate / rate for _ in range(40)]
        assert 1 / 3 <= min(rates) < 0.5 and 2 < max(rates) <= 3


def test_what_cannot_be_tuned_is_refused(config: FinetuneConfig, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected a metric among topic_micro_f1, .* to tune by, got loss; change it"):
        tune(dataclasses.replace(config, metric="loss"), 1, tmp_path / "study")
    message = r"expected a config without distilled and targets, found d\.jsonl; tune on the labels"
    with pytest.raises(InputError, match=message):
        tune(dataclasses.replace(config, distilled=Path("d.jsonl")), 1, tmp_path / "study")


def test_a_study_of_another_config_is_refused(config: FinetuneConfig, tmp_path: Path) -> None:
    tune(config, 1, tmp_path / "study")
    with pytest.raises(InputError, match="expected the config, data, schema and encoder that the study"):
        tune(dataclasses.replace(config, epochs=2), 2, tmp_path / "study")
    schema = tmp_path / "schema.yaml"
    own = dataclasses.replace(config, schema=Path(shutil.copy(config.schema, schema)))
    tune(own, 1, tmp_path / "own")
    schema.write_text(schema.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    with pytest.raises(InputError, match="expected the config, data, schema and encoder that the study"):
        tune(own, 2, tmp_path / "own")
