"""Evaluation, baselines, calibration, card and release of a saved model."""

from __future__ import annotations

import json
import re
import shutil
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from train import calibration, evaluation
from train.baselines import Baselines
from train.calibration import calibrate, fit_temperature
from train.card import write_card
from train.config import FinetuneConfig
from train.data import Example, label_numbers, load_examples
from train.evaluation import evaluate_model, score
from train.finetune import finetune
from train.keywords import blinded, keyword_expressions, searched_words
from train.release import release
from train.tables import HEADLINE, lacking, remarks
from wijha import Classifier, InputError, Schema
from wijha.classifier import read_temperatures, softmax
from wijha.cli import main
from wijha.golden import unseal

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = Schema.from_yaml(ROOT / "configs" / "schema.yaml")


@pytest.fixture
def folder(model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(model, tmp_path / "model"))


def test_scores_beside_baselines_are_written_and_printed(
    folder: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = evaluate_model(folder, data)
    assert set(result["systems"]) == {"model", "tfidf_logistic_regression", "keyword_rules"}
    assert json.loads((folder / f"evaluation-{data.stem}.json").read_text(encoding="utf-8"))["sentences"] == 60
    confusion = np.array(list(result["systems"]["model"]["confusion"].values()))
    assert confusion.sum() == 240 and confusion[0, 0].sum() == 50
    table = capsys.readouterr().out
    trained = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["run"]["sentences"]["train"]
    assert table.startswith(f"{trained} of 60 sentences are among those that {folder} was trained on\n")
    shown = f"{result['systems']['model']['scores']['favg3']:.3f}"
    assert "tfidf_logistic_regression" in table and shown in table


def test_what_computes_can_be_named(
    folder: Path, data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, code in (("torch", 0), ("openvino-f32", 2)):
        monkeypatch.setattr("sys.argv", ["evaluation", str(folder), str(data), "--runtime", name])
        with pytest.raises(SystemExit) if code else nullcontext() as ended:
            evaluation.main()
        assert not code or ended.value.code == code
    said, written = capsys.readouterr().err, json.loads((folder / f"evaluation-{data.stem}.json").read_bytes())
    assert "to admit openvino-f32" in said or "the package openvino" in said  # its files, or the package, are missing
    assert written["computed_by"] == "torch cpu"


def test_without_real_news_the_test_split_is_scored(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(evaluation, "REAL_NEWS", tmp_path / "none.jsonl")
    result, made = evaluate_model(folder, None), json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    assert "none.jsonl is not here: scored on the test split.\n" in capsys.readouterr().out
    assert result["sentences"] == made["test"]["sentences"] and len(result["systems"]) == 3


def test_real_news_of_other_topics_is_not_scored(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(evaluation, "REAL_NEWS", tmp_path / "news.jsonl")
    (tmp_path / "news.jsonl").write_text('{"text": "x", "sport": "absent"}\n', encoding="utf-8")
    assert evaluate_model(folder, None)["source"] == "test split"
    assert "news.jsonl has other topics: scored on the test split.\n" in capsys.readouterr().out


def test_a_run_is_told_from_its_model(model: Path) -> None:
    with pytest.raises(InputError, match=f"found a run at {model.parent}; name {model}$"):
        evaluate_model(model.parent, None)


def reading(path: Path, rows: list[dict[str, str]], **changed: str) -> Path:
    """A file of labels by id, these rows' but for those of the first."""
    kept = [{"id": row["id"]} | {topic: row[topic] for topic in SCHEMA.topic_names} for row in rows]
    kept[0] |= changed
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in reversed(kept)), encoding="utf-8")
    return path


def test_readers_are_scored_beside_the_model(
    folder: Path, data: Path, rows: list[dict[str, str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = "against" if rows[0]["jerusalem_status"] != "against" else "favor"
    one, two = reading(tmp_path / "one.jsonl", rows), reading(tmp_path / "two.jsonl", rows, jerusalem_status=other)
    result = evaluate_model(folder, data, readers=[one, two])
    systems = result["systems"]
    assert list(systems)[:3] == ["model", "one", "two"] and set(result["model_minus"]) == set(systems) - {"model"}
    assert systems["one"]["scores"]["exact_rows"] == 1
    assert systems["two"]["scores"]["exact_rows"] == pytest.approx(59 / 60)
    shown = capsys.readouterr().out
    assert "\none " in shown and "model - two: topic micro-F1" in shown


@pytest.mark.parametrize(
    ("name", "changed", "message"),
    [
        (
            "one.jsonl",
            {"jerusalem_status": ""},
            "for all 60 sentences in .*one.jsonl, .* found 1 without, r0 the first",
        ),
        ("one.jsonl", {"id": "r1"}, "expected each id once in .*one.jsonl, found r1 again in line 60"),
        ("one.jsonl", {"id": "other"}, "found 1 without, r0 the first; label them"),
        ("one.jsonl", {"jerusalem_status": "pro"}, "as jerusalem_status in .*one.jsonl line 60, got 'pro'"),
        ("model.jsonl", {}, "--readers files of different names, none of them model, "),
        ("keyword_rules.jsonl", {}, "none of them model, tfidf_logistic_regression, keyword_rules, found others"),
    ],
)
def test_a_reading_that_does_not_fit_is_refused(
    folder: Path,
    data: Path,
    rows: list[dict[str, str]],
    tmp_path: Path,
    name: str,
    changed: dict[str, str],
    message: str,
) -> None:
    with pytest.raises(InputError, match=message):
        evaluate_model(folder, data, readers=[reading(tmp_path / name, rows, **changed)])


@pytest.mark.parametrize("fits", [True, False])
def test_the_real_news_has_readers_as_long_as_it_is_the_same(
    folder: Path,
    data: Path,
    rows: list[dict[str, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    fits: bool,
) -> None:
    monkeypatch.setattr(evaluation, "REAL_NEWS", data)
    monkeypatch.setattr(evaluation, "READINGS", tmp_path / "readings")
    reading(tmp_path / "readings" / "reader_1.jsonl", rows if fits else rows[1:])
    assert ("reader_1" in evaluate_model(folder, None)["systems"]) == fits
    note = "without readers: expected a label of every topic for all 60 sentences"
    assert (note in capsys.readouterr().out) != fits
    assert "reader_1" not in evaluate_model(folder, None, blind=True)["systems"]


def test_other_sentences_have_no_readers_and_no_word_of_them(
    folder: Path,
    rows: list[dict[str, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(evaluation, "READINGS", tmp_path / "readings")
    reading(tmp_path / "readings" / "reader_1.jsonl", rows)
    own = tmp_path / "validation.jsonl"  # called as the real news is
    own.write_text("".join(json.dumps(row | {"id": ""}) + "\n" for row in rows), encoding="utf-8")
    assert "reader_1" not in evaluate_model(folder, own)["systems"]
    assert "without readers" not in capsys.readouterr().out


def test_of_data_that_is_partly_here_the_rest_is_scored_without_baselines(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(evaluation, "REAL_NEWS", tmp_path / "none.jsonl")
    made = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    made["run"]["data"]["gone.local.jsonl"] = "0"
    (folder / "metrics.json").write_text(json.dumps(made), encoding="utf-8")
    result = evaluate_model(folder, None)
    assert "scored on the test split, without gone.local.jsonl (see data/README.md)" in capsys.readouterr().out
    assert result["sentences"] == made["test"]["sentences"] and set(result["systems"]) == {"model"}


def test_thresholds_are_those_of_the_development_split(folder: Path, data: Path) -> None:
    made = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    found = evaluate_model(folder, data)["confidence"]
    assert found["chosen_on"] == made["test"]["confidence"]["chosen_on"] == "the development split"
    chosen = [row["threshold"] for row in made["development"]["confidence"]["abstaining_rows"]]
    assert [row["threshold"] for row in found["abstaining_rows"]] == chosen
    (folder / "metrics.json").unlink()
    assert evaluate_model(folder, data)["confidence"]["chosen_on"] == "these rows"


def test_data_that_changed_since_the_training_is_said(
    folder: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate_model(folder, data)
    assert "changed since" not in capsys.readouterr().out
    grown, metrics = Path(shutil.copy(data, tmp_path / "grown.jsonl")), folder / "metrics.json"
    metrics.write_text(metrics.read_text(encoding="utf-8").replace(f'"{data}"', f'"{grown}"'), encoding="utf-8")
    grown.write_bytes(data.read_bytes() + data.read_bytes().splitlines()[0] + b"\n")
    evaluate_model(folder, data)
    assert f"{grown} changed since {folder} was trained: what is held out now may" in capsys.readouterr().out


def test_nothing_to_score_is_said(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "REAL_NEWS", tmp_path / "none.jsonl")
    (folder / "metrics.json").unlink()
    with pytest.raises(InputError, match="found none: the model's training data is not here; name a FILE"):
        evaluate_model(folder, None)


def test_an_empty_test_split_is_said(
    folder: Path, data: Path, rows: list[dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "REAL_NEWS", tmp_path / "none.jsonl")
    kept, metrics = tmp_path / "kept.jsonl", folder / "metrics.json"
    kept.write_text("".join(json.dumps(row | {"split": "train"}) + "\n" for row in rows), encoding="utf-8")
    metrics.write_text(metrics.read_text(encoding="utf-8").replace(f'"{data}"', f'"{kept}"'), encoding="utf-8")
    with pytest.raises(InputError, match="found none: its test split is empty; name a FILE"):
        evaluate_model(folder, None)


class Perfect:
    """Knows the labels of every text."""

    schema, runtime_name = SCHEMA, "itself"

    def __init__(self, examples: list[Example]) -> None:
        self.known = {example.text: row for example, row in zip(examples, label_numbers(examples, SCHEMA), strict=True)}

    def logits(self, texts: list[str]) -> np.ndarray:
        return 9 * np.eye(4)[np.array([self.known[text] for text in texts])]

    def calibrated(self, logits: np.ndarray) -> np.ndarray:
        return softmax(logits / 3)


def test_a_better_model_is_so_much_better_in_numbers_and_in_print(data: Path) -> None:
    examples, silent = load_examples(data, SCHEMA), Baselines([], SCHEMA)
    silent.predictors["silent"] = lambda texts: np.zeros((len(texts), 4), dtype=int)
    result = score(Perfect(examples), examples, silent)  # type: ignore[arg-type]
    minus = result["model_minus"]["silent"]
    assert minus["favg3"] == minus["topic_micro_f1"] == {"interval": (1.0, 1.0), "p": 0.0}
    low, high = minus["exact_rows"]["interval"]
    assert 0.7 < low < 1 - 10 / 60 < high < 1  # 10 of 60 rows have no topic
    before, after = (1 - np.exp(x) / (np.exp(x) + 3) for x in (9, 3))
    assert result["confidence"]["ece_before"] == pytest.approx(before)
    assert result["confidence"]["ece_after"] == pytest.approx(after)
    gained = "topic micro-F1 +1.000 [+1.000 +1.000], Favg3 +1.000 [+1.000 +1.000]"
    assert f"model - silent: {gained}, rows right by McNemar's test, two-sided, p < 0.001" in remarks(result)


@pytest.mark.parametrize(
    ("words", "found"),
    [("['سعر (الفائدة']", "missing \\), unterminated"), ("أسعار", "none"), ("[]", "none"), ("['']", "none")],
)
def test_words_of_a_topic_that_are_no_expressions_are_said_before_a_training(
    settings: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, found: str
) -> None:
    schema, keywords = Schema.from_yaml(Path(str(settings["schema"]))), tmp_path / "keywords.yaml"
    keywords.write_text("".join(f"{topic}: {words}\n" for topic in schema.topic_names), encoding="utf-8")
    monkeypatch.setattr("train.keywords.KEYWORDS", keywords)
    config = FinetuneConfig(**settings, output=tmp_path / "run")  # type: ignore[arg-type]
    with pytest.raises(
        InputError, match=f"expected a list of regular expressions as {schema.topic_names[0]} .*{found}"
    ):
        finetune(config)
    assert not config.output.exists()
    keywords.write_text("", encoding="utf-8")
    assert keyword_expressions(schema) == {}


def test_a_score_hangs_on_the_stories_that_are_drawn_not_on_the_sentences(data: Path) -> None:
    rows = load_examples(data, SCHEMA)
    examples = [replace(row, story=str(set(row.labels.values()) == {"absent"})) for row in rows]  # 50 and 10 rows
    silent = Baselines([], SCHEMA)
    silent.predictors["silent"] = lambda texts: np.zeros((len(texts), 4), dtype=int)
    result = score(Perfect(examples), examples, silent)  # type: ignore[arg-type]
    found = result["systems"]["silent"]
    assert result["stories"] == 2 and found["stories_right"] == 0.5
    assert found["scores"]["exact_rows"] == pytest.approx(10 / 60)
    assert found["intervals"]["exact_rows"] == result["model_minus"]["silent"]["exact_rows"]["interval"] == (0, 1)


def test_temperature_is_found_again() -> None:
    random = np.random.default_rng(0)
    honest = random.normal(size=(4_000, 4)) * 2
    probabilities = np.exp(honest) / np.exp(honest).sum(axis=1, keepdims=True)
    true = np.array([random.choice(4, p=row) for row in probabilities])
    assert fit_temperature(honest * 3, true) == pytest.approx(3, rel=0.1)
    assert fit_temperature(honest[:49], true[:49]) == 1.0 != fit_temperature(honest[:50], true[:50])


def test_sure_and_right_absent_answers_do_not_change_the_temperatures(
    folder: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "ENOUGH", 1)  # the data made here has few sentences
    examples = load_examples(data, SCHEMA)
    said = Classifier.load(folder).logits([example.text for example in examples]).argmax(axis=-1)
    absent = [
        example
        for example, row in zip(examples, said, strict=True)
        if not row.any() and set(example.labels.values()) == {"absent"}
    ]
    unseal(folder)
    alone = calibrate(folder, examples)
    assert absent and calibrate(folder, examples + 9 * absent) == alone != dict.fromkeys(SCHEMA.topic_names, 1.0)


def test_a_temperature_is_that_of_what_is_there_or_seen(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first topic is seen and there half the time, the second missed, the third ruled out, the last unlabelled."""
    given = [(half, "favor", "absent", None) for half in ("favor", "absent") * 50]
    examples = [Example("", "نص", dict(zip(SCHEMA.topic_names, each, strict=True)), "", {}) for each in given]
    said = 3 * np.eye(4)[[SCHEMA.label_names.index(label) for label in ("favor", "absent", "absent", "favor")]]
    monkeypatch.setattr(Classifier, "logits", lambda classifier, texts: np.stack([said] * len(texts)))
    unseal(folder)
    assert list(calibrate(folder, examples).values()) == pytest.approx([3 / np.log(3), 8, 1, 1], rel=1e-3)


def test_the_temperature_of_what_is_asked_for_stays(folder: Path, data: Path) -> None:
    unseal(folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["wijha"]["temperatures"] = {"target": 1.7, "former_topic": 3.0}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    found = calibrate(folder, load_examples(data, SCHEMA))
    assert read_temperatures(folder) == found | {"target": 1.7} and set(found) == set(SCHEMA.topic_names)


def test_every_number_of_the_card_is_in_a_file(folder: Path) -> None:
    write_card(folder)
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---\nlanguage: ar\n")
    assert "(1 for a topic that fewer than 50 sentences there have or are said to have)" in card
    text = (folder / "metrics.json").read_text(encoding="utf-8")
    known = {f"{abs(float(number)):.3f}" for number in re.findall(r"-?\d+\.\d+(?:e-?\d+)?|\d+", text)}
    for systems in (json.loads(text)[name]["systems"] for name in ("development", "test")):
        ours, *others = (system["scores"] for system in systems.values())
        known |= {f"{abs(ours[key] - theirs[key]):.3f}" for theirs in others for key in HEADLINE}
    figures = card.split("## How it was made")[0].replace("p < 0.001", "")
    shown = re.findall(r"\b\d\.\d{3}\b", figures)
    assert len(shown) > 20 and set(shown) <= known


def test_the_card_says_of_the_data_what_holds_for_it(folder: Path, data: Path) -> None:
    path = folder / "metrics.json"
    metrics = json.loads(path.read_text(encoding="utf-8"))
    for name in ("validation", "validation-blind"):
        (folder / f"evaluation-{name}.json").write_text(json.dumps(metrics["test"]), encoding="utf-8")
    for name, ours in (("data/written.jsonl", True), ("mine.csv", False)):
        metrics["run"]["data"] = {name: "0"}
        path.write_text(json.dumps(metrics), encoding="utf-8")
        write_card(folder)
        card = (folder / "README.md").read_text(encoding="utf-8")
        for said in ("license: apache-2.0", "Language models\nlabelled", "`against` is rare", "\n\nReal news,"):
            assert (said in card) == ours
        assert card.index("## Validation\n") < card.index("## Validation with the topics' words masked\n\nThe same")
        assert ("The sentences are those of mine.csv." in card) != ours


def test_release_refuses_a_changed_run_and_seals_one_without_a_manifest(folder: Path, tmp_path: Path) -> None:
    target, weights = tmp_path / "models" / "classifier", folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-2] + b"\1\1")
    with pytest.raises(InputError, match=r"model\.safetensors as manifest\.json lists it"):
        release(folder, target)
    assert not list(target.parent.glob("*"))
    unseal(folder)
    release(folder, target)
    assert main(["info", "--check", "--model", str(target)]) == 0


def test_release_replaces_the_shipped_model(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "models" / "classifier"
    target.mkdir(parents=True)
    (target / "old.txt").write_text("old", encoding="utf-8")
    release(folder, target)
    assert not (target / "old.txt").exists()
    assert Classifier.load(target).classify("جملة")[0].labels.keys() == set(SCHEMA.topic_names)
    assert [path.name for path in target.parent.iterdir()] == ["classifier"]
    assert (target / "manifest.json").read_bytes() == (folder / "manifest.json").read_bytes()
    with pytest.raises(InputError, match="expected a finished run"):
        release(tmp_path, target)


def test_what_a_kill_left_aside_comes_back_before_anything_else(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "models" / "classifier"
    target.mkdir(parents=True)
    (target / "old.txt").write_text("old", encoding="utf-8")
    target.rename(target.with_name(".classifier.old"))  # killed between the two renames
    Path(shutil.copytree(folder, target.with_name(".classifier.part")))
    with pytest.raises(InputError, match="expected a finished run"):
        release(tmp_path, target)
    assert [path.name for path in target.parent.iterdir()] == ["classifier"] and (target / "old.txt").exists()
    release(folder, target)
    assert [path.name for path in target.parent.iterdir()] == ["classifier"] and not (target / "old.txt").exists()


def test_release_says_that_the_topics_change(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = Path(shutil.copytree(folder, tmp_path / "classifier"))
    release(folder, target)
    assert "had the topics" not in capsys.readouterr().out
    config = json.loads((target / "config.json").read_text(encoding="utf-8"))
    config["wijha"]["schema"]["topics"] = [{"name": "sport"}]
    config["id2label"] = {str(number): f"sport/{label}" for number, label in enumerate(SCHEMA.label_names)}
    (target / "config.json").write_text(json.dumps(config), encoding="utf-8")
    release(folder, target)
    assert f"{target} had the topics sport and has {', '.join(SCHEMA.topic_names)} now\n" in capsys.readouterr().out


def test_what_the_sentences_lack_is_said(folder: Path, data: Path, tmp_path: Path) -> None:
    assert not [line for line in lacking(evaluate_model(folder, data)) if "no sentence" in line]
    rows = [json.loads(line) for line in data.read_text(encoding="utf-8").splitlines()]
    favor = [{**row, "political_settlement": "favor", "jerusalem_status": "absent", "story": "one"} for row in rows[:9]]
    for row in favor:
        row |= dict.fromkeys(("de_escalation_zones", "terrorism_cooperation"), "absent")
    file = tmp_path / "favor.jsonl"
    file.write_text("".join(f"{json.dumps(row)}\n" for row in favor), encoding="utf-8")
    assert lacking(evaluate_model(folder, file)) == [
        "no sentence here is neutral or against: Favg2 and Favg3 count such an F1 as 0",
        "no sentence here has de_escalation_zones or jerusalem_status or terrorism_cooperation: topic macro-F1 counts "
        "such an F1 as 0",
        "only 1 stories, which the intervals and p are drawn from: they say little",
    ]


def test_blind_masks_the_words_that_the_topics_go_by_and_no_other() -> None:
    words = searched_words("search")
    text = "قال الوزير السوريّ إن وقف إطلاق النار في حلب لا يعنيه"
    assert blinded(text, words) == "قال الوزير [MASK] إن [MASK] [MASK] النار في [MASK] لا يعنيه"
    assert blinded("زار الألمان الوضع القانوني للقدس", words) == "زار الألمان الوضع القانوني [MASK]"


def test_blind_scores_stand_in_a_file_of_their_own(folder: Path, data: Path) -> None:
    seen = evaluate_model(folder, data)
    blind = evaluate_model(folder, data, blind=True)
    name = f"evaluation-{data.stem}-blind.json"
    assert json.loads((folder / name).read_text(encoding="utf-8"))["source"] == seen["source"]
    assert blind["sentences"] == seen["sentences"]


def test_the_card_that_ships_is_what_its_files_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = Path("models/classifier")
    for path in (ROOT / shipped).rglob("*.json*"):
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    monkeypatch.chdir(tmp_path)
    write_card(shipped)
    card = (shipped / "README.md").read_text(encoding="utf-8")
    assert card == (ROOT / shipped / "README.md").read_text(encoding="utf-8")
