"""Two models on the same sentences: what got better, what got worse, and whether it could be chance."""

from __future__ import annotations

from typing import Any

from train.report.errors import named_labels
from train.report.scored import Scored
from train.scores import evaluate_counts, intervals, mcnemar, paired_differences, resampled, resampling_weights
from train.tables import HEADLINE
from wijha.errors import InputError

LISTED = 300


def compare(ours: Scored, theirs: Scored) -> dict[str, Any]:
    """Differences with 95 % intervals of a paired bootstrap over stories, McNemar's test of rows, and both lists.

    Raises InputError when the two models do not share topics and labels.
    """
    if (ours.schema.topic_names, ours.schema.label_names) != (theirs.schema.topic_names, theirs.schema.label_names):
        raise InputError(
            f"expected two models of the same topics and labels, found {', '.join(ours.schema.topic_names)} "
            f"and {', '.join(theirs.schema.topic_names)}; compare models of one schema"
        )
    weights = resampling_weights(ours.stories)
    samples = [resampled(scored.counts, weights, scored.schema) for scored in (ours, theirs)]
    scores = [evaluate_counts(scored.counts, scored.schema) for scored in (ours, theirs)]
    spans = [intervals(each) for each in samples]
    differences = paired_differences(*samples)
    better = [row for row in range(len(ours.examples)) if ours.right[row] and not theirs.right[row]]
    worse = [row for row in range(len(ours.examples)) if theirs.right[row] and not ours.right[row]]
    return {
        "scores": [
            {
                "name": title,
                "systems": [(score[key], span[key]) for score, span in zip(scores, spans, strict=True)],
                "difference": scores[0][key] - scores[1][key],
                **differences[key],
            }
            for key, title in HEADLINE.items()
        ],
        "p": mcnemar(len(better), len(worse)),
        "better": {"count": len(better), "rows": [_row(ours, theirs, row) for row in better[:LISTED]]},
        "worse": {"count": len(worse), "rows": [_row(ours, theirs, row) for row in worse[:LISTED]]},
    }


def _row(ours: Scored, theirs: Scored, row: int) -> dict[str, Any]:
    return {
        "text": ours.examples[row].text,
        "true": named_labels(ours, row, ours.true),
        "ours": named_labels(ours, row, ours.predicted),
        "theirs": named_labels(theirs, row, theirs.predicted),
    }
