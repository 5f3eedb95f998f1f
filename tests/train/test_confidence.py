"""Calibration error and abstaining, against cases that can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from train.confidence import BINS, abstaining, confidence_report, reliability_bins, risk_curve, thresholds


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
    assert thresholds(sure, right) == [0.99] * 3
    assert thresholds(sure, np.zeros(5, dtype=bool)) == [None] * 3


def test_a_threshold_is_enough_where_just_so_many_answers_are_right() -> None:
    sure, right = 1 - np.arange(1, 101) / 200, np.arange(100) < 90
    assert thresholds(sure, right) == [0.5, 1 - 94 / 200, 1 - 91 / 200]  # right are 90 of 100, of 94 and of 91


def test_thresholds_are_judged_on_rows_that_they_were_not_chosen_by() -> None:
    sure, right = np.array([0.9, 0.8, 0.7, 0.2]), np.array([True, False, True, True])
    nine, more, most = abstaining(sure, right, [0.7, 0.95, None])
    assert nine == {"right": 0.9, "threshold": 0.7, "coverage": 0.75, "accuracy": pytest.approx(2 / 3)}
    assert more["coverage"] == most["coverage"] == 0 and more["accuracy"] is most["accuracy"] is None


def test_temperatures_change_the_error_and_not_what_is_right() -> None:
    random = np.random.default_rng(0)
    true = random.integers(0, 4, size=(400, 2))
    logits = 6 * np.eye(4)[np.where(random.random((400, 2)) < 0.7, true, (true + 1) % 4)]
    raw, calmer = (np.exp(x) / np.exp(x).sum(-1, keepdims=True) for x in (logits, logits / 3))
    report = confidence_report(raw, calmer, true)
    assert report["ece_before"] > 0.25 > 0.15 > report["ece_after"]
    assert report["ece_seen_before"] > report["ece_seen_after"] and report["chosen_on"] == "these rows"
    unknown = confidence_report(raw, calmer, np.where(np.arange(2) == 1, -100, true))
    assert unknown["ece_before"] == pytest.approx(report["ece_before"], abs=0.05)


def test_a_row_is_as_sure_as_its_least_sure_topic() -> None:
    surest = np.array([[0.9, 0.8], [0.95, 0.6], [0.7, 0.7]])  # the first topic is seen, the second ruled out
    probabilities = (
        np.stack([[1 - first, first] for first in surest[:, 0]]),
        np.array([[p, 1 - p] for p in surest[:, 1]]),
    )
    calibrated = np.stack(probabilities, axis=1)
    true = np.array([[1, 0], [1, 1], [1, 0]])
    report = confidence_report(calibrated, calibrated, true)
    assert report["aurc_rows"] == pytest.approx((0 + 0 + 1 / 3) / 3)  # the wrong row is the least sure
    assert report["abstaining_rows"][0] == {
        "right": 0.9, "threshold": 0.7, "coverage": pytest.approx(2 / 3), "accuracy": 1.0,
    }  # fmt: skip
    unknown = confidence_report(calibrated, calibrated, np.array([[1, 0], [1, -100], [1, 0]]))
    assert unknown["aurc_rows"] == 0 and unknown["abstaining_rows"][0]["coverage"] == 1


def test_rows_are_ordered_by_what_is_calibrated() -> None:
    raw, calibrated = (np.array([[[1 - p, p]] for p in sure]) for sure in ([0.9, 0.8, 0.7], [0.6, 0.7, 0.8]))
    report = confidence_report(raw, calibrated, np.array([[0], [1], [1]]))
    assert report["aurc_rows"] == pytest.approx((0 + 0 + 1 / 3) / 3)  # raw, the wrong row would be the surest
    assert [row["threshold"] for row in report["abstaining_rows"]] == [0.7] * 3


def test_the_error_over_what_is_seen_leaves_out_what_is_ruled_out() -> None:
    seen, out = np.array([0.9, 0.95, 0.7]), np.array([0.8, 0.6, 0.7])
    raw = np.stack([np.stack([1 - seen, seen], axis=-1), np.stack([out, 1 - out], axis=-1)], axis=1)
    calmer = 0.8 * raw + 0.1
    report = confidence_report(raw, calmer, np.array([[1, 0], [1, 1], [1, 0]]))
    assert report["ece_seen_before"] == pytest.approx((0.1 + 0.05 + 0.3) / 3)
    assert report["ece_before"] == pytest.approx((0.1 + 0.05 + 0.3 + 0.2 + 0.6 + 0.3) / 6)
    assert report["ece_seen_after"] == pytest.approx((0.18 + 0.14 + 0.34) / 3)
    assert report["ece_after"] == pytest.approx((0.18 + 0.14 + 0.34 + 0.26 + 0.58 + 0.34) / 6)
