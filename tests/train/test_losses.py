"""The loss of grouped softmaxes against PyTorch's own cross-entropy."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch.nn.functional import cross_entropy

from train.data import Example
from train.losses import TopicLoss, label_weights
from wijha.schema import Label, Schema, Topic

SCHEMA = Schema((Topic("a"), Topic("b")), (Label("no"), Label("pro"), Label("con")))


def _outputs(rows: int) -> SimpleNamespace:
    return SimpleNamespace(logits=torch.randn(rows, 6, generator=torch.Generator().manual_seed(0), requires_grad=True))


def test_sum_of_one_cross_entropy_a_topic() -> None:
    outputs, labels = _outputs(4), torch.tensor([[0, 1], [2, 2], [1, 0], [0, 0]])
    expected = cross_entropy(outputs.logits[:, :3], labels[:, 0]) + cross_entropy(outputs.logits[:, 3:], labels[:, 1])
    assert TopicLoss(SCHEMA)(outputs, labels).item() == pytest.approx(expected.item())


def test_labels_weigh_as_they_are_told() -> None:
    outputs, labels = _outputs(4), torch.tensor([[0, 1], [2, -100], [1, 0], [0, 2]])
    weights = torch.tensor([[0.5, 2.0, 3.0], [1.0, 4.0, 0.25]])
    first = cross_entropy(outputs.logits[:, :3], labels[:, 0], reduction="none") * torch.tensor([0.5, 3.0, 2.0, 0.5])
    second = cross_entropy(outputs.logits[:, 3:], labels[:, 1], reduction="none") * torch.tensor([4.0, 0.0, 1.0, 0.25])
    expected = (first.sum() + second.sum()) / 7 * 2  # seven labels, two topics
    assert TopicLoss(SCHEMA, weights)(outputs, labels).item() == pytest.approx(expected.item())
    assert TopicLoss(SCHEMA)(outputs, labels).item() != pytest.approx(expected.item(), rel=0.1)


def test_smoothing_gives_a_share_to_every_label_alike() -> None:
    outputs, labels = _outputs(4), torch.tensor([[0, 1], [2, 2], [1, 0], [0, 0]])
    hard, even = 0.0, 0.0
    for topic, part in enumerate((outputs.logits[:, :3], outputs.logits[:, 3:])):
        hard += cross_entropy(part, labels[:, topic]).item()
        even += sum(cross_entropy(part, torch.full((4,), label)).item() for label in range(3)) / 3
    assert TopicLoss(SCHEMA, smoothing=0.3)(outputs, labels).item() == pytest.approx(0.7 * hard + 0.3 * even)
    assert abs(hard - even) > 0.1


def test_an_unlabelled_topic_gets_no_gradient() -> None:
    outputs, labels = _outputs(2), torch.tensor([[0, -100], [2, -100]])
    TopicLoss(SCHEMA)(outputs, labels).backward()
    assert outputs.logits.grad[:, :3].abs().sum() > 0
    assert outputs.logits.grad[:, 3:].abs().sum() == 0


def test_shares_of_labels_count_as_labels_do() -> None:
    outputs, labels = _outputs(4), torch.tensor([[0, 1], [2, -100], [1, 0], [0, 2]])
    shares = torch.nn.functional.one_hot(labels.clamp(min=0), 3).float()
    shares[1, 1] = -100
    assert TopicLoss(SCHEMA)(outputs, shares).item() == pytest.approx(TopicLoss(SCHEMA)(outputs, labels).item())
    divided = TopicLoss(SCHEMA)(outputs, shares, 21)  # numbers that are no UNLABELLED, as the Trainer counts them
    assert divided.item() == pytest.approx(TopicLoss(SCHEMA)(outputs, labels).item())
    assert TopicLoss(SCHEMA)(outputs, shares, 42).item() == pytest.approx(divided.item() / 2)
    divided.backward()
    assert outputs.logits.grad[1, 3:].abs().sum() == 0 and outputs.logits.grad[1, :3].abs().sum() > 0


def test_divided_steps_add_up() -> None:
    outputs, labels = _outputs(4), torch.tensor([[0, 1], [2, -100], [1, 0], [0, 0]])
    loss = TopicLoss(SCHEMA, smoothing=0.1)
    parts = [loss(SimpleNamespace(logits=outputs.logits[i : i + 2]), labels[i : i + 2], 7) for i in (0, 2)]
    assert sum(part.item() for part in parts) == pytest.approx(loss(outputs, labels, 7).item())


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_label_weights(power: float) -> None:
    examples = [Example(str(i), "t", {"a": "no" if i < 8 else "pro", "b": None}, str(i), {}) for i in range(10)]
    weights = label_weights(examples, SCHEMA, power)
    assert (0.8 * weights[0, 0] + 0.2 * weights[0, 1]).item() == pytest.approx(1)
    assert (weights[0, 1] / weights[0, 0]).item() == pytest.approx(4**power)
