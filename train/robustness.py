"""How often a model says the same of a sentence that is spelt otherwise or mistyped.

    python -m train.robustness MODEL [FILE] [--rows N]     # FILE: labelled rows like data/written.jsonl

Without FILE: the test split of the model's training data, as far as that is here. Of each change it counts the rows
that it alters, how many of them keep their token ids (the normaliser covers it) and how many all their labels, with
95 % bootstrap intervals over stories. Prints a Markdown table and writes MODEL/robustness.json.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from train.command import command_line, one_sentence_errors
from train.data import Example, load_examples
from train.perturbations import LOOSE, NOISE, SPELLINGS, Change, changed
from train.provenance import run_data, run_splits
from train.scores import intervals, resampling_weights
from train.tables import markdown
from wijha.arguments import positive
from wijha.classifier import Classifier
from wijha.errors import InputError
from wijha.files import write_json

RATES = (0.02, 0.05, 0.1)


def main() -> None:
    """Command line."""
    parser = command_line(__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("file", type=Path, nargs="?")
    parser.add_argument("--rows", type=positive, help="use only so many rows, spread evenly")
    parser.add_argument("--seed", type=int, default=13)
    arguments = parser.parse_args()
    with one_sentence_errors():
        result = measure(arguments.model, arguments.file, arguments.rows, arguments.seed)
    print(table(result))


def measure(folder: Path, file: Path | None = None, rows: int | None = None, seed: int = 13) -> dict[str, Any]:
    """Measure every change, write robustness.json into `folder` and return it."""
    classifier = Classifier.load(folder)
    if file:
        sources, examples = [file], load_examples(file, classifier.schema)
    else:
        sources = [path for path in run_data(folder) if path.exists()]
        examples = run_splits(folder, classifier.schema, partly=True)["test"]
    examples = spread(examples, rows)
    if not examples:
        raise InputError("expected sentences to change, found none: the model's training data is not here; name a FILE")
    probe = Probe(classifier, examples, seed)
    result = {
        "source": [str(path) for path in sources],
        "split": None if file else "test",
        "sentences": len(examples),
        "seed": seed,
        "spellings": {name: probe(name, change) for name, change in (SPELLINGS | LOOSE).items()},
        "noise": {
            kind: {f"{rate:.0%}": probe(f"{kind} {rate}", of_rate(rate)) for rate in RATES}
            for kind, of_rate in NOISE.items()
        },
    }
    write_json(folder / "robustness.json", result)
    return result


def spread(examples: Sequence[Example], rows: int | None) -> list[Example]:
    """`rows` of the examples, evenly spread; all where there are not more."""
    count = len(examples) if rows is None else min(rows, len(examples))
    return [examples[number * len(examples) // count] for number in range(count)]


class Probe:
    """A model and what it says of the unchanged sentences."""

    def __init__(self, classifier: Classifier, examples: Sequence[Example], seed: int) -> None:
        self._classifier, self._seed = classifier, seed
        self._texts = [example.text for example in examples]
        self._ids = self._read(self._texts)
        self._labels = classifier.logits(self._texts).argmax(axis=-1)
        self._weights = resampling_weights([example.story for example in examples], seed)

    def __call__(self, name: str, change: Change) -> dict[str, Any]:
        """Of the rows that `change` alters: their number, and the shares with equal token ids and equal labels."""
        texts = changed(self._texts, change, f"{self._seed} {name}")
        altered = np.array([new != old for new, old in zip(texts, self._texts, strict=True)])
        same_ids = np.array([new == old for new, old in zip(self._read(texts), self._ids, strict=True)])
        same = same_ids.copy()
        others = np.flatnonzero(~same_ids)  # a model reads nothing but ids: equal ones need no second look
        found = self._classifier.logits([texts[number] for number in others]).argmax(axis=-1)
        same[others] = (found == self._labels[others]).all(axis=-1)
        drawn = self._weights * altered
        drawn = drawn[drawn.sum(axis=1) > 0]  # a sample may miss the few rows that a rare change alters
        shares = {"same_ids": same_ids, "same_labels": same}
        result: dict[str, Any] = {"rows": int(altered.sum())}
        if result["rows"]:
            samples = {key: drawn @ values / drawn.sum(axis=1) for key, values in shares.items()}
            result |= {key: float(values[altered].mean()) for key, values in shares.items()}
            result["interval"] = intervals(samples)["same_labels"]
        return result

    def _read(self, texts: list[str]) -> list[tuple[list[int], ...]]:
        """Of each text its token ids for every model that reads it."""
        return list(zip(*(reader.token_ids(texts) for reader in self._classifier.readers), strict=True))


def table(result: dict[str, Any]) -> str:
    """Every change as a row of Markdown."""
    noise = {f"{kind}, {rate}": cell for kind, rates in result["noise"].items() for rate, cell in rates.items()}
    rows = []
    for name, cell in (result["spellings"] | noise).items():
        shares = ["-", "-"]
        if cell["rows"]:
            low, high = cell["interval"]
            shares = [f"{cell['same_ids']:.1%}", f"{cell['same_labels']:.1%} ({low:.1%}-{high:.1%})"]
        rows.append([name, f"{cell['rows']:,}", *shares])
    return markdown(["change", "rows altered", "same token ids", "same labels (95 % interval)"], rows)


if __name__ == "__main__":
    main()
