"""The model that is fine-tuned: its dropout, and the learning rate and decay of each parameter."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from train.config import FinetuneConfig
from train.model import build_classifier, parameter_groups
from wijha.schema import Schema

# The encoder has two layers; each learns half as fast as what is above it.
RATES = {"embeddings.": 0.125, "layer.0.": 0.25, "layer.1.": 0.5, "pooler.": 1.0, "classifier.": 1.0}


def test_lower_layers_learn_slower_and_matrices_alone_decay(settings: dict[str, object], tmp_path: Path) -> None:
    changed = settings | {"learning_rate": 1.0, "layer_decay": 0.5, "weight_decay": 0.1}
    config = FinetuneConfig(**changed, output=tmp_path)  # type: ignore[arg-type]
    model = build_classifier(config, Schema.from_yaml(config.schema))
    found = {
        id(parameter): (group["lr"], group["weight_decay"])
        for group in parameter_groups(model, config)
        for parameter in group["params"]  # type: ignore[attr-defined]
    }
    parameters = dict(model.named_parameters())
    assert len(found) == len(parameters)
    for name, parameter in parameters.items():
        rate = next(rate for part, rate in RATES.items() if part in name)
        vector = name.endswith("bias") or "LayerNorm" in name
        assert found[id(parameter)] == (rate, 0.0 if vector else 0.1), name


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_dropout_is_that_of_the_config(settings: dict[str, object], tmp_path: Path, share: float) -> None:
    config = FinetuneConfig(**settings | {"dropout": share}, output=tmp_path)  # type: ignore[arg-type]
    model = build_classifier(config, Schema.from_yaml(config.schema))
    shares = {name: part.p for name, part in model.named_modules() if isinstance(part, torch.nn.Dropout)}
    assert shares == {name: 0.0 if ".self." in name else share for name in shares}
    assert {"dropout", "bert.embeddings.dropout", "bert.encoder.layer.1.output.dropout"} <= set(shares)
