"""The biases of a finished run's labels, fitted anew: how readily it says each of sentences as they come.

    python -m train.biases runs/mixed/model data/annotated.local.jsonl

Weights of classes and batches of targets or of changed sentences teach other shares of the labels than the file's. What
is added to the biases of the output layer makes the labels of its development sentences likeliest; no other weight
changes (Alexandari et al. 2020, Maximum likelihood with bias-corrected calibration is hard-to-beat at label shift
adaptation). The folder's temperatures, scores, card and manifest are made again; what `train.export` wrote goes.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from scipy.optimize import minimize
from scipy.special import log_softmax

from train.calibration import ENOUGH
from train.command import command_line, one_sentence_errors
from train.data import Example, label_numbers, load_examples, split
from train.finetune import finish_again
from train.provenance import whole_splits
from wijha.classifier import Classifier
from wijha.errors import InputError
from wijha.files import file_sha256
from wijha.golden import unseal
from wijha.manifest import FIRST

BIAS = "classifier.bias"


def main() -> None:
    """Command line."""
    parser = command_line(__doc__)
    parser.add_argument("model", type=Path, help="the model folder of a finished run")
    parser.add_argument("data", type=Path, help="labelled sentences; those of development are fitted")
    arguments = parser.parse_args()
    with one_sentence_errors():
        rebias(arguments.model, arguments.data)


def rebias(folder: Path, data: Path) -> np.ndarray:
    """Add to the biases of the model in `folder` what fits the development sentences of `data`; returns that, shape
    (topics, labels).

    Raises InputError for a folder of two models or of no finished run, where `data` or the run's data is missing, and
    where `data` has no development sentences.
    """
    if (folder / FIRST).exists():
        raise InputError(f"expected one model in {folder}, found two; name the folder of the run that they came of")
    classifier = Classifier.load(folder)
    splits = whole_splits(folder, classifier.schema)
    examples = split(load_examples(data, classifier.schema))["development"]
    if not examples:
        raise InputError(f"expected development sentences in {data}, found none; add some, with that as their split")
    read = {str(data): file_sha256(data)}
    added = fit_biases(classifier, examples)
    for topic, biases in zip(classifier.schema.topic_names, added.tolist(), strict=True):
        print(topic, *(f"{name} {bias:+.2f}" for name, bias in zip(classifier.schema.label_names, biases, strict=True)))
    exported = (folder / "export.json").exists()
    unseal(folder)
    (folder / "export.json").unlink(missing_ok=True)
    shutil.rmtree(folder / "openvino", ignore_errors=True)
    add_biases(folder / "model.safetensors", added)
    finish_again(folder, splits, {"biases": read}, biases=str(data))
    if exported:
        print(f"{folder}/openvino was of other biases and is gone; export it again: python -m train.export {folder}")
    return added


def fit_biases(classifier: Classifier, examples: Sequence[Example]) -> np.ndarray:
    """What to add to the outputs for the least negative log-likelihood, shape (topics, labels), 0 for the second label;
    a topic that fewer than ENOUGH of these sentences have, or that lacks one of the labels in them, keeps its own."""
    logits, true = classifier.logits([each.text for each in examples]), label_numbers(examples, classifier.schema)
    added = np.zeros(logits.shape[1:])
    for topic, known in enumerate((true >= 0).T):
        counts = np.bincount(true[known, topic], minlength=added.shape[1])
        if counts[1:].sum() >= ENOUGH and counts.all():
            added[topic] = _likeliest(logits[known, topic].astype(float), true[known, topic])
    return added


def _likeliest(logits: np.ndarray, true: np.ndarray) -> np.ndarray:
    """The biases (labels,) for `logits` (rows, labels) and `true` (rows,)."""
    right = np.eye(logits.shape[1])[true]

    def loss(biases: np.ndarray) -> tuple[float, np.ndarray]:
        likelihood = log_softmax(logits + biases, axis=-1)
        return -float((likelihood * right).sum(axis=-1).mean()), (np.exp(likelihood) - right).mean(axis=0)

    best = minimize(loss, np.zeros(logits.shape[1]), jac=True).x
    return np.asarray(best - best[1])


def add_biases(file: Path, added: np.ndarray) -> None:
    """Add `added` (topics, labels) to the output layer's biases in a weight file; those of a target asked for stay."""
    weights = load_file(file)
    bias = weights[BIAS].float()
    bias[: added.size] += torch.from_numpy(added.reshape(-1)).float()
    save_file(weights | {BIAS: bias.to(weights[BIAS].dtype)}, file, metadata={"format": "pt"})


if __name__ == "__main__":
    main()
