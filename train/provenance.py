"""What went into a run: data with checksums, versions, settings; written beside what came out, and read again there."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from train.command import processes
from train.data import Example, learned_too, load_examples, split
from wijha.errors import InputError
from wijha.files import file_sha256, read_json
from wijha.schema import Schema

PACKAGES = ("torch", "transformers", "datasets", "evaluate", "accelerate", "tokenizers", "numpy", "scikit-learn")


def describe_data(files: Sequence[Path], optional: Sequence[Path], splits: Mapping[str, Sequence[Example]]) -> str:
    """A line on what there is to train on, and on what is missing."""
    sizes = ", ".join(f"{name} {len(rows):,}" for name, rows in splits.items())
    missing = [str(path) for path in optional if path not in files]
    note = f"; without {', '.join(missing)} (see data/README.md)" if missing else ""
    return f"data: {', '.join(map(str, files))} ({sizes} sentences){note}"


def commit_now() -> str:
    """The commit in short, with `-dirty` where files are not as they were committed; empty outside a repository."""
    words = "git describe --always --dirty --exclude '*'"
    return subprocess.run(words, shell=True, capture_output=True, text=True, check=False).stdout.strip()


def run_of(model: Path) -> dict[str, Any]:
    """What metrics.json notes of the run that made a model folder. Raises InputError where it does not."""
    try:
        return dict(read_json(model / "metrics.json")["run"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"expected a finished run with {model}/metrics.json, found none; train it first") from error


def begun_with(run: Mapping[str, Any]) -> dict[str, Any]:
    """Of what metrics.json notes of a run: the code and the data that its training began with, or its biases."""
    return {key: run[key] for key in ("commit", "data", "distilled", "targets", "biases", "sentences") if key in run}


def provenance(settings: Mapping[str, Any], trained_on: Mapping[str, Any]) -> dict[str, Any]:
    """Config, what training began with (`begun_with`), versions, machine and processes."""
    return {
        "config": dict(settings),
        **trained_on,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        "machine": f"{platform.system()} {platform.machine()}",
        "processes": processes().num_processes,
    }


def run_data(folder: Path) -> dict[Path, str]:
    """The files that the model's run learned from, by its metrics.json, with their checksums; none without one."""
    try:
        return {Path(name): sha256 for name, sha256 in run_of(folder)["data"].items()}
    except InputError:
        return {}


def run_splits(folder: Path, schema: Schema, partly: bool = False) -> dict[str, list[Example]]:
    """The splits that the model's run used; all empty where some of its data is not here, unless the rest is enough
    (`partly`).

    A line says which files are others by now than the run read.
    """
    data = run_data(folder)
    here = [path for path in data if path.exists()]
    if not here or (len(here) < len(data) and not partly):
        return split([])
    if changed := [str(path) for path in here if file_sha256(path) != data[path]]:
        print(f"{', '.join(changed)} changed since {folder} was trained: what is held out now may have been learned")
    examples = [example for path in here for example in load_examples(path, schema)]
    return split(examples, run_of(folder)["config"].get("share", 1.0))


def say_learned(folder: Path, examples: Sequence[Example], train: Sequence[Example]) -> None:
    """A line on how many sentences to score are among those that the model's run was trained on, where any are."""
    if learned := learned_too(examples, train):
        print(f"{learned:,} of {len(examples):,} sentences are among those that {folder} was trained on")


def whole_splits(folder: Path, schema: Schema) -> dict[str, list[Example]]:
    """As `run_splits`. Raises InputError where `folder` is no finished run, or data of the run is not here."""
    run_of(folder)
    splits = run_splits(folder, schema)
    if not splits["development"]:
        raise InputError(f"expected the data that {folder}/metrics.json names, to calibrate on; run this where it is")
    return splits
