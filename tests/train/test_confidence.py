"""Calibration error and abstaining, against cases that can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from train.confidence import BINS, abstaining, confidence_report, reliability_bins, risk_curve


def test_error_of_calibration_is_the_gap_between_confidence_and_accuracy() -> None:
    sure = np.repeat([0.6, 0.9], BINS * 10)
    right = np.concatenate([np.tile([1, 0], BINS * 5), np.ones(BINS * 10)]).astype(bool)
    assert reliability_bins(sure, right)["ece"] == pytest.approx(0.5 * 0.1 + 0.5 * 0.1, abs=0.02)
    assert reliability_bins(np.ones(40), np.ones(40, dtype=bool))["ece"] == 0


def test_risk_rises_with_coverage_where_the_surest_are_right() -> None:
    curve = risk_curve(np.array([0.9, 0.8, 0.7, 0.6]), np.array([False, False, True, True]))
    assert curve["risk"].tolist() == pytest.approx([0, 0, 1 / 3, 1 / 2])
    assert curve["coverage"].tolist() == [0.25, 0.5, 0.75, 1]


def test_a_threshold_keeps_all_answers_of_one_confidence_or_none() -> None:
    sure = np.array([0.99, 0.99, 0.9, 0.9, 0.5])
    right = np.array([True, True, True, False, False])
    nine, nineteen, _ = abstaining(sure, right)
    assert nine == nineteen | {"right": 0.9} and nine["threshold"] == 0.99 and nine["coverage"] == pytest.approx(0.4)
    assert abstaining(sure, np.zeros(5, dtype=bool))[0] == {"right": 0.9, "threshold": None, "coverage": None}


def test_temperatures_change_the_error_and_not_what_is_right() -> None:
    random = np.random.default_rng(0)
    true = random.integers(0, 4, size=(400, 2))
    logits = 6 * np.eye(4)[np.where(random.random((400, 2)) < 0.7, true, (true + 1) % 4)]
    raw, calmer = (np.exp(x) / np.exp(x).sum(-1, keepdims=True) for x in (logits, logits / 3))
    report = confidence_report(raw, calmer, true)
    assert report["ece_before"] > 0.25 > 0.15 > report["ece_after"]
    unknown = confidence_report(raw, calmer, np.where(np.arange(2) == 1, -100, true))
    assert unknown["ece_before"] == pytest.approx(report["ece_before"], abs=0.05)
