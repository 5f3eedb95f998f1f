"""The report on a model: its numbers against small cases done by hand, and the page as a file."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from train.data import Example, load_examples
from train.report import measures
from train.report.__main__ import main, report
from train.report.compare import compare
from train.report.errors import challenge_pairs, mistakes, occlusion
from train.report.scored import Scored, score_sentences
from wijha import Classifier, InputError, Schema
from wijha.classifier import softmax

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = Schema.from_yaml(ROOT / "configs" / "schema.yaml")
HOSTILE = '<img src=x onerror="document.title=1"> أكد الوزير دعمه'


def _scored(true: list[list[int]], predicted: list[list[int]], sure: float = 2.0, **fields: str) -> Scored:
    logits = np.zeros((len(true), 4, 4), dtype=np.float32)
    np.put_along_axis(logits, np.array(predicted)[..., None], sure, axis=-1)
    examples = [Example(f"e{n}", f"نص {n}", {}, f"s{n}", dict(fields)) for n in range(len(true))]
    calibrated = softmax(logits / np.array([1.0, 1.0, 1.0, 2.0])[:, None])
    return Scored(SCHEMA, examples, np.array(true), logits, calibrated)


@pytest.fixture
def folder(model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(model, tmp_path / "model"))


@pytest.fixture
def hostile(data: Path, tmp_path: Path) -> Path:
    """The rows with outlet and date, one of them markup whose label is wrong for certain, one a formula."""
    rows = [json.loads(line) for line in data.read_text(encoding="utf-8").splitlines()][:20]
    for number, row in enumerate(rows):
        row |= {"outlet": "الجزيرة" if number % 2 else "bbc", "date": f"201{number % 3}-02-01"}
    for row, text in zip(rows, (HOSTILE, "=1+1 رفضت"), strict=False):
        row |= {"text": text} | dict.fromkeys(SCHEMA.topic_names, "against")
    path = tmp_path / "hostile.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def test_the_page_is_one_file_that_fetches_nothing_and_escapes_everything(folder: Path, hostile: Path) -> None:
    made = report(folder, data=hostile)
    page = made.read_text(encoding="utf-8")
    assert made == folder / f"report-{hostile.stem}.html"  # another than that of what is scored without --data
    assert not re.search(r"""(?:src|href|action)=["']?(?:https?:)?//|@import|url\((?!#)""", page.replace("xlink:", ""))
    assert "&lt;img" in page and "<img" not in page
    assert page.count("<svg") >= 4 and "<text" in page and "prefers-color-scheme: dark" in page
    for heading in ("summary", "confusion", "curves", "calibration", "slices", "training", "challenge", "errors"):
        assert f'id="{heading}"' in page
    assert '<bdi dir="auto" lang="ar">' in page and "الجزيرة" in page
    assert "No training curve" in page  # a copied model has no checkpoints beside it


def test_the_page_is_the_same_twice(folder: Path, hostile: Path) -> None:
    assert report(folder, data=hostile).read_bytes() == report(folder, data=hostile).read_bytes()


def test_a_second_model_stands_beside_it(folder: Path, hostile: Path, model: Path) -> None:
    page = report(folder, model, hostile).read_text(encoding="utf-8")
    assert f"Against {model}" in page and "Got better: 0" in page and "Got worse: 0" in page


def test_a_run_shows_its_training_curve(model: Path) -> None:
    curve = measures.training_curve(model)
    assert [entry["epoch"] for entry in curve] == [1, 2]
    assert all({"loss", "eval_loss", "eval_favg3"} <= set(entry) for entry in curve)


def test_a_missing_model_is_one_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["report", "no/such/model"])
    with pytest.raises(SystemExit, match="2"):
        main()
    said = capsys.readouterr().err
    assert said.startswith("error: expected a model folder") and said.count("\n") == 1


def test_precision_recall_and_what_has_no_curve() -> None:
    scored = _scored([[2, 0, 0, 0], [0, 0, 0, 0], [2, 0, 0, 0]], [[2, 0, 0, 0], [2, 0, 0, 0], [2, 0, 0, 0]])
    curves = measures.precision_recall(scored)
    assert curves[SCHEMA.topics[0].english]["average"] == pytest.approx(2 / 3)
    assert curves["against"] == {"recall": [], "precision": [], "average": None, "positives": 0}


def test_calibration_error_is_confidence_minus_accuracy() -> None:
    true, predicted = [[0] * 4] * 8, [[0] * 4] * 6 + [[1] * 4] * 2
    scored = _scored(true, predicted)
    sure = np.exp(2) / (np.exp(2) + 3)
    bins = measures.reliability(scored, scored.raw, topic=0)
    assert np.allclose(bins["confidence"], sure) and bins["accuracy"].mean() == 0.75
    assert bins["ece"] == pytest.approx(np.abs(bins["accuracy"] - sure).mean())
    assert scored.calibrated[0, 3].max() < scored.calibrated[0, 0].max()  # a temperature of 2 flattens


