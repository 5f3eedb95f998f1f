"""Hyper-parameters by Optuna: short runs of a config whose settings are drawn, chosen by the development split.

    python -m train.tune configs/default.yaml --trials 20        # again after a kill: it goes on to 20 trials
    make tune CONFIG=configs/default.yaml

Each trial is a whole fine-tuning run in runs/tune/NAME/trial; the study, an SQLite file beside it, keeps every trial's
settings and score. Prints the trials, best first, and writes the best settings as runs/tune/NAME/best.yaml, a config to
train by. Settings are drawn by a tree-structured Parzen estimator (Bergstra et al. 2011).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
from pathlib import Path

import optuna
import yaml

from train.command import one_sentence_errors
from train.config import FinetuneConfig, as_dict, load_config
from train.data import file_sha256
from train.finetune import finetune
from wijha.errors import InputError
from wijha.files import write_text

OUTPUT = Path("runs/tune")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument(
        "--trials", type=int, default=20, help="finished trials to reach in all, earlier calls included"
    )
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with one_sentence_errors():
        tune(load_config(FinetuneConfig, arguments.config), arguments.trials, OUTPUT / arguments.config.stem)


def tune(config: FinetuneConfig, trials: int, folder: Path) -> Path:
    """Go on with the study in `folder` until it has `trials` finished trials; returns the best settings' YAML.

    Raises InputError when the study was begun with other settings or data, and what fine-tuning raises.
    """
    folder.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        storage=f"sqlite:///{folder / 'study.db'}", study_name=folder.name, direction="maximize", load_if_exists=True
    )
    # Begun again, a sampler of the same seed would draw the same settings again.
    study.sampler = optuna.samplers.TPESampler(seed=config.seed + len(study.trials), multivariate=True)
    files = config.files()
    begun_with = {"config": as_dict(config), "data": {str(path): file_sha256(path) for path in files}}
    if study.user_attrs.get("begun_with", begun_with) != begun_with:
        raise InputError(
            f"expected the config and data that the study in {folder} began with, found others; go back or remove it"
        )
    study.set_user_attr("begun_with", begun_with)
    while (done := len(finished(study))) < trials:
        trial = study.ask()
        study.tell(trial, run_trial(drawn(config, trial), folder / "trial"))
        print(f"{done + 1}/{trials}  {trial_line(study.trials[-1])}", flush=True)
    best = folder / "best.yaml"
    settings = as_dict(dataclasses.replace(config, **study.best_params, output=Path("runs") / f"{folder.name}-tuned"))
    write_text(best, yaml.safe_dump(settings, sort_keys=False, allow_unicode=True))
    print("\n".join(map(trial_line, sorted(finished(study), key=lambda trial: -trial.value))))
    print(f"\nbest: {best}\nnext: make train CONFIG={best}")
    return best


def drawn(config: FinetuneConfig, trial: optuna.Trial) -> FinetuneConfig:
    """The config with the settings that matter most drawn anew."""
    return dataclasses.replace(
        config,
        learning_rate=trial.suggest_float("learning_rate", 2e-4, 1.5e-3, log=True),
        layer_decay=trial.suggest_float("layer_decay", 0.6, 0.95),
        class_weight_power=trial.suggest_float("class_weight_power", 0.0, 0.6),
        word_dropout=trial.suggest_float("word_dropout", 0.0, 0.2),
        label_smoothing=trial.suggest_float("label_smoothing", 0.0, 0.1),
        dropout=trial.suggest_float("dropout", 0.05, 0.25),
    )


def run_trial(config: FinetuneConfig, folder: Path) -> float:
    """The development score of a run in `folder`, which then goes."""
    shutil.rmtree(folder, ignore_errors=True)
    model = finetune(dataclasses.replace(config, output=folder))
    development = json.loads((model / "metrics.json").read_text(encoding="utf-8"))["development"]
    shutil.rmtree(folder)
    return float(development["systems"]["model"]["scores"][config.metric])


def finished(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """The trials that have a score: one that a kill cut short has none."""
    return study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))


def trial_line(trial: optuna.trial.FrozenTrial) -> str:
    """Score and settings of a trial."""
    settings = "  ".join(f"{name} {value:.4g}" for name, value in trial.params.items())
    return f"{trial.value:.4f}  {settings}"


if __name__ == "__main__":
    main()
