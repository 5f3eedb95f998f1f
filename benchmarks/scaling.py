"""How `wijha predict` scales with cores and with rows, its peak memory, and how near it comes to the matrix peak.

python -m benchmarks.scaling [MODEL] [--rows 1000,10000,100000]

Each line is a process of its own, from JSONL to JSONL, bound to so many cores. `of peak` is the rate of multiplications
that the model needs for the tokens of the text (without padding) over what this machine reaches in one large matrix
product of the same cores, in bf16 where it has that.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.common import measured, model_argument, named, one_model, report, texts
from train.command import command_line, one_sentence_errors
from wijha.arguments import positive
from wijha.classifier import read_settings
from wijha.files import read_json
from wijha.tokenizer import TextEncoder
from wijha.writing import write_rows

_PEAK = """import time, torch
kind = torch.bfloat16 if torch.ops.mkldnn._is_mkldnn_bf16_supported() else torch.float32
a = torch.randn(2048, 2048, dtype=kind)
for _ in range(3): a @ a
best = 1e9
for _ in range(10):
    begin = time.perf_counter(); a @ a; best = min(best, time.perf_counter() - begin)
print(2 * 2048**3 / best)"""


def main() -> None:
    """Command line."""
    parser = command_line(__doc__)
    model_argument(parser)
    parser.add_argument("--rows", type=sizes, default="1000,10000,100000", help="sizes of the input, comma-separated")
    arguments = parser.parse_args()
    with one_sentence_errors():
        run(arguments.model, arguments.rows)


def sizes(words: str) -> list[int]:
    """Counts, comma-separated, as the type of an argument."""
    return [positive(word) for word in words.split(",")]


def run(model: Path, sizes: list[int]) -> None:
    """Measure every number of cores at the middle size, every size on all cores, and report. Raises InputError for a
    folder with two models: what these multiply hangs on the text."""
    read_settings(model)
    one_model(model)
    cores = sorted(os.sched_getaffinity(0))
    plans = [(count, sizes[len(sizes) // 2]) for count in range(1, len(cores) + 1)]
    plans += [(len(cores), size) for size in sizes if (len(cores), size) not in plans]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for count, size in plans:
            chosen = set(cores[:count])
            peak = float(measured("-c", _PEAK, cores=chosen)[0])
            source = Path(folder) / f"{size}.jsonl"
            write_rows(({"text": text} for text in texts(size)), source)
            out = f"{folder}/{count}-{size}.out.jsonl"
            words = ("-m", "wijha.cli", "predict", str(source), out, "--model", str(model))
            _, seconds, megabytes = measured(*words, cores=chosen)
            rows.append(
                {
                    "cores": count,
                    "rows": size,
                    "rows/s": size / seconds,
                    "peak MB": megabytes,
                    "of peak": round(multiplications(model, size) / seconds / peak, 3),
                }
            )
            print(f"{count} cores, {size:,} rows: {rows[-1]['rows/s']:,.0f} rows/s, {megabytes:,.0f} MB", flush=True)
    title = f"JSONL to JSONL by cores and rows, {named(model)}"
    report("scaling", title, "rows/s", rows, lambda row, first: row["rows/s"] / first["rows/s"])


def multiplications(model: Path, rows: int) -> float:
    """Floating-point operations of the encoder's layers for the tokens of the text, attention included."""
    shape: dict[str, Any] = read_json(model / "config.json")
    width, layers, inner = shape["hidden_size"], shape["num_hidden_layers"], shape["intermediate_size"]
    sample = texts(min(rows, 2_000))
    lengths = [len(ids) for ids in TextEncoder(model).ids(sample)]
    each = sum(2 * n * (4 * width**2 + 2 * width * inner) + 4 * n**2 * width for n in lengths) * layers
    return each * rows / len(sample)


if __name__ == "__main__":
    main()
