"""Score a saved model, and the baselines beside it, on a labelled file.

    python -m train.evaluation MODEL [FILE]        # FILE: .jsonl, .csv or .parquet with text and a column a topic
    python -m train.evaluation MODEL [FILE] --blind

Without FILE: the real news beside the checkout where it is there, else the repository's own test split. Writes
MODEL/evaluation-<name>.json and prints a table. The model predicts through the same class that a user loads. --blind
masks the words that the topics go by (`search` in configs/keywords.yaml): what is left of a score did not hang on them.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import evaluate
import numpy as np
import yaml
from scipy.special import softmax

from train.baselines import KEYWORDS, Baselines
from train.command import one_sentence_errors
from train.confidence import confidence_report
from train.data import Example, file_sha256, label_numbers, load_examples, split
from train.scores import (
    cell_counts,
    exact_rows,
    intervals,
    mcnemar,
    paired_differences,
    resampled,
    resampling_weights,
    stories_right,
)
from train.tables import score_table
from wijha.classifier import Classifier
from wijha.errors import InputError
from wijha.files import write_json
from wijha.schema import Schema
from wijha.text import normalise

REAL_NEWS = Path("../shared/real_news/validation.jsonl")
METRIC = Path(__file__).parent / "metrics" / "topic_stance"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("file", type=Path, nargs="?")
    parser.add_argument("--blind", action="store_true", help="mask the words that the topics go by")
    arguments = parser.parse_args()
    with one_sentence_errors():
        evaluate_model(arguments.model, arguments.file, arguments.blind)


def evaluate_model(folder: Path, file: Path | None, blind: bool = False) -> dict[str, Any]:
    """Score the model in `folder` on `file`, print the table, write the JSON beside the model and return it."""
    classifier = Classifier.load(folder)
    splits = run_splits(folder, classifier.schema)
    if file is None and not REAL_NEWS.exists():
        print(f"{REAL_NEWS} is not there: scoring the repository's own test split instead")
        name, examples, source = "test", splits["test"], "test split"
    else:
        path = file or REAL_NEWS
        name, examples, source = path.stem, load_examples(path, classifier.schema), file_sha256(path)
    if not examples:
        lacking = "its test split is empty" if splits["train"] else "the model's training data is not here"
        raise InputError(f"expected labelled sentences to score, found none: {lacking}; name a FILE")
    if blind:
        words = searched_words("search")
        name, examples = f"{name}-blind", [dataclasses.replace(e, text=blinded(e.text, words)) for e in examples]
    result = {"source": source, **score(classifier, examples, Baselines(splits["train"], classifier.schema))}
    write_json(folder / f"evaluation-{name}.json", result)
    print(score_table(result, f"{folder} on {name if blind else file or name} ({len(examples):,} sentences)"))
    return result


def run_splits(folder: Path, schema: Schema) -> dict[str, list[Example]]:
    """The splits that the model's run used, from its metrics.json; all empty where their data is not here.

    A line says which files are others by now than the run read.
    """
    try:
        run = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["run"]
        paths, share = [Path(name) for name in run["data"]], run["config"].get("share", 1.0)
    except (OSError, ValueError, KeyError):
        return split([])
    if not all(path.exists() for path in paths):
        return split([])
    if changed := [name for name, sha256 in run["data"].items() if file_sha256(Path(name)) != sha256]:
        print(f"{', '.join(changed)} changed since {folder} was trained: what is held out now may have been learned")
    return split([example for path in paths for example in load_examples(path, schema)], share)


def searched_words(*lists: str) -> re.Pattern[str]:
    """What finds a word of these lists of configs/keywords.yaml in a normalised text."""
    words = yaml.safe_load(KEYWORDS.read_text(encoding="utf-8"))
    return re.compile("|".join(word for name in lists for word in words[name]))


def blinded(text: str, words: re.Pattern[str]) -> str:
    """The text with [MASK] for each of its words that holds one of `words`, alone or with its neighbour."""
    plain = [normalise(word) for word in text.split()]
    hidden = {place for place, word in enumerate(plain) if words.search(word)}
    for place, pair in enumerate(pairwise(plain)):
        if not hidden & {place, place + 1} and words.search(" ".join(pair)):
            hidden |= {place, place + 1}
    return " ".join("[MASK]" if place in hidden else word for place, word in enumerate(text.split()))


def score(classifier: Classifier, examples: Sequence[Example], baselines: Baselines) -> dict[str, Any]:
    """Scores, 95 % bootstrap intervals and confusions of the model and the baselines, their differences with p, and how
    far the model's probabilities can be trusted."""
    schema, texts = classifier.schema, [example.text for example in examples]
    true = label_numbers(examples, schema)
    logits = classifier.logits(texts)
    predictions = {"model": logits.argmax(axis=-1), **baselines.predict(texts)}
    metric = evaluate.load(str(METRIC))
    weights = resampling_weights([example.story for example in examples])
    systems, samples, rows = {}, {}, {}
    for name, predicted in predictions.items():
        counts = cell_counts(predicted, true, len(schema.labels))
        samples[name], rows[name] = resampled(counts, weights, schema), exact_rows(counts)
        systems[name] = {
            "scores": metric.compute(predictions=predicted, references=true, schema=schema.to_dict()),
            "intervals": intervals(samples[name]),
            "stories_right": stories_right(counts, [example.story for example in examples]),
            "confusion": confusion_tables(counts, schema),
        }
    return {
        "sentences": len(examples),
        "systems": systems,
        "model_minus": {
            name: {
                **paired_differences(samples["model"], samples[name]),
                "mcnemar_p": mcnemar(int((rows["model"] > rows[name]).sum()), int((rows["model"] < rows[name]).sum())),
            }
            for name in baselines.predictors
        },
        "confidence": confidence_report(softmax(logits, axis=-1), classifier.calibrated(logits), true),
    }


def confusion_tables(counts: np.ndarray, schema: Schema) -> dict[str, list[list[int]]]:
    """Topic -> counts of true label (row) against predicted label (column)."""
    summed = counts.sum(axis=0).astype(int)
    return {topic: summed[row].tolist() for row, topic in enumerate(schema.topic_names)}


if __name__ == "__main__":
    main()
