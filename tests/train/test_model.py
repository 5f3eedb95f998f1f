"""The model that is fine-tuned: its dropout, and the learning rate and decay of each parameter."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from train.config import FinetuneConfig
from train.model import build_classifier, parameter_groups
from wijha.schema import Schema, Topic

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
def test_dropout_is_that_of_the_config(
    settings: dict[str, object], encoder: Path, tmp_path: Path, share: float
) -> None:
    own = Path(shutil.copytree(encoder, tmp_path / "encoder"))  # one that has a rate of its own before the outputs
    kept = json.loads((own / "config.json").read_text(encoding="utf-8"))
    (own / "config.json").write_text(json.dumps(kept | {"classifier_dropout": 0.7}), encoding="utf-8")
    (own / "manifest.json").unlink(missing_ok=True)
    config = FinetuneConfig(**settings | {"dropout": share, "encoder": str(own)}, output=tmp_path)  # type: ignore[arg-type]
    model = build_classifier(config, Schema.from_yaml(config.schema))
    shares = {name: part.p for name, part in model.named_modules() if isinstance(part, torch.nn.Dropout)}
    assert shares == {name: 0.0 if ".self." in name else share for name in shares}
    assert {"dropout", "bert.embeddings.dropout", "bert.encoder.layer.1.output.dropout"} <= set(shares)


def test_a_classifier_as_encoder_keeps_its_outputs_for_its_own_topics_and_labels(
    model: Path, settings: dict[str, object], tmp_path: Path
) -> None:
    schema = Schema.from_yaml(Path(str(settings["schema"])))
    config = FinetuneConfig(**settings | {"encoder": str(model)}, output=tmp_path)  # type: ignore[arg-type]
    trained = {name: tensor.float() for name, tensor in load_file(model / "model.safetensors").items()}
    other = replace(schema, topics=(Topic("prisoners"), schema.topics[2], schema.topics[0]))
    own, new, again = (build_classifier(config, each).classifier for each in (schema, other, other))
    for kind in ("weight", "bias"):
        old = trained[f"classifier.{kind}"]
        assert torch.equal(getattr(own, kind), old)
        assert torch.equal(getattr(new, kind)[4:], torch.cat([old[8:12], old[:4]]))
    assert not torch.isin(new.weight[:4], own.weight).any() and not new.bias[:4].any()
    assert new.weight[:4].std() < 0.03 and torch.equal(again.weight, new.weight)
