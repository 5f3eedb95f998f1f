"""From starting Python to the first prediction, in seconds and peak memory, each in a process of its own.

python -m benchmarks.startup [MODEL] [--repeats 3]
"""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from benchmarks.common import measured, named, report
from train.command import command_line, one_sentence_errors
from wijha.arguments import positive
from wijha.classifier import default_model, read_settings
from wijha.runtime import accepted

_STOCK = """import sys
from transformers import pipeline
print(pipeline("text-classification", model=sys.argv[1], device="cpu", top_k=None)("أكد الوزير دعمه للحل السياسي"))"""
_OURS = """import sys
from wijha import Classifier
print(Classifier.load(sys.argv[1], runtime=sys.argv[2]).classify("أكد الوزير دعمه للحل السياسي"))"""


def main() -> None:
    """Command line."""
    parser = command_line(__doc__)
    parser.add_argument("model", type=Path, nargs="?", default=default_model(), help="default: %(default)s")
    parser.add_argument("--repeats", type=positive, default=3, help="starts a way; the median is taken")
    arguments = parser.parse_args()
    with one_sentence_errors():
        run(arguments.model, arguments.repeats)


def run(model: Path, repeats: int) -> None:
    """Time every way and report."""
    read_settings(model)
    ways = {"transformers pipeline": (_STOCK, str(model)), "wijha, torch": (_OURS, str(model), "torch")}
    if accepted(model):
        ways["wijha, openvino"] = (_OURS, str(model), "openvino")
    rows = []
    for name, words in ways.items():
        runs = [start(*words) for _ in range(repeats)]
        medians: dict[str, Any] = {key: round(statistics.median(run[key] for run in runs), 2) for key in runs[0]}
        rows.append({"way": name, **medians})
    title = f"Start to first prediction, {named(model)}"
    report("startup", title, "median of processes", rows, lambda row, first: first["seconds"] / row["seconds"])


def start(*words: str) -> dict[str, float]:
    """Seconds and peak resident memory in MB of `python -c words`."""
    _, seconds, megabytes = measured("-c", *words)
    return {"seconds": seconds, "peak MB": megabytes}


if __name__ == "__main__":
    main()
