"""End-to-end inference, JSONL to JSONL in rows/s: the stock pipeline against every runtime and precision.

    python -m benchmarks.inference [MODEL] [--text FILE] [--rows 32768] [--stock-rows 1024]

Loading the model counts, importing packages does not. The stock pipeline takes the weights in float32, from which
`times` count, and again in the precision that they are saved in (`dtype="auto"`, its default: half, which a CPU without
AMX or AVX512-FP16 is slow in). Of two models it computes the folder's own, which is what every stock tool loads. FILE
has its sentences in the column text (.txt, .jsonl, .csv, .parquet); left out, data/written.jsonl. onnxruntime is
measured where its packages are there.
"""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
import time
import unittest.mock
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import pipeline

from benchmarks import onnx
from benchmarks.common import TEXT, model_argument, named, report, texts
from train.command import command_line, one_sentence_errors
from wijha.arguments import positive
from wijha.classifier import read_schema
from wijha.cli import main as wijha
from wijha.errors import InputError
from wijha.manifest import FIRST
from wijha.runtime import OpenVinoRuntime, Runtime, TorchRuntime, accepted
from wijha.schema import Schema

_BATCH = 32


def main() -> None:
    """Command line."""
    parser = command_line(__doc__)
    model_argument(parser)
    parser.add_argument("--text", type=Path, default=TEXT, help="sentences to classify")
    parser.add_argument("--rows", type=positive, default=32768, help="rows for the runtimes of wijha")
    parser.add_argument(
        "--stock-rows", type=positive, default=1024, help="rows for the stock pipeline, which is slower"
    )
    arguments = parser.parse_args()
    with one_sentence_errors(), tempfile.TemporaryDirectory() as folder:
        run(arguments.model, arguments.rows, arguments.stock_rows, Path(folder), arguments.text)


def run(model: Path, rows: int, stock_rows: int, folder: Path, text: Path = TEXT) -> None:
    """Time every way and report."""
    schema = read_schema(model)
    few, many = folder / "few.jsonl", folder / "many.jsonl"
    for path, count in ((few, stock_rows), (many, rows)):
        lines = (json.dumps({"id": i, "text": t}, ensure_ascii=False) for i, t in enumerate(texts(count, text)))
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    found: list[dict[str, Any]] = []
    for kind in ("float32", "auto"):
        seconds = stock(model, few, folder / f"stock-{kind}.jsonl", schema, kind)
        way = f"transformers pipeline, batch_size={_BATCH}, dtype={kind}"
        found.append({"way": way, "rows/s": stock_rows / seconds})
        print(f"{way}: {stock_rows / seconds:,.0f} rows/s", flush=True)
    expected = labels(folder / "stock-float32.jsonl", schema)
    for name, load in ways(model, folder).items():
        seconds, inside = ours(model, many, folder / f"{name}.jsonl", name, load)
        given = labels(folder / f"{name}.jsonl", schema)
        size = min(len(given), len(expected))
        found.append(
            {
                "way": f"wijha --runtime {name}" if load is None else name,
                "rows/s": rows / seconds,
                "labels": f"{(given[:size] == expected[:size]).mean():.2%}",
                "outside the model": f"{1 - inside / seconds:.0%}",
            }
        )
        print(f"{name}: {rows / seconds:,.0f} rows/s", flush=True)
    both = (model / FIRST).is_dir()
    title = f"Inference, JSONL to JSONL, {named(model)}, text of {text.name}"
    unit = "rows/s; labels equal to the float32 pipeline's; share of the time in which no core computes the model"
    name = "inference-both" if both else "inference"
    report(name, title, unit, found, lambda row, first: row["rows/s"] / first["rows/s"])


def ways(model: Path, folder: Path) -> dict[str, Callable[..., Runtime] | None]:
    """Name of a runtime that the model's folders admit -> what loads it where wijha does not."""
    readers = [model, *([model / FIRST] if (model / FIRST).is_dir() else [])]
    admitted = [precision for precision in ("f32", "bf16", "int8") if all(precision in accepted(r) for r in readers)]
    if not admitted:
        print(f"no exported runtime is accepted for {model}: run python -m train.export {model} to have it measured")
    found: dict[str, Callable[..., Runtime] | None] = dict.fromkeys(
        ["torch", *(f"openvino-{precision}" for precision in admitted), *["auto"] * (len(readers) > 1)]
    )
    if len(readers) > 1:
        return found
    if onnx.available():
        onnx.write(model, folder)
        for precision in onnx.PRECISIONS:
            runtime = onnx.OnnxRuntime(folder / f"{precision}.onnx")
            found[runtime.name] = lambda *_, runtime=runtime: runtime
    return found


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


def ours(
    model: Path, source: Path, target: Path, name: str, load: Callable[..., Runtime] | None
) -> tuple[float, float]:
    """Seconds of `wijha predict` with a runtime, and those within the model: over its workers, their mean."""
    spent: list[float] = []

    def timed(logits: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
        def counted(self: Any, rows: Sequence[Sequence[int]], pad: int) -> np.ndarray:
            start = time.perf_counter()
            result = logits(self, rows, pad)
            spent.append((time.perf_counter() - start) / self.workers)
            return result

        return counted

    words = ["predict", str(source), str(target), "--model", str(model)]
    begin, errors = time.perf_counter(), io.StringIO()
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        stack.enter_context(contextlib.redirect_stderr(errors))
        for kind in (TorchRuntime, OpenVinoRuntime, onnx.OnnxRuntime):
            stack.enter_context(unittest.mock.patch.object(kind, "logits", timed(kind.logits)))
        if load:
            stack.enter_context(unittest.mock.patch("wijha.reader.load_runtime", load))
        code = wijha([*words, "--runtime", "auto" if load else name])
    if code:
        raise InputError(f"expected wijha predict with {name} to run, got: {errors.getvalue().strip()}; mend it")
    return time.perf_counter() - begin, sum(spent)


def labels(path: Path, schema: Schema) -> np.ndarray:
    """Labels of a file of predictions, shape (rows, topics)."""
    with open(path, encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return np.array([[row[f"{topic}_stance"] for topic in schema.topic_names] for row in rows])


if __name__ == "__main__":
    main()
