"""Counts and scores of predicted against true labels, with bootstrap intervals: every number that is published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import comb
from typing import Any

import numpy as np

from wijha.schema import ANY, Schema

RESAMPLES = 1_000


def cell_counts(predicted: np.ndarray, true: np.ndarray, labels: int) -> np.ndarray:
    """Confusions of every row, shape (rows, topics, true label, predicted label); -100 in `true` counts nothing."""
    rows, topics = true.shape
    counts = np.zeros((rows, topics, labels, labels), dtype=np.float32)
    row, topic = np.nonzero(true >= 0)
    counts[row, topic, true[row, topic], predicted[row, topic]] = 1
    return counts


def scores(confusion: np.ndarray, schema: Schema) -> dict[str, np.ndarray]:
    """Every score of summed confusions of shape (..., topics, true, predicted): name -> array (...).

    `favg2` and `favg3` are the mean F1 of the polar labels and of all labels but the absent one, pooled over the
    topics (Mohammad et al. 2016, SemEval task 6); `<topic>.favg3` the same within a topic; `favg2_by_topic`
    is the mean of the topics' favg2, `macro_f1` the mean F1 of all labels; `topic_micro_f1` and `topic_macro_f1` ask
    only whether a topic is there.
    """
    names = schema.label_names
    polar = [names.index(name) for name in schema.polar] or list(range(1, len(names)))
    present = list(range(1, len(names)))
    pooled = confusion.sum(axis=-3)
    there = _presence(confusion)
    result = {
        "topic_micro_f1": _f1(there.sum(axis=-3))[..., 1],
        "topic_macro_f1": _f1(there)[..., 1].mean(axis=-1),
        "favg2": _f1(pooled)[..., polar].mean(axis=-1),
        "favg3": _f1(pooled)[..., present].mean(axis=-1),
        "favg2_by_topic": _f1(confusion)[..., polar].mean(axis=(-1, -2)),
        "macro_f1": _f1(pooled).mean(axis=-1),
    }
    for index, label in enumerate(names[1:], 1):
        result |= _prf(pooled, index, label)
    for row, topic in enumerate(schema.topic_names):
        result |= _prf(there[..., row, :, :], 1, f"{topic}.{ANY}")
        f1 = _f1(confusion[..., row, :, :])
        result[f"{topic}.favg2"] = f1[..., polar].mean(axis=-1)
        result[f"{topic}.favg3"] = f1[..., present].mean(axis=-1)
        for index, label in enumerate(names[1:], 1):
            result |= _prf(confusion[..., row, :, :], index, f"{topic}.{label}")
    return result


def _presence(confusion: np.ndarray) -> np.ndarray:
    """Confusions of absent against all other labels, shape (..., topics, 2, 2)."""
    cuts = [slice(0, 1), slice(1, None)]
    cells = [[confusion[..., a, b].sum(axis=(-1, -2)) for b in cuts] for a in cuts]
    return np.stack([np.stack(row, axis=-1) for row in cells], axis=-2)


def _f1(confusion: np.ndarray) -> np.ndarray:
    """F1 of each label, shape (..., labels); 0 where a label is neither there nor predicted."""
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    return _ratio(2 * hits, confusion.sum(axis=-1) + confusion.sum(axis=-2))


def _prf(confusion: np.ndarray, index: int, name: str) -> dict[str, np.ndarray]:
    hits = confusion[..., index, index]
    return {
        f"{name}.precision": _ratio(hits, confusion[..., :, index].sum(axis=-1)),
        f"{name}.recall": _ratio(hits, confusion[..., index, :].sum(axis=-1)),
        f"{name}.f1": _f1(confusion)[..., index],
    }


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    return np.divide(numerator, denominator, out=np.zeros(np.shape(numerator)), where=np.asarray(denominator) > 0)


def exact_rows(counts: np.ndarray) -> np.ndarray:
    """1 for each row whose labelled cells are all right, shape (rows,)."""
    wrong = counts.sum(axis=(1, 2, 3)) - np.trace(counts, axis1=2, axis2=3).sum(axis=1)
    return (wrong == 0).astype(np.float32)


def stories_right(counts: np.ndarray, stories: Sequence[str]) -> float:
    """Share of stories of which every row is right: of contrast pairs, those whose difference the system sees."""
    _, member = np.unique(np.asarray(stories), return_inverse=True)
    wrong = np.bincount(member, weights=1 - exact_rows(counts))
    return float((wrong == 0).mean())


def resampling_weights(groups: Sequence[str], seed: int = 13, resamples: int = RESAMPLES) -> np.ndarray:
    """How often each row is drawn in each bootstrap sample, shape (resamples, rows); groups are drawn whole."""
    names, member = np.unique(np.asarray(groups), return_inverse=True)
    drawn = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples)
    return drawn[:, member].astype(np.float32)


def evaluate_counts(counts: np.ndarray, schema: Schema) -> dict[str, float]:
    """All scores of one system."""
    values = {name: float(value) for name, value in scores(counts.sum(axis=0), schema).items()}
    return values | {"exact_rows": float(exact_rows(counts).mean())}


def resampled(counts: np.ndarray, weights: np.ndarray, schema: Schema) -> dict[str, np.ndarray]:
    """All scores of every bootstrap sample: name -> (resamples,)."""
    flat = weights @ counts.reshape(len(counts), -1)
    values = scores(flat.reshape(-1, *counts.shape[1:]), schema)
    return values | {"exact_rows": weights @ exact_rows(counts) / weights.sum(axis=1)}


def intervals(samples: Mapping[str, np.ndarray]) -> dict[str, tuple[float, float]]:
    """95 % percentile intervals: name -> (low, high)."""
    return {name: tuple(np.percentile(values, [2.5, 97.5]).tolist()) for name, values in samples.items()}


def mcnemar(better: int, worse: int) -> float:
    """Two-sided exact p-value that of the rows which one of two systems has right, so uneven shares fall to each.

    It takes rows for independent, where the intervals resample whole stories: of the two it is the less careful one.
    McNemar 1947, Note on the sampling error of the difference between correlated proportions; exact binomial.
    """
    changed = better + worse
    tail = sum(comb(changed, k) for k in range(min(better, worse) + 1))
    return min(1.0, 2 * tail / 2**changed)


def paired_differences(ours: Mapping[str, np.ndarray], theirs: Mapping[str, np.ndarray]) -> dict[str, dict[str, Any]]:
    """95 % interval of ours - theirs over the same bootstrap samples, and how often it is not above 0."""
    return {
        name: {
            "interval": tuple(np.percentile(ours[name] - theirs[name], [2.5, 97.5]).tolist()),
            "p": float((ours[name] - theirs[name] <= 0).mean()),
        }
        for name in ours
        if "." not in name
    }
