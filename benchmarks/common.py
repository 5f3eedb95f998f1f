"""What every benchmark shares: the text, the machine's description, the table, the file of results."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from wijha.classifier import default_model
from wijha.errors import InputError
from wijha.files import write_json
from wijha.runtime import threads

os.environ.setdefault("HF_HUB_OFFLINE", "1")
ROOT = Path(__file__).resolve().parents[1]
TEXT = ROOT / "data" / "written.jsonl"
RESULTS = Path(__file__).parent / "results"
_PACKAGES = ("torch", "transformers", "tokenizers", "openvino")
_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")


def texts(count: int) -> list[str]:
    """`count` sentences of data/written.jsonl, from its start again where it ends."""
    lines = TEXT.read_text(encoding="utf-8").splitlines()
    return list(islice(cycle(json.loads(line)["text"] for line in lines), count))


def model_argument(parser: argparse.ArgumentParser) -> None:
    """Add MODEL: a model folder, by default the one that ships, or that of the default run."""
    shipped = default_model()
    default = shipped if shipped.exists() else ROOT / "runs" / "default" / "model"
    parser.add_argument("model", type=Path, nargs="?", default=default, help=f"a model folder (default: {default})")


def machine() -> dict[str, Any]:
    """Processor, cores in use, memory, load and versions."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    flags = set(facts.get("flags", "").split())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": facts.get("model name", platform.processor()),
        "features": [flag for flag in _FLAGS if flag in flags],
        "cores": threads(),
        "memory_gib": round(memory, 1),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        **{name: _version(name) for name in _PACKAGES},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def report(name: str, title: str, unit: str, rows: Sequence[Mapping[str, Any]], better: Callable[..., float]) -> None:
    """Print the rows as Markdown with their ratio to the first, and write benchmarks/results/<name>.json.

    `better(row, first)` is how many times better a row is than the first one.
    """
    rows = [{**row, "times": round(better(row, rows[0]), 2)} for row in rows]
    here = machine()
    columns = list(dict.fromkeys(key for row in rows for key in row))
    print(f"\n**{title}** ({unit})\n")
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    for row in rows:
        print(f"| {' | '.join(_cell(row.get(key, '')) for key in columns)} |")
    print("\n" + "; ".join(f"{key} {_cell(value)}" for key, value in here.items()))
    write_json(RESULTS / f"{name}.json", {"title": title, "unit": unit, "machine": here, "rows": rows})


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value)) or "none"
    return (
        f"{value:,.4g}"
        if isinstance(value, float) and value < 1000
        else f"{value:,.0f}"
        if isinstance(value, float)
        else str(value)
    )


def measured(*words: str, cores: set[int] | None = None) -> tuple[str, float, float]:
    """What `python words` prints, its seconds and its peak resident memory in MB, on these cores alone where given.

    Raises InputError with the last word of its error stream when it ends badly.
    """
    begin = time.perf_counter()
    with tempfile.TemporaryFile("w+", encoding="utf-8") as errors:
        process = subprocess.Popen(
            [sys.executable, *words],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=os.environ | ({"OMP_NUM_THREADS": str(len(cores))} if cores else {}),
            preexec_fn=(lambda: os.sched_setaffinity(0, cores)) if cores else None,
        )
        assert process.stdout is not None
        said = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - begin
        if process.returncode:
            errors.seek(0)
            reason = (errors.read().strip().splitlines() or ["no word"])[-1]
            raise InputError(f"expected a measured process to end well, got: {reason}; check the model folder")
    return said, seconds, usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


@contextmanager
def one_sentence() -> Iterator[None]:
    """An InputError becomes one sentence and exit code 2."""
    try:
        yield
    except InputError as error:
        raise SystemExit(f"error: {error}") from None
