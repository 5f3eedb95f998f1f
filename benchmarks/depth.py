"""What layers cost: fine-tuning and inference in sentences/s with few and with all of the encoder's layers.

python -m benchmarks.depth [--steps 8] [--rows 512]

The first row is the faster of the two models that ship, fine-tuned further. Inference is torch's in float32, from texts
to probabilities. Scores by depth are in configs/README.md and NOTES.md.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.common import TEXT, rate, report, texts
from benchmarks.training import our_trainer, timed
from train.command import command_line, one_sentence_errors
from train.config import FinetuneConfig, load_config
from train.data import load_examples, split
from train.model import build_classifier, load_tokenizer
from wijha.arguments import positive
from wijha.classifier import Classifier
from wijha.reader import Reader
from wijha.runtime import TorchRuntime
from wijha.schema import Schema

DEPTHS = (4, 6, 12)


def main() -> None:
    """Command line."""
    parser = command_line(__doc__)
    parser.add_argument("--config", type=Path, default=Path("configs/deep.yaml"))
    parser.add_argument(
        "--steps", type=positive, default=8, help="optimiser steps a depth, after one that does not count"
    )
    parser.add_argument("--rows", type=positive, default=512)
    arguments = parser.parse_args()
    with one_sentence_errors(), tempfile.TemporaryDirectory() as folder:
        config = load_config(FinetuneConfig, arguments.config, output=folder)
        shipped = dataclasses.replace(config, encoder="models/classifier/first", layers=None, mean_layer=False)
        depths = {
            f"{layers} layers of {config.encoder} and the mean layer": dataclasses.replace(config, layers=layers)
            for layers in DEPTHS
        }
        run({shipped.encoder: shipped} | depths, arguments.steps, texts(arguments.rows))


def run(configs: Mapping[str, FinetuneConfig], steps: int, rows: Sequence[str]) -> None:
    """Time every model of `configs` and report; the first is what the others are measured by."""
    found: list[dict[str, Any]] = []
    for number, (name, config) in enumerate(configs.items()):
        schema = Schema.from_yaml(config.schema)
        sample = split(load_examples(TEXT, schema))["train"][: steps * config.batch]
        classifier, size = built(config, schema, config.output / str(number))
        rates = {
            "fine-tuning": timed(our_trainer(config, schema, sample, sample[:1]), config, steps),
            "inference": rate(classifier, list(rows)),
        }
        found.append({"model": name, "parameters": f"{size:,}", **rates})
        print(found[-1], flush=True)
    report("depth", "Depth", "sentences/s", found, lambda row, first: row["inference"] / first["inference"])


def built(config: FinetuneConfig, schema: Schema, folder: Path) -> tuple[Classifier, int]:
    """An untrained classifier by `config`, saved and loaded; its number of parameters."""
    model = build_classifier(config, schema)
    model.half().save_pretrained(folder)
    load_tokenizer(config).save_pretrained(folder)
    return Classifier(Reader(folder, TorchRuntime(folder, "cpu")), schema, {}), model.num_parameters()


if __name__ == "__main__":
    main()
