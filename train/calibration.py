"""Temperature scaling: one number a topic, towards scores of 0.8 of which four in five are right.

What it comes to, before and after, stands in each model's card."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from train.data import Example, label_numbers
from wijha.classifier import SETTINGS, Classifier
from wijha.files import read_json, write_json
from wijha.schema import TARGET

_RANGE = (0.25, 8.0)
ENOUGH = 50
"""Sentences with a topic below which its temperature stays 1: a few right answers would make it as sure as can be."""


def calibrate(folder: Path, examples: Sequence[Example]) -> dict[str, float]:
    """Fit each topic's temperature on `examples`, write it into the model's config.json and return it.

    It is fitted where the topic is there or is seen. Elsewhere nearly every answer is a sure and right "absent": those
    many would make the stances surer than they are. Guo et al. 2017, On calibration of modern neural networks.
    """
    classifier = Classifier.load(folder)
    logits = classifier.logits([example.text for example in examples])
    true = label_numbers(examples, classifier.schema)
    there = (true >= 0) & ((true > 0) | (logits.argmax(axis=-1) > 0))
    temperatures = {
        topic: fit_temperature(logits[there[:, row], row], true[there[:, row], row])
        for row, topic in enumerate(classifier.schema.topic_names)
    }
    config = read_json(folder / "config.json")
    before = config[SETTINGS].get("temperatures", {})
    # that of what the model is asked for is fitted by itself (train.targets)
    config[SETTINGS]["temperatures"] = temperatures | {name: before[name] for name in before if name == TARGET}
    write_json(folder / "config.json", config)
    return temperatures


def fit_temperature(logits: np.ndarray, true: np.ndarray) -> float:
    """The temperature with the least negative log-likelihood, 1 for fewer than ENOUGH rows; `logits` (rows, labels),
    `true` (rows,)."""
    if len(true) < ENOUGH:
        return 1.0

    def loss(log_temperature: float) -> float:
        likelihood = log_softmax(logits / np.exp(log_temperature), axis=-1)
        return float(-likelihood[np.arange(len(true)), true].mean())

    best = minimize_scalar(loss, bounds=tuple(np.log(_RANGE)), method="bounded")
    return round(float(np.exp(best.x)), 4)
