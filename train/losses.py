"""The training loss: one softmax a topic over the model's flat outputs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn.functional import cross_entropy, log_softmax

from train.data import UNLABELLED, Example
from wijha.schema import Schema


class TopicLoss:
    """Sum of one weighted cross-entropy a topic; a topic without a label counts nothing."""

    def __init__(self, schema: Schema, weights: torch.Tensor | None = None, smoothing: float = 0.0) -> None:
        """`weights` (topics, labels): what an example of that label weighs."""
        self.shape = (len(schema.topics), len(schema.labels))
        self.weights = torch.ones(self.shape) if weights is None else weights
        self.smoothing = smoothing

    def __call__(
        self, outputs: object, labels: torch.Tensor, num_items_in_batch: torch.Tensor | int | None = None
    ) -> torch.Tensor:
        """`outputs.logits` (batch, topics * labels), `labels` (batch, topics) -> the mean over labelled cells
        times the number of topics.

        `labels` of shape (batch, topics, labels) say how much of each label is learned (train.distill); a cell without
        any is UNLABELLED all over.
        `num_items_in_batch` is the number of labelled cells of the whole optimiser step, over all processes and
        micro-batches, so that a step is the same however it is divided (the Trainer's compute_loss_func).
        """
        logits = outputs.logits.float().reshape(-1, *self.shape)  # type: ignore[attr-defined]
        if labels.ndim == 3:
            known = labels != UNLABELLED
            cells = known.sum().clamp(min=1) if num_items_in_batch is None else num_items_in_batch
            learned = labels.masked_fill(~known, 0.0) * log_softmax(logits, dim=-1)
            return -learned.sum() / cells * labels[0].numel()
        weights = self.weights.to(logits.device)
        losses = [
            cross_entropy(
                logits[:, topic], labels[:, topic], weights[topic],
                ignore_index=UNLABELLED, label_smoothing=self.smoothing, reduction="sum",
            )
            for topic in range(self.shape[0])
        ]  # fmt: skip
        cells = (labels != UNLABELLED).sum().clamp(min=1) if num_items_in_batch is None else num_items_in_batch
        return torch.stack(losses).sum() / cells * self.shape[0]


def label_weights(examples: Sequence[Example], schema: Schema, power: float) -> torch.Tensor:
    """1 / frequency ** power of each label, shape (topics, labels); a topic's examples weigh 1 on average."""
    weights = torch.ones(len(schema.topics), len(schema.labels))
    for row, topic in enumerate(schema.topic_names):
        given = [example.labels[topic] for example in examples if example.labels[topic] is not None]
        counts = torch.tensor([given.count(label) for label in schema.label_names], dtype=torch.float)
        scale = counts.clamp(min=1) ** -power
        if given:
            weights[row] = scale * counts.sum() / (scale * counts).sum()
    return weights
