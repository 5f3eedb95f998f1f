"""Topic and stance scores as a metric of the `evaluate` library, loaded from this folder without a network."""

import datasets
import evaluate
import numpy

import train.scores
import wijha.schema

_DESCRIPTION = "Topic detection F1, Favg2, Favg3 and exact rows of grouped topic labels; see train/scores.py."


class TopicStance(evaluate.Metric):
    """compute(predictions, references, schema): label numbers a row and topic, -100 where a topic is unlabelled."""

    def _info(self):
        row = datasets.Sequence(datasets.Value("int64"))
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation="",
            inputs_description="predictions and references: label numbers a row; schema: Schema.to_dict()",
            features=datasets.Features({"predictions": row, "references": row}),
        )

    def _compute(self, predictions, references, schema):
        schema = wijha.schema.Schema.from_dict(schema, "the metric's schema")
        counts = train.scores.cell_counts(numpy.array(predictions), numpy.array(references), len(schema.labels))
        return train.scores.evaluate_counts(counts, schema)
