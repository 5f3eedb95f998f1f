"""Hyper-parameters by Optuna: short runs of a config whose settings are drawn, chosen by the development split.

    python -m train.tune configs/default.yaml --trials 20        # again after a kill: it goes on to 20 trials
    python -m train.tune configs/default.yaml --share 0.1        # trials on a tenth of the stories
    make tune CONFIG=configs/default.yaml

Each trial is a whole fine-tuning run in runs/tune/NAME/trial, NAME that of the config's output; the first has the
config's own settings, the others draw theirs by a tree-structured Parzen estimator (Bergstra et al. 2011). The study,
an SQLite file beside it, keeps every trial's settings and score. Prints the trials, best first, and writes them into
configs/results/tune/NAME.json (`python -m train.documents` puts them into configs/README.md), the best settings into
runs/tune/NAME/best.yaml, a config to train by, on all stories.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
import yaml

from train.command import run
from train.config import FinetuneConfig, as_dict
from train.finetune import finetune, inputs
from train.tables import SCORES, markdown
from wijha.arguments import positive
from wijha.errors import InputError
from wijha.files import read_json, write_json, write_text

OUTPUT, RESULTS = Path("runs/tune"), Path("configs/results/tune")
RANGES = {
    "learning_rate": (1 / 3, 3.0),
    "layer_decay": (0.6, 1.0),
    "class_weight_power": (0.0, 0.6),
    "word_dropout": (0.0, 0.2),
    "label_smoothing": (0.0, 0.1),
    "dropout": (0.0, 0.25),
}
"""Setting -> least and greatest value to draw; the learning rate in times the config's own, by its logarithm."""


def main() -> None:
    """Command line."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    trials = {"type": positive, "default": 20, "help": "finished trials to reach in all"}
    run(__doc__, FinetuneConfig, report, trials=trials)


def report(config: FinetuneConfig, trials: int) -> None:
    """Go on with the config's study, keep its trials in configs/results/tune and print them, best first."""
    folder = OUTPUT / config.output.name
    study, best = tune(config, trials, folder), folder / "best.yaml"
    tuned = dataclasses.replace(config, **study.best_params, share=1.0, output=Path(f"{config.output}-tuned"))
    write_text(best, yaml.safe_dump(as_dict(tuned), sort_keys=False, allow_unicode=True))
    tried = [{"score": trial.value, "settings": trial.params} for trial in finished(study)]
    result = {"config": as_dict(config), "trials": tried}
    write_json(RESULTS / f"{config.output.name}.json", result)
    print(f"{table(result)}\n\nbest: {best}\nnext: make train CONFIG={best}")


def tune(config: FinetuneConfig, trials: int, folder: Path) -> optuna.Study:
    """Go on with the study in `folder` until it has `trials` finished trials; returns it.

    Raises InputError when the study was begun with other settings or data, for the metric loss, for a config with
    `distilled`, and what fine-tuning raises.
    """
    if config.metric not in SCORES:
        raise InputError(f"expected a metric among {', '.join(SCORES)} to tune by, got {config.metric}; change it")
    if named := config.distilled or config.targets:  # distilled allows no label smoothing, which is drawn
        raise InputError(f"expected a config without distilled and targets, found {named}; tune on the labels alone")
    folder.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        storage=f"sqlite:///{folder / 'study.db'}", study_name=folder.name, direction="maximize", load_if_exists=True
    )
    # Begun again, a sampler of the same seed would draw the same settings again.
    study.sampler = optuna.samplers.TPESampler(seed=config.seed + len(study.trials), multivariate=True)
    begun_with = {"config": as_dict(config), "inputs": inputs(config)}
    if study.user_attrs.get("begun_with", begun_with) != begun_with:
        raise InputError(
            f"expected the config, data, schema and encoder that the study in {folder} began with, found others; "
            "go back or remove it"
        )
    study.set_user_attr("begun_with", begun_with)
    while (done := len(finished(study))) < trials:
        if not done:
            study.enqueue_trial({name: getattr(config, name) for name in RANGES})
        trial = study.ask()
        study.tell(trial, run_trial(drawn(config, trial), folder / "trial"))
        print(f"{done + 1}/{trials}  {trial.params} {study.trials[-1].value:.4f}", flush=True)
    return study


def drawn(config: FinetuneConfig, trial: optuna.Trial) -> FinetuneConfig:
    """The config with the settings that matter most drawn anew."""
    rates = [config.learning_rate * times for times in RANGES["learning_rate"]]
    values = {
        name: trial.suggest_float(name, *(rates if name == "learning_rate" else span), log=name == "learning_rate")
        for name, span in RANGES.items()
    }
    return dataclasses.replace(config, **values)


def run_trial(config: FinetuneConfig, folder: Path) -> float:
    """The development score of a run in `folder`, which then goes."""
    shutil.rmtree(folder, ignore_errors=True)
    model = finetune(dataclasses.replace(config, output=folder))
    development = read_json(model / "metrics.json")["development"]
    shutil.rmtree(folder)
    return float(development["systems"]["model"]["scores"][config.metric])


def finished(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """The trials that have a score: one that a kill cut short has none."""
    return study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))


def table(result: Mapping[str, Any]) -> str:
    """A row a trial as Markdown, best first: its number in the order of trial, its development score, its settings."""
    trials = sorted(enumerate(result["trials"], 1), key=lambda each: -each[1]["score"])
    rows = [
        [str(number), f"{trial['score']:.3f}", *(f"{trial['settings'][name]:.3g}" for name in RANGES)]
        for number, trial in trials
    ]
    return markdown(["trial", f"development {SCORES[result['config']['metric']]}", *RANGES], rows)


if __name__ == "__main__":
    main()