def test_slices_leave_out_what_the_data_lacks() -> None:
    scored = _scored([[2, 0, 0, 0]] * 12, [[2, 0, 0, 0]] * 11 + [[1, 0, 0, 0]], outlet="bbc")
    for number, example in enumerate(scored.examples):
        example.fields["date"] = f"<=201{number // 6}-01"
    found = measures.slices(scored)
    assert set(found) == {"Year"}
    first, second = found["Year"]
    assert (first["name"], first["sentences"], first["scores"]["exact_rows"]) == ("until 2010", 6, 1)
    assert second["scores"]["exact_rows"] == pytest.approx(5 / 6) and second["empty"] == ["neutral", "against"]
    assert not first["intervals"]  # six stories are too few


def test_negation_and_hedges_are_seen() -> None:
    texts = {
        "ولن يعود الوفد": "negated",
        "قد يعود الوفد": "hedged",
        "عاد الوفد": "plain",
        "إذا لم يعد": "negated and hedged",
    }
    assert {text: measures._wording(Example("", text, {}, "", {})) for text in texts} == texts


def test_comparison_lists_what_changed() -> None:
    true = [[2, 0, 0, 0]] * 4
    ours, theirs = _scored(true, [[2, 0, 0, 0]] * 3 + [[0] * 4]), _scored(true, [[0] * 4] * 2 + [[2, 0, 0, 0]] * 2)
    result = compare(ours, theirs)
    assert (result["better"]["count"], result["worse"]["count"]) == (2, 1)
    topic = SCHEMA.topics[0].english
    assert result["worse"]["rows"] == [
        {"text": "نص 3", "true": {topic: "favor"}, "ours": {}, "theirs": {topic: "favor"}}
    ]


def test_models_of_two_schemas_are_not_compared() -> None:
    other = Schema.from_dict({"topics": [{"name": "x"}], "labels": [{"name": "a"}, {"name": "b"}]}, "test")
    ours = _scored([[0] * 4], [[0] * 4])
    with pytest.raises(InputError, match="expected two models of the same topics"):
        compare(ours, Scored(other, ours.examples, ours.true, ours.logits, ours.calibrated))


class Weighing:
    """In favour of topic 0 by so much for each word."""

    def __init__(self, words: dict[str, float]) -> None:
        self.words = words

    def probabilities(self, texts: list[str]) -> np.ndarray:
        said = np.zeros((len(texts), 4, 4))
        said[:, 0, 2] = [0.2 + sum(self.words[word] for word in text.split()) for text in texts]
        return said


def test_occlusion_is_the_drop_without_the_word() -> None:
    classifier = Weighing({"دمشق": 0.45, "لن": -0.1, "تقبل": 0.06, "بالهدنة": 0.2, "أمس": 0.04})
    texts = ["دمشق لن تقبل بالهدنة أمس", "أمس"]
    words, alone = occlusion(classifier, [(text, 0, 2) for text in texts])  # type: ignore[arg-type]
    assert [(word.text, word.mark, word.note) for word in words] == [
        ("دمشق", "up3", "without it: -0.45"),
        ("لن", "down", "without it: +0.10"),
        ("تقبل", "up1", "without it: -0.06"),
        ("بالهدنة", "up2", "without it: -0.20"),
        ("أمس", "", ""),
    ]
    assert [(word.text, word.note) for word in alone] == [("أمس", "")]


def test_the_surest_mistakes_come_first_and_only_they_are_explained(model: Path, hostile: Path) -> None:
    classifier = Classifier.load(model)
    scored = score_sentences(classifier, load_examples(hostile, SCHEMA))
    found = mistakes(scored, classifier, explained=1)
    assert len(found) == scored.wrong_cells.sum() >= 4
    assert [mistake.score for mistake in found] == sorted((mistake.score for mistake in found), reverse=True)
    assert found[0].words and not found[1].words
    assert all(mistake.true != mistake.predicted for mistake in found)


def test_a_pair_is_right_when_both_are(model: Path, rows: list[dict[str, str]], tmp_path: Path) -> None:
    classifier = Classifier.load(model)
    texts = [rows[0]["text"], rows[0]["text"] + " أمس"]
    labels = [prediction.labels for prediction in classifier.classify(texts)]
    wrong = {topic: "against" if label != "against" else "favor" for topic, label in labels[0].items()}
    made = [{"text": texts[0], "story": "p1", **labels[0]}, {"text": texts[1], "story": "p1", **labels[1]}]
    made += [{"text": texts[0], "story": "p2", **wrong}, {"text": texts[1], "story": "p2", **labels[1]}]
    path = tmp_path / "challenge.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in made), encoding="utf-8")
    result = challenge_pairs(classifier, path)
    assert result and (result["pairs"], result["accuracy"], result["sentences_right"]) == (2, 0.5, 0.75)
    (failed,) = result["failed"]
    assert failed.story == "p2" and [s["right"] for s in failed.sentences] == [False, True]
    assert [word.text for word in failed.sentences[1]["words"] if word.mark] == ["أمس"]
    assert challenge_pairs(classifier, tmp_path / "none.jsonl") is None
    path.write_text('{"text": "x", "sport": "absent"}\n', encoding="utf-8")
    assert challenge_pairs(classifier, path) is None
