"""What every benchmark shares: the text, the machine's description, the table, the file of results."""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from train.tables import cell, fill, measurements
from wijha.classifier import Classifier, default_model
from wijha.errors import InputError
from wijha.files import write_json
from wijha.manifest import FIRST
from wijha.records import read_rows
from wijha.runtime import features, processor, threads

os.environ.setdefault("HF_HUB_OFFLINE", "1")
ROOT = Path(__file__).resolve().parents[1]
TEXT = ROOT / "data" / "written.jsonl"
RESULTS = Path(__file__).parent / "results"
_PACKAGES = ("torch", "transformers", "tokenizers", "openvino")
_LOAD = os.getloadavg()[0]  # before anything is measured
_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")


def texts(count: int, path: Path = TEXT) -> list[str]:
    """`count` sentences of a file, the same at each call, drawn from all of it and repeated where it has fewer.

    Raises InputError where it has none.
    """
    found = [str(row["text"]) for _, row in read_rows(path)]
    if not found:
        raise InputError(f"expected sentences in {path}, found none; name another file")
    return list(islice(cycle(random.Random(0).sample(found, len(found))), count))


def model_argument(parser: argparse.ArgumentParser) -> None:
    """Add MODEL: a model folder, by default the faster of the two that ship, or that of the default run."""
    shipped = default_model() / FIRST
    default = shipped if shipped.exists() else ROOT / "runs" / "default" / "model"
    parser.add_argument("model", type=Path, nargs="?", default=default, help=f"a model folder (default: {default})")


def one_model(model: Path) -> None:
    """Raises InputError for a folder with two models."""
    if (model / FIRST).is_dir():
        raise InputError(f"expected one model in {model}, found two; name {model / FIRST}, or another folder")


def named(model: Path) -> str:
    """A model folder as a title names it: its path below the checkout, else its last two parts."""
    model = model.resolve()
    return str(model.relative_to(ROOT)) if model.is_relative_to(ROOT) else f"{model.parent.name}/{model.name}"


def machine() -> dict[str, Any]:
    """Processor, cores in use, memory, load before the measurement, and versions."""
    known = features()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": processor() or platform.processor(),
        "features": [flag for flag in _FLAGS if flag in known],
        "cores": threads(),
        "memory_gib": round(memory, 1),
        "load": round(_LOAD, 2),
        "python": platform.python_version(),
        **{name: _version(name) for name in _PACKAGES},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def rate(classifier: Classifier, rows: list[str]) -> float:
    """Sentences/s from texts to probabilities."""
    classifier.probabilities(rows[:64])
    begin = time.perf_counter()
    classifier.probabilities(rows)
    return len(rows) / (time.perf_counter() - begin)


def report(name: str, title: str, unit: str, rows: Sequence[Mapping[str, Any]], better: Callable[..., float]) -> None:
    """Print the rows as Markdown with their ratio to the first, write benchmarks/results/<name>.json and fill
    benchmarks/README.md.

    `better(row, first)` is how many times better a row is than the first one.
    """
    rows = [{**row, "times": round(better(row, rows[0]), 2)} for row in rows]
    here = machine()
    facts = "; ".join(f"{key} {cell(value)}" for key, value in here.items())
    page = f"**{title}** ({unit})\n\n{measurements(rows)}\n\n{facts}"
    print(f"\n{page}")
    write_json(RESULTS / f"{name}.json", {"title": title, "unit": unit, "machine": here, "rows": rows})
    fill(RESULTS.parent / "README.md", {name: page})


# A process begins with the peak of the one that started it (Linux keeps it through exec): a slim one stands between.
_WATCH = """
import json, resource, subprocess, sys, time
begin = time.perf_counter()
code = subprocess.run([sys.executable, *sys.argv[1:]]).returncode
print(json.dumps([time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss]))
sys.exit(code)
"""


def measured(*words: str, cores: set[int] | None = None) -> tuple[str, float, float]:
    """What `python words` prints, its seconds and its peak resident memory in MB, on these cores alone where given.

    Raises InputError with the last word of its error stream when it ends badly.
    """
    done = subprocess.run(
        [sys.executable, "-c", _WATCH, *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | ({"OMP_NUM_THREADS": str(len(cores))} if cores else {}),
        preexec_fn=(lambda: os.sched_setaffinity(0, cores)) if cores else None,
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no word"])[-1]
        raise InputError(f"expected a measured process to end well, got: {reason}; check the model folder")
    said, _, last = done.stdout.rstrip("\n").rpartition("\n")
    seconds, peak = json.loads(last)
    return said, seconds, peak / (1e6 if sys.platform == "darwin" else 1e3)
