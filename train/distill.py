"""Distillation: one model learns the mean probabilities of several beside the labels, also where nobody has labelled.

    python -m train.distill configs/release.yaml MODEL [MODEL ...] --sentences data/unread.local.txt
    python -m train.finetune configs/distilled.yaml

    python -m train.distill configs/release.yaml data/taught.parquet --sentences data/unread.local.txt

Writes data/distilled.local.jsonl: what the models say of the config's training sentences, and of those others in which
they do not rule out every topic. Where the first model rules out every topic the others are not asked: name the
fastest first. Hinton et al. 2015.

--remember FILE writes the same with each sentence's key in the place of its text, which is not ours to hand on. Such a
file stands for the models in a later call; of what it does not know nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from tqdm import tqdm
from transformers import PreTrainedTokenizerBase

from train.command import command_line, one_sentence_errors
from train.config import FinetuneConfig, load_config
from train.data import UNLABELLED, Example, label_numbers, load_examples, split, tokenised
from wijha.batching import windows
from wijha.classifier import Classifier, in_doubt
from wijha.errors import InputError
from wijha.records import read_rows
from wijha.schema import Schema
from wijha.text import key
from wijha.writing import write_rows

OUTPUT = Path("data/distilled.local.jsonl")
DOUBT = 0.02
"""Whoever teaches rules a topic out below this probability of being there: less than where a cascade answers."""


def main() -> None:
    """Command line."""
    parser = command_line(__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("models", type=Path, nargs="+", help="model folders, or a file that --remember wrote")
    parser.add_argument("--sentences", type=Path, nargs="+", default=[], help="files of unlabelled sentences")
    parser.add_argument("--remember", type=Path, help="also write what the models say without the texts: FILE.parquet")
    arguments = parser.parse_args()
    with one_sentence_errors():
        config = load_config(FinetuneConfig, arguments.config)
        schema = Schema.from_yaml(config.schema)
        models = [Remembered(path, schema) if path.is_file() else Classifier.load(path) for path in arguments.models]
        labelled, others = to_learn(config, arguments.sentences)
        rows = chain(taught(labelled, models, config), doubtful(taught(others, models, config)))
        print(f"{write_rows(rows, OUTPUT):,} sentences of {len(models)} models -> {OUTPUT}")
        if arguments.remember:
            said = ({"key": key(row["text"]), "probabilities": row["probabilities"]} for _, row in read_rows(OUTPUT))
            write_rows(said, arguments.remember)


class Remembered:
    """What models said of sentences, by the sentences' keys; beside other models it counts as one."""

    def __init__(self, path: Path, schema: Schema) -> None:
        self.folder, self.schema = path, schema
        self.said = read_taught(path, schema, "key")

    def probabilities(self, texts: list[str]) -> np.ndarray:
        """As Classifier.probabilities; not a number for sentences that the file does not know."""
        unknown = np.full((len(self.schema.topics), len(self.schema.labels)), np.nan)
        rows = [self.said.get(key(text), unknown) for text in texts]
        return np.array(rows).reshape(len(texts), *unknown.shape)


Teacher = Classifier | Remembered


def to_learn(config: FinetuneConfig, files: Sequence[Path]) -> tuple[list[str], list[str]]:
    """The texts of the config's training split, and those of `files` that are nowhere in its data; each once."""
    schema = Schema.from_yaml(config.schema)
    examples = [example for path in config.files() for example in load_examples(path, schema, unlabelled=True)]
    labelled = {example.text for example in examples}
    others = (str(row["text"]) for path in files for _, row in read_rows(path))
    training = dict.fromkeys(example.text for example in split(examples, config.share)["train"])
    return list(training), list(dict.fromkeys(text for text in others if text not in labelled))


def taught(texts: Sequence[str], models: Sequence[Teacher], config: FinetuneConfig) -> Iterator[dict[str, Any]]:
    """A row a text: topic -> mean probability of each label, in the schema's order; of the first model alone where it
    rules out every topic. No row for a text that a file of what models said does not know.

    Raises InputError for a model of another schema than the config's.
    """
    schema = Schema.from_yaml(config.schema)
    for model in models:
        if model.schema.id2label != schema.id2label:
            raise InputError(f"expected the schema {config.schema} in every model, got another in {model.folder}")
    for window in windows(tqdm(texts, desc="asking", unit="sentence")):
        for text, rows in zip(window, opinions(window, models).round(3), strict=True):
            if not np.isnan(rows).any():
                yield {"text": text, "probabilities": dict(zip(schema.topic_names, rows.tolist(), strict=True))}


def opinions(texts: list[str], models: Sequence[Teacher]) -> np.ndarray:
    """Mean probabilities (texts, topics, labels), the first model's alone where it rules out every topic."""
    said = models[0].probabilities(texts)
    asked = np.flatnonzero(in_doubt(said, DOUBT))
    some = [texts[number] for number in asked]
    said[asked] = np.mean([said[asked], *(model.probabilities(some) for model in models[1:])], axis=0)
    return said


def doubtful(rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The rows in which not every topic is ruled out."""
    for row in rows:
        if in_doubt(np.array([list(row["probabilities"].values())]), DOUBT)[0]:
            yield row


def encode_taught(
    splits: Mapping[str, Sequence[Example]],
    config: FinetuneConfig,
    tokenizer: PreTrainedTokenizerBase,
    schema: Schema,
    weights: torch.Tensor,
) -> Dataset:
    """As train.data.encode, with `labels` of shape (topics, labels): how much of each label a sentence teaches.

    That is the weight of its own label and the models' probabilities, by `config.teachers_share`, and its label alone
    where they would choose another or were not asked. A sentence of `config.distilled` that has no label, and is in no
    other split, teaches the probabilities alone.
    """
    told, examples = read_taught(config.distilled, schema), splits["train"]
    for example in chain(*(rows for name, rows in splits.items() if name != "train")):
        told.pop(example.text, None)
    numbers = label_numbers(examples, schema)
    targets = weights.numpy()[None] * (numbers[..., None] == np.arange(len(schema.labels)))
    targets[numbers == UNLABELLED] = UNLABELLED
    for row, example in enumerate(examples):
        if (probabilities := told.pop(example.text, None)) is not None:
            agree = probabilities.argmax(axis=1) == numbers[row]
            share = np.where(numbers[row] == UNLABELLED, 1.0, config.teachers_share * agree)[:, None]
            targets[row] = (1 - share) * targets[row] + share * probabilities
    texts = [*(example.text for example in examples), *told]
    return tokenised(texts, [*targets.tolist(), *(rows.tolist() for rows in told.values())], tokenizer, config.length)


def read_taught(path: Path, schema: Schema, name: str = "text") -> dict[str, np.ndarray]:
    """Text, or key, -> probabilities of shape (topics, labels). Raises InputError that names the first line without."""
    told = {}
    for number, row in read_rows(path):
        try:
            rows = np.array([row["probabilities"][topic] for topic in schema.topic_names], dtype=float)
        except (KeyError, TypeError, ValueError):
            rows = np.empty(0)
        if name not in row:  # --remember writes keys in the place of texts
            raise InputError(
                f"expected a {name} in {path} line {number}, found only {', '.join(row)}; "
                "write the file again with python -m train.distill"
            )
        if rows.shape != (len(schema.topics), len(schema.labels)) or not np.allclose(rows.sum(axis=1), 1, atol=0.01):
            raise InputError(
                f"expected a probability of each label for each topic in {path} line {number}, found none; "
                "write the file again with python -m train.distill"
            )
        told[str(row[name])] = rows
    return told


if __name__ == "__main__":
    main()
