"""The tokenizer in sentences/s: the library's encoder against the stock class, one text at a time and in batches.

python -m benchmarks.tokenizer [MODEL] [--rows 20000]
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from transformers import AutoTokenizer

from benchmarks.common import model_argument, report, texts
from train.command import command_line, one_sentence_errors
from wijha.arguments import positive
from wijha.batching import windows
from wijha.errors import InputError
from wijha.tokenizer import TextEncoder


def main() -> None:
    """Command line."""
    parser = command_line(__doc__)
    model_argument(parser)
    parser.add_argument("--rows", type=positive, default=20_000)
    arguments = parser.parse_args()
    with one_sentence_errors():
        run(arguments.model, arguments.rows)


def run(model: Path, count: int) -> None:
    """Time every way and report."""
    try:
        stock, encoder = AutoTokenizer.from_pretrained(model, local_files_only=True), TextEncoder(model)
    except (OSError, ValueError) as error:
        raise InputError(f"expected a model folder at {model}, got: {error}; name another one") from error
    rows, few = texts(count), texts(count // 5)
    ways: dict[str, tuple[list[str], Callable[[list[str]], list[list[int]]]]] = {
        "AutoTokenizer, a text a call": (
            few,
            lambda part: [stock(text, truncation=True)["input_ids"] for text in part],
        ),
        "AutoTokenizer, batches": (rows, lambda part: stock(part, truncation=True)["input_ids"]),
        "wijha.tokenizer, batches": (rows, encoder.ids),
    }
    found = []
    for name, (given, encode) in ways.items():
        encode(given[:100])
        begin = time.perf_counter()
        ids = [row for part in windows(given) for row in encode(part)]
        seconds = time.perf_counter() - begin
        if ids[:100] != encoder.ids(given[:100]):
            raise InputError(f"expected the same token ids from {name}, got others; look into {model}/tokenizer.json")
        found.append({"way": name, "sentences/s": len(given) / seconds})
    report("tokenizer", "Tokenizer", "sentences/s", found, lambda row, first: row["sentences/s"] / first["sentences/s"])


if __name__ == "__main__":
    main()
