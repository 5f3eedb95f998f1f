"""Distillation: what the teachers' file holds, how it mixes with labels, and that a model learns from it."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from train import distill
from train.config import FinetuneConfig
from train.data import UNLABELLED, Example, load_examples, split
from train.distill import doubtful, encode_taught, opinions, read_taught, taught, to_learn
from train.finetune import finetune
from train.losses import label_weights
from train.model import load_tokenizer
from wijha import Classifier, InputError, Schema
from wijha.classifier import DOUBT, in_doubt
from wijha.golden import unseal
from wijha.records import read_rows
from wijha.writing import write_rows

OTHER = "ناقش المجلس أمس مشروع قرار جديد"


@pytest.fixture
def config(settings: dict[str, object], tmp_path: Path) -> FinetuneConfig:
    distilled = {"distilled": tmp_path / "distilled.jsonl", "epochs": 1}
    return FinetuneConfig(**(settings | distilled), output=tmp_path / "run")  # type: ignore[arg-type]


@pytest.fixture
def schema(config: FinetuneConfig) -> Schema:
    return Schema.from_yaml(config.schema)


def _teach(config: FinetuneConfig, schema: Schema, texts: list[str], label: int) -> None:
    rows = np.full((len(schema.topics), len(schema.labels)), 0.1)
    rows[:, label] = 0.7
    probabilities = dict(zip(schema.topic_names, rows.tolist(), strict=True))
    write_rows(({"text": text, "probabilities": probabilities} for text in texts), config.distilled)


def test_training_sentences_and_unlabelled_ones_are_asked_once(
    config: FinetuneConfig, schema: Schema, tmp_path: Path
) -> None:
    splits = split(load_examples(config.data[0], schema))
    (tmp_path / "more.txt").write_text(f"{OTHER}\n{splits['test'][0].text}\n{OTHER}\n", encoding="utf-8")
    assert to_learn(config, [tmp_path / "more.txt"]) == ([example.text for example in splits["train"]], [OTHER])


def test_unlabelled_rows_of_the_training_data_are_asked_too(
    config: FinetuneConfig, schema: Schema, tmp_path: Path
) -> None:
    row = {"text": OTHER, "split": "train", **dict.fromkeys(schema.topic_names)}
    (tmp_path / "bare.jsonl").write_text(json.dumps(row), encoding="utf-8")
    asked, _ = to_learn(dataclasses.replace(config, data=(*config.data, tmp_path / "bare.jsonl")), [])
    assert asked[-1] == OTHER


def test_unlabelled_sentences_in_which_no_topic_can_be_are_left_out() -> None:
    rows = [
        {"text": name, "probabilities": {"a": [1.0, 0.0], "b": [1 - p, p]}} for name, p in (("x", 0.01), ("y", 0.1))
    ]
    assert [row["text"] for row in doubtful(rows)] == ["y"]


def test_the_file_holds_the_mean_of_the_models(
    config: FinetuneConfig, schema: Schema, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Path(shutil.copytree(model, tmp_path / "other"))
    weights = load_file(model / "model.safetensors")
    weights["classifier.weight"] *= -1
    save_file(weights, other / "model.safetensors", metadata={"format": "pt"})
    unseal(other)
    monkeypatch.setattr(distill, "OUTPUT", config.distilled)
    recipe = config.output.parent / "recipe.yaml"
    kept = {"schema": str(config.schema), "data": [str(config.data[0])], "encoder": "e", "output": "o"}
    recipe.write_text(yaml.safe_dump(kept), encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["distill", str(recipe), str(model), str(other)])
    distill.main()
    told = read_taught(config.distilled, schema)
    first, second = (Classifier.load(folder).probabilities(list(told)) for folder in (model, other))
    assert in_doubt(first, DOUBT).all() and np.abs(first - second).max() > 0.05
    assert np.abs(np.stack(list(told.values())) - (first + second) / 2).max() < 1e-3


def test_what_models_said_is_kept_without_the_texts_and_stands_for_them(
    config: FinetuneConfig, schema: Schema, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distill, "OUTPUT", config.distilled)
    recipe, remembered, more = tmp_path / "recipe.yaml", tmp_path / "said.parquet", tmp_path / "more.txt"
    kept = {"schema": str(config.schema), "data": [str(config.data[0])], "encoder": "e", "output": "o"}
    recipe.write_text(yaml.safe_dump(kept), encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["distill", str(recipe), str(model), "--remember", str(remembered)])
    distill.main()
    first = config.distilled.read_bytes()
    assert "text" not in next(read_rows(remembered))[1]
    config.distilled.unlink()
    more.write_text(OTHER, encoding="utf-8")  # the models were not asked of it
    monkeypatch.setattr(sys, "argv", ["distill", str(recipe), str(remembered), "--sentences", str(more)])
    distill.main()
    assert config.distilled.read_bytes() == first


def test_the_others_are_asked_only_where_the_first_rules_out_no_topic() -> None:
    class Says:
        def __init__(self, *present: float) -> None:
            self.present, self.asked = dict(zip("abc", present, strict=True)), []

        def probabilities(self, texts: list[str]) -> np.ndarray:
            self.asked += texts
            return np.array([[[1.0, 0.0], [1 - self.present[text], self.present[text]]] for text in texts])

    first, second = Says(0.01, 0.02, 0.6), Says(0.9, 0.9, 0.2)
    said = opinions(["a", "b", "c"], [first, second])  # type: ignore[list-item]
    assert said[:, 1, 1] == pytest.approx([0.01, 0.46, 0.4])
    assert first.asked == ["a", "b", "c"] and second.asked == ["b", "c"]


def test_a_model_of_another_schema_is_refused(config: FinetuneConfig, model: Path, tmp_path: Path) -> None:
    other = tmp_path / "schema.yaml"
    other.write_text("topics: [{name: weather}]\nlabels: [{name: absent}, {name: neutral}]\n", encoding="utf-8")
    with pytest.raises(InputError, match="another in"):
        list(taught([OTHER], [Classifier.load(model)], dataclasses.replace(config, schema=other)))


def test_labels_and_probabilities_are_mixed(config: FinetuneConfig, schema: Schema) -> None:
    labels = dict.fromkeys(schema.topic_names[:-1], "favor") | {schema.topic_names[-1]: None}
    examples = [Example("a", OTHER, labels, "a", {}), Example("b", "جملة أخرى", labels, "b", {})]
    favor = schema.label_names.index("favor")
    _teach(config, schema, [OTHER], favor)
    weights = 2 * torch.ones(len(schema.topics), len(schema.labels))
    config = dataclasses.replace(config, teachers_share=0.25)
    rows = encode_taught({"train": examples}, config, load_tokenizer(config), schema, weights)
    both, alone = np.array(rows["labels"])
    assert both[0, favor] == pytest.approx(0.75 * 2 + 0.25 * 0.7) and both[0, 0] == pytest.approx(0.25 * 0.1)
    assert both[-1, favor] == pytest.approx(0.7) and both[-1].sum() == pytest.approx(1)  # no label: the teachers alone
    assert alone[0, favor] == 2 and alone[:-1].sum() == 2 * (len(schema.topics) - 1)
    assert alone[-1].tolist() == [UNLABELLED] * len(schema.labels)
    _teach(config, schema, [OTHER], 0)  # the teachers would choose another label
    contradicted, _ = np.array(
        encode_taught({"train": examples}, config, load_tokenizer(config), schema, weights)["labels"]
    )
    assert contradicted[0].tolist() == alone[0].tolist() and contradicted[-1, 0] == pytest.approx(0.7)


def test_sentences_without_a_label_are_learned(config: FinetuneConfig, schema: Schema, tmp_path: Path) -> None:
    texts = [f"{OTHER} {number}" for number in range(60)]
    _teach(config, schema, texts, 3)
    splits = split(load_examples(config.data[0], schema))
    weights = label_weights(splits["train"], schema, 0.0)
    held_out = splits | {"test": [Example("b", texts[0], {}, "b", {})]}
    for these, others in ((splits, 60), (held_out, 59)):
        rows = encode_taught(these, config, load_tokenizer(config), schema, weights)
        assert len(rows) == len(splits["train"]) + others
    runs = [dataclasses.replace(config, epochs=2, learning_rate=3e-3, output=tmp_path / name) for name in ("a", "b")]
    folder, without = finetune(runs[0]), finetune(dataclasses.replace(runs[1], distilled=None))
    taught_that, untaught = (Classifier.load(model).probabilities(texts)[..., 3].mean() for model in (folder, without))
    assert taught_that > untaught + 0.1
    assert "`train.distill`" in (folder / "README.md").read_text(encoding="utf-8")
    noted = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["run"]
    assert list(noted["distilled"]) == [str(config.distilled)] and str(config.distilled) not in noted["data"]


@pytest.mark.parametrize("probabilities", [None, {"political_settlement": [1, 0, 0, 0]}, "all", "short"])
def test_a_row_without_probabilities_is_refused(config: FinetuneConfig, schema: Schema, probabilities: object) -> None:
    if probabilities in ("all", "short"):
        row = [1, 0, 0, 1] if probabilities == "all" else [1, 0]
        probabilities = dict.fromkeys(schema.topic_names, row)
    write_rows(iter([{"text": OTHER, "probabilities": probabilities}]), config.distilled)
    with pytest.raises(InputError, match="line 1"):
        read_taught(config.distilled, schema)


def test_what_was_remembered_is_not_taken_for_texts(schema: Schema, tmp_path: Path) -> None:
    row = {"key": "a", "probabilities": {topic: [1, 0, 0, 0] for topic in schema.topic_names}}
    write_rows([row], tmp_path / "k.jsonl")
    assert list(read_taught(tmp_path / "k.jsonl", schema, "key")) == ["a"]
    with pytest.raises(InputError, match=r"expected a text in .*k\.jsonl line 1, found only key, probabilities; write"):
        read_taught(tmp_path / "k.jsonl", schema)
