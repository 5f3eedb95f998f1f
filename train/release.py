"""Make the model of a finished run the one that ships: models/classifier.

python -m train.release configs/default.yaml
"""

from __future__ import annotations

import shutil
from pathlib import Path

from train.card import write_card
from train.command import run
from train.config import FinetuneConfig
from wijha.classifier import Classifier
from wijha.errors import InputError
from wijha.golden import check_model, seal

SHIPPED = Path("models/classifier")


def main() -> None:
    """Command line."""
    run(__doc__, FinetuneConfig, lambda config: release(config.output / "model"))


def release(model: Path, target: Path = SHIPPED) -> None:
    """Replace `target` by a checked copy of `model`; the old one stays until the new one is whole."""
    if not (model / "metrics.json").exists():
        raise InputError(f"expected a finished run with {model}/metrics.json, found none; run train.finetune first")
    fresh, old = target.with_name(f".{target.name}.part"), target.with_name(f".{target.name}.old")
    for leftover in (fresh, old):
        shutil.rmtree(leftover, ignore_errors=True)
    shutil.copytree(model, fresh)
    classifier = Classifier.load(fresh)  # checks the copy by the manifest that came along, if one did
    seal(fresh)
    for line in check_model(classifier):
        print(line)
    if target.exists():
        target.rename(old)
    fresh.rename(target)
    shutil.rmtree(old, ignore_errors=True)
    write_card(target)
    print(f"{model} -> {target}")


if __name__ == "__main__":
    main()
