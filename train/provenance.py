"""What went into a run: data with checksums, versions, settings; written beside what came out."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from accelerate import PartialState

from train.data import Example

PACKAGES = ("torch", "transformers", "datasets", "evaluate", "accelerate", "tokenizers", "numpy", "scikit-learn")


def describe_data(files: Sequence[Path], optional: Sequence[Path], splits: Mapping[str, Sequence[Example]]) -> str:
    """A line on what there is to train on, and on what is missing."""
    sizes = ", ".join(f"{name} {len(rows):,}" for name, rows in splits.items())
    missing = [str(path) for path in optional if path not in files]
    note = f"; without {', '.join(missing)} (see data/README.md)" if missing else ""
    return f"data: {', '.join(map(str, files))} ({sizes} sentences){note}"


def provenance(settings: Mapping[str, Any], trained_on: Mapping[str, Any]) -> dict[str, Any]:
    """Config, what training read (checksums as `data`, sizes as `sentences`), versions, machine and processes."""
    return {
        "config": dict(settings),
        **trained_on,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        "machine": f"{platform.system()} {platform.machine()}",
        "processes": PartialState().num_processes,
    }
