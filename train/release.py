"""Make the model of a finished run the one that ships: models/classifier.

    python -m train.release configs/default.yaml
    python -m train.release configs/distilled-deep.yaml --first runs/distilled/model

--first names a faster model of the same topics and labels, which goes into models/classifier/first: it then reads every
text, and the run's model only those in which the faster one does not rule out every topic.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from train.card import write_card
from train.command import run
from train.config import FinetuneConfig
from train.finetune import finish_again
from train.folders import replacing_folder
from train.provenance import whole_splits
from wijha.classifier import Classifier, read_schema
from wijha.errors import InputError
from wijha.golden import check_model, seal, unseal
from wijha.manifest import FIRST, MANIFEST, check_manifest

SHIPPED = Path("models/classifier")


def main() -> None:
    """Command line."""
    first = {"type": Path, "help": "a faster model, which reads before the run's"}
    run(__doc__, FinetuneConfig, lambda config, first: release(config.output / "model", first=first), first=first)


def release(model: Path, target: Path = SHIPPED, first: Path | None = None) -> None:
    """Replace `target` by a checked copy of `model`; the old one stays until the new one is whole."""
    with replacing_folder(target) as fresh:
        if not (model / "metrics.json").exists():
            raise InputError(f"expected a finished run with {model}/metrics.json, found none; run train.finetune first")
        make(model, fresh, first)
        if (target / FIRST).exists() and first is None:
            print(f"{target} held two models and holds one now: its {FIRST}/ is gone; --first MODEL names one")
        had, has = topics_of(target), topics_of(fresh)
        if had and had != has:
            print(f"{target} had the topics {', '.join(had)} and has {', '.join(has)} now")
    write_card(target)
    print(f"{model} -> {target}")


def make(model: Path, fresh: Path, first: Path | None) -> None:
    """Copy `model` to `fresh`, put `first` into it, seal it and print what the checks of its models say."""
    shutil.copytree(model, fresh)
    Classifier.load(fresh)  # checks the copy by the manifest that came along, if one did
    if first is not None:
        put_first(first, fresh)
    seal(fresh)
    for reader in Classifier.load(fresh).readers:
        for line in check_model(reader):
            print(line)


def topics_of(folder: Path) -> tuple[str, ...]:
    """The topics of a model folder; none where there is no model of ours."""
    try:
        return read_schema(folder).topic_names
    except InputError:
        return ()


def put_first(first: Path, folder: Path) -> None:
    """Copy what loading reads of the model `first` into `folder`/first, and calibrate and score the two as one.

    Raises InputError where `first` is no finished run or two models, where it has other topics or labels, and where
    the data of the model in `folder` is not here.
    """
    for name in (MANIFEST, "metrics.json"):
        if not (first / name).exists():
            raise InputError(f"expected {name} in {first}, found none; name the model folder of a finished run")
    if (first / FIRST).exists():
        raise InputError(f"expected one model in {first}, found two; name {first / FIRST}, or another one")
    files = check_manifest(first) or {}
    for name in (*files, MANIFEST, "metrics.json"):
        (folder / FIRST / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(first / name, folder / FIRST / name)
    unseal(folder)
    finish_again(folder, whole_splits(folder, Classifier.load(folder).schema), **{FIRST: str(first)})


if __name__ == "__main__":
    main()
