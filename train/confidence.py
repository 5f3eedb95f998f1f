"""How far a model's probabilities can be trusted: calibration error, and what abstaining below a threshold buys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

BINS = 15
RIGHT = (0.9, 0.95, 0.98)
"""Shares of right answers for which a threshold is given."""


def reliability_bins(sure: np.ndarray, right: np.ndarray) -> dict[str, Any]:
    """Confidence against accuracy in bins of equal mass, and ECE; `sure` and `right` (answers,).

    Nixon et al. 2019, Measuring calibration in deep learning (adaptive bins).
    """
    bins = [part for part in np.array_split(np.argsort(sure, kind="stable"), BINS) if len(part)]
    confidence = np.array([sure[part].mean() for part in bins])
    accuracy = np.array([right[part].mean() for part in bins])
    weight = np.array([len(part) for part in bins]) / max(len(sure), 1)
    return {"confidence": confidence, "accuracy": accuracy, "ece": float((weight * abs(accuracy - confidence)).sum())}


def risk_curve(sure: np.ndarray, wrong: np.ndarray) -> dict[str, Any]:
    """Share of wrong answers among the surest; `area` is the mean risk (AURC).

    Geifman and El-Yaniv 2017, Selective classification for deep neural networks.
    """
    count = np.arange(1, len(wrong) + 1)
    risk = np.cumsum(wrong[np.argsort(-sure, kind="stable")]) / count
    return {"coverage": count / max(len(wrong), 1), "risk": risk, "area": float(risk.mean()) if len(risk) else None}


def thresholds(sure: np.ndarray, right: np.ndarray) -> list[float | None]:
    """For each share in RIGHT the lowest threshold at which the answers not below it are right so often; None where
    none is enough."""
    order = np.argsort(-sure, kind="stable")
    share, ends = np.cumsum(right[order]) / np.arange(1, len(order) + 1), np.append(np.diff(sure[order]) != 0, True)
    enough = [np.flatnonzero((share >= wanted) & ends) for wanted in RIGHT]
    return [float(sure[order][places[-1]]) if len(places) else None for places in enough]


def abstaining(sure: np.ndarray, right: np.ndarray, chosen: Sequence[float | None]) -> list[dict[str, float | None]]:
    """For each share in RIGHT and the threshold `chosen` for it: which share of the answers is not below that one
    (`coverage`), and how many of those are right (`accuracy`); None where there are none."""
    found = []
    for wanted, threshold in zip(RIGHT, chosen, strict=True):
        kept = right[sure >= (2 if threshold is None else threshold)]
        coverage, accuracy = (len(kept) / len(right), float(kept.mean())) if len(kept) else (0.0, None)
        found.append({"right": wanted, "threshold": threshold, "coverage": coverage, "accuracy": accuracy})
    return found


def thresholds_of(report: Mapping[str, Any]) -> list[float | None]:
    """The thresholds in what `confidence_report` returned, to judge other rows by."""
    return [row["threshold"] for row in report["abstaining_rows"]]


def confidence_report(
    raw: np.ndarray, calibrated: np.ndarray, true: np.ndarray, chosen: Sequence[float | None] | None = None
) -> dict[str, Any]:
    """Probabilities (rows, topics, labels) before and after calibration, `true` (rows, topics), -100 where unknown ->
    ECE before and after it, over all labels and over those of the topics that the model sees, which most labels are
    not; for whole rows the area under the risk-coverage curve and what abstaining below thresholds buys.

    `chosen` are the thresholds, found on other rows; without it they are found on these. A row is as sure as its least
    sure topic.
    """
    known, wrong = true >= 0, raw.argmax(axis=-1) != true
    seen = known & (raw.argmax(axis=-1) > 0)
    before, after = (probabilities.max(axis=-1) for probabilities in (raw, calibrated))
    rows, right = np.where(known, after, 1).min(axis=1), ~(wrong & known).any(axis=1)
    return {
        "ece_before": reliability_bins(before[known], ~wrong[known])["ece"],
        "ece_after": reliability_bins(after[known], ~wrong[known])["ece"],
        "ece_seen_before": reliability_bins(before[seen], ~wrong[seen])["ece"],
        "ece_seen_after": reliability_bins(after[seen], ~wrong[seen])["ece"],
        "aurc_rows": risk_curve(rows, ~right)["area"],
        "chosen_on": "these rows" if chosen is None else "the development split",
        "abstaining_rows": abstaining(rows, right, thresholds(rows, right) if chosen is None else chosen),
    }
