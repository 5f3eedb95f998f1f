"""End-to-end inference, JSONL to JSONL in rows/s: the stock pipeline against every runtime and precision.

    python -m benchmarks.inference [MODEL] [--rows 8192] [--stock-rows 1024]

Loading the model counts, importing packages does not. The stock pipeline takes the weights in the precision that they
are saved in (`dtype="auto"`, half, which a CPU without AMX or AVX512-FP16 is slow in), and again in float32.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import tempfile
import time
import unittest.mock
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import pipeline
from transformers.utils import logging

from benchmarks.common import model_argument, one_sentence, report, texts
from wijha.classifier import read_schema
from wijha.cli import main as wijha
from wijha.errors import InputError
from wijha.runtime import OpenVinoRuntime, TorchRuntime, accepted
from wijha.schema import Schema

_BATCH = 32


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    model_argument(parser)
    parser.add_argument("--rows", type=int, default=8192, help="rows for the runtimes of wijha")
    parser.add_argument("--stock-rows", type=int, default=1024, help="rows for the stock pipeline, which is slower")
    arguments = parser.parse_args()
    logging.set_verbosity_error()
    with one_sentence(), tempfile.TemporaryDirectory() as folder:
        run(arguments.model, arguments.rows, arguments.stock_rows, Path(folder))


def run(model: Path, rows: int, stock_rows: int, folder: Path) -> None:
    """Time every way and report."""
    schema = read_schema(model)
    logging.disable_progress_bar()
    few, many = folder / "few.jsonl", folder / "many.jsonl"
    for path, count in ((few, stock_rows), (many, rows)):
        lines = (json.dumps({"id": i, "text": t}, ensure_ascii=False) for i, t in enumerate(texts(count)))
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    found: list[dict[str, Any]] = []
    for kind in ("auto", "float32"):
        seconds = stock(model, few, folder / f"stock-{kind}.jsonl", schema, kind)
        found.append(
            {"way": f"transformers pipeline, batch_size={_BATCH}, dtype={kind}", "rows/s": stock_rows / seconds}
        )
    expected = labels(folder / "stock-float32.jsonl", schema)
    precisions = accepted(model)
    if not precisions:
        print(f"no exported runtime is accepted for {model}: run python -m train.export {model} to have it measured")
    for name in (
        "torch",
        *(f"openvino-{precision}" for precision in ("f32", "bf16", "int8") if precision in precisions),
    ):
        seconds, inside = ours(model, many, folder / f"{name}.jsonl", name)
        given = labels(folder / f"{name}.jsonl", schema)
        size = min(len(given), len(expected))
        same = (given[:size] == expected[:size]).mean()
        found.append(
            {
                "way": f"wijha --runtime {name}",
                "rows/s": rows / seconds,
                "labels": f"{same:.2%}",
                "outside the model": f"{1 - inside / seconds:.0%}",
            }
        )
        print(f"{name}: {rows / seconds:,.0f} rows/s", flush=True)
    title = f"Inference, JSONL to JSONL, {model.parent.name}/{model.name}"
    unit = "rows/s; labels equal to the float32 pipeline's; share of the time in which no core computes the model"
    report("inference", title, unit, found, lambda row, first: row["rows/s"] / first["rows/s"])


def stock(model: Path, source: Path, target: Path, schema: Schema, kind: str) -> float:
    """Seconds of the loop that the transformers documentation shows, on the same weights."""
    begin = time.perf_counter()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    options = {"model": str(model), "device": device, "dtype": kind, "top_k": None, "function_to_apply": "none"}
    classify = pipeline("text-classification", **options)
    with open(source, encoding="utf-8") as lines, open(target, "w", encoding="utf-8") as out:
        rows = [json.loads(line) for line in lines]
        for row, scored in zip(
            rows, classify((r["text"] for r in rows), batch_size=_BATCH, truncation=True), strict=True
        ):
            logits = {entry["label"]: entry["score"] for entry in scored}
            for topic in schema.topic_names:
                row[f"{topic}_stance"] = max(schema.label_names, key=lambda name: logits[f"{topic}/{name}"])
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
    return time.perf_counter() - begin


def ours(model: Path, source: Path, target: Path, runtime: str) -> tuple[float, float]:
    """Seconds of `wijha predict` with a runtime, and those within the model: over its workers, their mean."""
    kind, spent = (TorchRuntime if runtime == "torch" else OpenVinoRuntime), []
    logits = kind.logits

    def timed(self: Any, rows: Sequence[Sequence[int]], pad: int) -> np.ndarray:
        start = time.perf_counter()
        result = logits(self, rows, pad)
        spent.append((time.perf_counter() - start) / self.workers)
        return result

    begin, errors = time.perf_counter(), io.StringIO()
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(errors),
        unittest.mock.patch.object(kind, "logits", timed),
    ):
        code = wijha(["predict", str(source), str(target), "--model", str(model), "--runtime", runtime])
    if code:
        raise InputError(
            f"expected wijha predict --runtime {runtime} to run, got: {errors.getvalue().strip()}; mend it"
        )
    return time.perf_counter() - begin, sum(spent)


def labels(path: Path, schema: Schema) -> np.ndarray:
    """Labels of a file of predictions, shape (rows, topics)."""
    with open(path, encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return np.array([[row[f"{topic}_stance"] for topic in schema.topic_names] for row in rows])


if __name__ == "__main__":
    main()
