"""Scores against numbers worked out by hand and against scikit-learn."""

from __future__ import annotations

from math import isqrt
from pathlib import Path

import evaluate
import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score

from train.scores import (
    cell_counts,
    evaluate_counts,
    intervals,
    mcnemar,
    paired_differences,
    resampled,
    resampling_weights,
    stories_right,
)
from wijha import Schema

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = Schema.from_yaml(ROOT / "configs" / "schema.yaml")


@pytest.fixture
def random_labels() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    true = random.integers(0, 4, (200, 4))
    predicted = np.where(random.random((200, 4)) < 0.7, true, random.integers(0, 4, (200, 4)))
    return predicted, true


def test_by_hand() -> None:
    true = np.array([[2, 0, 0, 0], [3, 0, 0, 1], [0, 0, -100, 2]])
    predicted = np.array([[2, 0, 0, 0], [2, 0, 0, 1], [1, 0, 3, 2]])
    values = evaluate_counts(cell_counts(predicted, true, 4), SCHEMA)
    assert values["topic_micro_f1"] == pytest.approx(2 * 4 / (5 + 4))  # found 4 of 4, one false alarm
    assert values["favor.f1"] == pytest.approx(2 * 2 / (3 + 2))
    assert values["against.f1"] == 0
    assert values["neutral.f1"] == pytest.approx(2 * 1 / (2 + 1))
    assert values["favg2"] == pytest.approx((0.8 + 0) / 2)
    assert values["favg3"] == pytest.approx((0.8 + 0 + 2 / 3) / 3)
    assert values["exact_rows"] == pytest.approx(1 / 3)


def test_against_scikit_learn(random_labels: tuple[np.ndarray, np.ndarray]) -> None:
    predicted, true = random_labels
    values = evaluate_counts(cell_counts(predicted, true, 4), SCHEMA)
    flat = f1_score(true.ravel(), predicted.ravel(), labels=[2, 3], average="macro")
    assert values["favg2"] == pytest.approx(flat)
    assert values["macro_f1"] == pytest.approx(f1_score(true.ravel(), predicted.ravel(), average="macro"))
    topic = f1_score(true[:, 1], predicted[:, 1], labels=[1, 2, 3], average="macro")
    assert values["de_escalation_zones.favg3"] == pytest.approx(topic)
    assert values["topic_macro_f1"] == pytest.approx(f1_score(true > 0, predicted > 0, average="macro"))
    polar = [f1_score(true[:, n], predicted[:, n], labels=[2, 3], average="macro") for n in range(4)]
    assert [values[f"{topic}.favg2"] for topic in SCHEMA.topic_names] == pytest.approx(polar)
    assert values["favg2_by_topic"] == pytest.approx(np.mean(polar))
    is_against = true[:, 0] == 3, predicted[:, 0] == 3
    assert values["political_settlement.against.precision"] == pytest.approx(precision_score(*is_against))
    assert values["political_settlement.against.recall"] == pytest.approx(recall_score(*is_against))


def test_metric_module_loads_without_a_network(random_labels: tuple[np.ndarray, np.ndarray]) -> None:
    predicted, true = random_labels
    metric = evaluate.load(str(ROOT / "train/metrics/topic_stance"))
    values = metric.compute(predictions=predicted, references=true, schema=SCHEMA.to_dict())
    assert values == evaluate_counts(cell_counts(predicted, true, 4), SCHEMA)


def test_intervals_contain_the_score_and_narrow_with_rows(random_labels: tuple[np.ndarray, np.ndarray]) -> None:
    counts = cell_counts(*random_labels, 4)
    widths = []
    for copies in (1, 9):
        many = np.concatenate([counts] * copies)
        weights = resampling_weights([str(i) for i in range(len(many))])
        low, high = intervals(resampled(many, weights, SCHEMA))["favg3"]
        assert low < evaluate_counts(many, SCHEMA)["favg3"] < high
        widths.append(high - low)
    assert widths[0] / widths[1] == pytest.approx(3, rel=0.2)


def test_intervals_leave_out_a_fortieth_at_either_end() -> None:
    even = np.arange(1_001) / 1_000
    assert intervals({"favg3": even})["favg3"] == pytest.approx((0.025, 0.975))
    difference = paired_differences({"favg3": even + 3, "favor.f1": even}, {"favg3": np.full(1_001, 3)})
    assert difference == {"favg3": {"interval": pytest.approx((0.025, 0.975)), "p": pytest.approx(1 / 1_001)}}


def test_a_sample_has_the_scores_of_the_rows_that_are_drawn(random_labels: tuple[np.ndarray, np.ndarray]) -> None:
    counts = cell_counts(*random_labels, 4)
    weights = resampling_weights([str(isqrt(row)) for row in range(len(counts))], resamples=5)
    assert len(set(weights.sum(axis=1))) > 1  # stories are of 1 to 27 rows
    samples = resampled(counts, weights, SCHEMA)
    for number, drawn in enumerate(weights.astype(int)):
        expected = evaluate_counts(counts.repeat(drawn, axis=0), SCHEMA)
        assert {name: values[number] for name, values in samples.items()} == pytest.approx(expected)


def test_a_pair_is_right_only_as_a_whole() -> None:
    true = np.array([[2, 0, 0, 0], [3, 0, 0, 0], [0, 1, 0, 0], [0, 2, 0, 0]])
    predicted = np.array([[2, 0, 0, 0], [3, 0, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0]])
    assert stories_right(cell_counts(predicted, true, 4), ["a", "a", "b", "b"]) == 0.5


def test_rows_of_a_story_are_drawn_together() -> None:
    weights = resampling_weights(["a", "a", "b", "c"], resamples=50)
    assert (weights[:, 0] == weights[:, 1]).all() and (weights[:, 1:].sum(axis=1) == 3).all()


def test_paired_difference_of_a_better_system(random_labels: tuple[np.ndarray, np.ndarray]) -> None:
    predicted, true = random_labels
    weights = resampling_weights([str(i) for i in range(len(true))])
    ours = resampled(cell_counts(true, true, 4), weights, SCHEMA)
    theirs = resampled(cell_counts(predicted, true, 4), weights, SCHEMA)
    assert paired_differences(ours, theirs)["favg3"]["p"] == 0
    assert paired_differences(ours, ours)["favg3"]["p"] == 1


@pytest.mark.parametrize(("better", "worse", "p"), [(0, 0, 1), (5, 5, 1), (0, 5, 0.0625), (1, 9, 0.021484375)])
def test_mcnemar_is_the_exact_binomial(better: int, worse: int, p: float) -> None:
    assert mcnemar(better, worse) == mcnemar(worse, better) == pytest.approx(p)
