"""The saved model through its own class and through the stock pipeline."""

from __future__ import annotations

import copy
import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import pipeline

from wijha import Classifier, InputError
from wijha.batching import WINDOW
from wijha.classifier import read_settings, softmax
from wijha.golden import unseal


@pytest.fixture(scope="module")
def classifier(model: Path) -> Classifier:
    return Classifier.load(model)


def test_one_record_a_text_in_input_order(classifier: Classifier, rows: list[dict[str, str]]) -> None:
    texts = [row["text"] * (1 + number % 3) for number, row in enumerate(rows)]
    predictions = classifier.classify(texts)
    assert [prediction.text for prediction in predictions] == texts
    for prediction in predictions:
        assert set(prediction.topics) == set(classifier.schema.topic_names)
        for topic in prediction.topics.values():
            assert topic.label in classifier.schema.label_names
            assert topic.score == max(topic.probabilities.values())
            assert sum(topic.probabilities.values()) == pytest.approx(1, abs=1e-5)


def test_a_text_is_a_list_of_one_and_any_iterable_is_a_stream(classifier: Classifier) -> None:
    (single,) = classifier.classify("أكد الوزير دعمه للحل السياسي")
    stream = classifier.classify(text for text in [single.text] * 3)
    assert next(iter(stream)).labels == single.labels
    assert classifier.classify([]) == []


def test_result_does_not_depend_on_the_batch(classifier: Classifier, rows: list[dict[str, str]]) -> None:
    texts = [row["text"] for row in rows] + ["كلمة " * 40]
    together = classifier.probabilities(texts)
    alone = np.concatenate([classifier.probabilities([text]) for text in texts])
    assert np.abs(together - alone).max() < 1e-4
    assert np.abs(classifier.probabilities(texts[::-1])[::-1] - together).max() < 1e-4


def test_stock_pipeline_gives_the_same_logits(model: Path, classifier: Classifier, rows: list[dict[str, str]]) -> None:
    texts = [row["text"] for row in rows[:6]]
    stock = pipeline(  # without dtype it computes in the half precision of the file
        "text-classification",
        model=str(model),
        device="cpu",
        top_k=None,
        function_to_apply="none",
        truncation=True,
        dtype=torch.float32,
    )
    texts.append(texts[0] * 200)
    names, temperatures = classifier.schema.id2label, read_settings(model)["temperatures"]
    said = zip(
        classifier.logits(texts).reshape(len(texts), -1), classifier.probabilities(texts), stock(texts), strict=True
    )
    for ours, probabilities, scored in said:
        by_name = {entry["label"]: entry["score"] for entry in scored}
        assert [by_name[names[i]] for i in range(len(names))] == pytest.approx(ours.tolist(), abs=1e-4)
        for topic, row in zip(classifier.schema.topic_names, probabilities, strict=True):
            raw = np.array([by_name[f"{topic}/{label}"] for label in classifier.schema.label_names])
            assert softmax(raw / temperatures[topic]) == pytest.approx(row, abs=1e-4)


def test_not_a_text_is_refused(classifier: Classifier) -> None:
    with pytest.raises(InputError, match="expected a text, got float at position 1"):
        classifier.classify(["نص", 3.5])  # type: ignore[list-item]
    stream = classifier.classify(text for text in ["نص"] * (WINDOW + 2) + [None])  # type: ignore[list-item]
    with pytest.raises(InputError, match=f"expected a text, got NoneType at position {WINDOW + 2};"):
        list(stream)


class Table(list[str]):
    """Gives the names of its columns, as tables of pandas do."""

    columns = ("text", "date")


def test_a_classifier_is_not_copied(classifier: Classifier) -> None:
    for copied in (copy.deepcopy, pickle.dumps):
        with pytest.raises(InputError, match=f"expected no copy of a loaded model, .* {classifier.folder} there"):
            copied(classifier)


@pytest.mark.parametrize("texts", [None, 42, {"text": "نص"}, b"text", Table(["text"])])
def test_what_is_no_iterable_is_refused_at_once(classifier: Classifier, texts: object) -> None:
    with pytest.raises(InputError, match=f"expected a text or texts, got {type(texts).__name__}; give a str or a list"):
        classifier.classify(texts)  # type: ignore[call-overload]


def test_the_characters_of_a_text_are_no_texts(classifier: Classifier) -> None:
    for ask in (classifier.probabilities, classifier.logits):
        with pytest.raises(InputError, match=r"expected a list of texts, got one text; give \[text\]"):
            ask("نص")  # type: ignore[arg-type]


def test_an_installed_package_says_that_no_model_comes_with_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("wijha.classifier.default_model", lambda: tmp_path / "models" / "classifier")
    with pytest.raises(InputError, match="none comes with the installed package; name one: --model FOLDER or"):
        Classifier.load()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"temperatures": {"jerusalem_status": 0}}, "expected temperatures above 0 in"),
        ({"temperatures": {"jerusalem_status": "1,03"}}, "expected temperatures above 0 in"),
        ({"temperatures": None}, "expected temperatures above 0 in"),
        ({"topics": -1}, "expected the outputs of .* to be its topics and labels, found others"),
    ],
)
def test_settings_that_were_edited_are_checked_at_load(
    model: Path, tmp_path: Path, change: dict[str, object], sentence: str
) -> None:
    folder = Path(shutil.copytree(model, tmp_path / "model"))
    unseal(folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if "topics" in change:
        config["wijha"]["schema"]["topics"].pop()
    config["wijha"] |= {name: value for name, value in change.items() if name == "temperatures"}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(InputError, match=sentence):
        Classifier.load(folder)


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a model folder with config"):
        Classifier.load(tmp_path / "nothing")


def test_a_run_is_told_from_its_model(model: Path) -> None:
    with pytest.raises(InputError, match=f"found a run at {model.parent}; name {model}$"):
        Classifier.load(model.parent)


def test_encoder_is_not_a_model(encoder: Path) -> None:
    with pytest.raises(InputError, match="expected a model trained by wijha"):
        Classifier.load(encoder)


@pytest.mark.parametrize(
    ("name", "keep"),
    [("config.json", 40), ("model.safetensors", 1000), ("tokenizer.json", 100), ("model.safetensors", 0)],
)
def test_half_written_model(model: Path, tmp_path: Path, name: str, keep: int) -> None:
    folder = tmp_path / "half"
    shutil.copytree(model, folder)
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[:keep])
    with pytest.raises(InputError, match="; copy or train"):
        Classifier.load(folder)


def test_schema_and_temperatures_live_in_config_json(model: Path, classifier: Classifier) -> None:
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    assert config["id2label"]["1"] == "political_settlement/neutral"
    assert config["wijha"]["schema"] == json.loads(json.dumps(classifier.schema.to_dict()))
    assert set(config["wijha"]["temperatures"]) == set(classifier.schema.topic_names)
