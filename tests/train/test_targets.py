"""Stances towards any target: learned beside the topics, asked for by name."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers.models import WordPiece
from transformers import AutoTokenizer, BertConfig, BertModel, pipeline

from train.card import write_card
from train.config import FinetuneConfig
from train.data import SPLITS, UNLABELLED, encode, load_examples, split_of_row
from train.export import Gate, alone, gate_examples, gate_pairs
from train.finetune import finetune
from train.model import build_classifier, load_tokenizer
from train.targets import RESULT, calibrate_asked, load_asked, main, score_asked, topics_asked, with_asked, with_place
from train.tokenizer import SPECIAL
from wijha import Classifier, InputError, Schema
from wijha.classifier import read_schema
from wijha.cli import main as wijha
from wijha.golden import unseal
from wijha.manifest import FIRST
from wijha.ray_engine import Worker
from wijha.reader import Reader
from wijha.records import read_rows
from wijha.runtime import TorchRuntime
from wijha.tokenizer import CutIds

ROOT = Path(__file__).resolve().parents[2]
STANCES = {"الهدنة": "favor", "الحرب": "against", "الطقس": "absent", "القرار": "neutral"}
LONG = "الهدنة " * 80


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, str]]) -> Path:
    """Every sentence with every target; the stance hangs on the target alone."""
    path = tmp_path_factory.mktemp("targets") / "targets.local.jsonl"
    made = [
        {"text": row["text"], "target": target, "stance": stance, "split": "test" if number % 10 == 0 else "train"}
        | ({"second": "favor"} if number % 10 == 0 else {})
        for (number, row), (target, stance) in product(enumerate(rows), STANCES.items())
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in made), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def words(encoder: Path, rows: list[dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small encoder with a tokenizer of letters and whole words: on the pieces of the common one, which change in
    number from run to run, it would hang whether a few seconds teach it to read a target."""
    folder = tmp_path_factory.mktemp("words") / "encoder"
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    backend = tokenizer.backend_tokenizer
    normal = (backend.normalizer.normalize_str(text) for text in (*STANCES, *(row["text"] for row in rows)))
    known = Counter(word for text in normal for word, _ in backend.pre_tokenizer.pre_tokenize_str(text))
    letters = sorted(set("".join(known)))
    common = sorted((word for word in known if len(word) > 1), key=lambda word: (-known[word], word))
    pieces = [*SPECIAL, *letters, *(f"##{letter}" for letter in letters), *common]
    backend.model = WordPiece({piece: number for number, piece in enumerate(pieces)}, unk_token="[UNK]")
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    size = BertConfig.from_pretrained(encoder, vocab_size=len(pieces))
    BertModel(size, add_pooling_layer=False).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def config(
    settings: dict[str, object], pairs: Path, words: Path, tmp_path_factory: pytest.TempPathFactory
) -> FinetuneConfig:
    changed = settings | {
        "encoder": str(words),
        "targets": pairs,
        "epochs": 25,
        "patience": 25,
        "metric": "loss",  # six development sentences: their Favg3 may be 0 to the end
        "length": 64,
        "output": tmp_path_factory.mktemp("run"),
    }
    return FinetuneConfig(**changed)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def model(config: FinetuneConfig) -> Path:
    return finetune(config)


def test_the_stance_is_that_towards_the_target(model: Path, rows: list[dict[str, str]]) -> None:
    classifier, texts = Classifier.load(model), [row["text"] for row in rows[::10]]
    for target, stance in STANCES.items():
        asked = classifier.towards(target)
        assert asked.schema.topic_names == ("target",) and asked.schema.topics[0].target == target
        said = [prediction["target"] for prediction in asked.classify(texts)]
        assert [each.label for each in said] == [stance] * len(texts)
        assert all(sum(each.probabilities.values()) == pytest.approx(1) for each in said)
    assert asked.towards("الحرب").classify(texts[0])[0].labels == {"target": "against"}
    assert set(classifier.classify(texts[0])[0].labels) == set(classifier.schema.topic_names)
    table = Worker(str(model), "text", "auto", "الهدنة")(pa.table({"text": texts}))
    assert table.column("target_stance").to_pylist() == ["favor"] * len(texts)


def test_stock_tools_give_the_same_outputs(model: Path, rows: list[dict[str, str]]) -> None:
    said = Classifier.load(model).towards("الحرب").logits([rows[0]["text"]])[0, 0]
    stock = pipeline("text-classification", str(model), top_k=None, function_to_apply="none")
    scores = {each["label"]: each["score"] for each in stock({"text": rows[0]["text"], "text_pair": "الحرب"})}
    assert len(scores) == 20
    found = [scores[f"target/{label}"] for label in ("absent", "neutral", "favor", "against")]
    assert np.allclose(found, said, atol=0.01)  # the pipeline computes in fp16


def test_the_text_is_cut_not_the_target(model: Path) -> None:
    reader = Classifier.load(model).readers[0]
    target = reader.target_ids("الهدنة")
    short, long = reader.token_ids(["دعا إلى الهدنة", LONG], target)
    assert short == [*reader.token_ids(["دعا إلى الهدنة"])[0], *target] and not isinstance(short, CutIds)
    assert len(long) == reader.longest and isinstance(long, CutIds)
    assert long[-len(target) - 1 :] == [target[-1], *target]
    assert long[: -len(target) - 1] == reader.token_ids([LONG])[0][: reader.longest - len(target) - 1]


@pytest.mark.parametrize("target", ["", "  ", LONG, None, "\ud800", "[SEP]", "[MASK] [PAD]", "☃", "☃ ☃"])
def test_a_target_is_a_few_words(model: Path, target: object) -> None:
    with pytest.raises(InputError, match="expected a target of 1 to 15 tokens, known words among them, got"):
        Classifier.load(model).towards(target)  # type: ignore[arg-type]


@pytest.mark.parametrize("target", ["☃", "[SEP]"])
def test_what_ships_is_not_asked_for_unknown_signs_alone(target: str) -> None:
    """Its tokenizer puts a mark of a blank before them."""
    reader = Reader.load(ROOT / "models" / "classifier", "cpu", "torch")
    assert reader.target_ids(f"{target} الهدنة")
    with pytest.raises(InputError, match="known words among them, got"):
        reader.target_ids(target)


def test_the_gate_looks_at_the_stances_towards_targets_too(model: Path, pairs: Path, tmp_path: Path) -> None:
    schema, same = read_schema(model), Path(shutil.copytree(model, tmp_path / "same"))
    other = Path(shutil.copytree(model, tmp_path / "other"))
    weights = load_file(other / "model.safetensors")
    weights["classifier.weight"][-4:] = weights["classifier.weight"][-4:].roll(1, dims=0)
    weights["classifier.bias"][-4:] = weights["classifier.bias"][-4:].roll(1, dims=0)
    save_file(weights, other / "model.safetensors", metadata={"format": "pt"})
    asked, examples = load_asked(pairs, schema, "test"), gate_examples(model, schema)[2]
    gate = Gate(alone(Reader.load(model, "cpu", "torch")), examples, asked)
    good, bad = (gate.check(TorchRuntime(each, "cpu")) for each in (same, other))
    assert good["accepted"] and good["stance_agreement"] == 1
    assert bad["label_agreement"] == 1 and bad["stance_agreement"] < 0.5 and not bad["accepted"]
    learned = gate_pairs(model, schema)  # the fixture's pairs have no development part
    assert learned == load_asked(pairs, schema, "development") == []


def test_a_model_of_topics_alone_cannot_be_asked(settings: dict[str, object], tmp_path: Path) -> None:
    plain = finetune(FinetuneConfig(**settings | {"epochs": 1}, output=tmp_path))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="found one of 4 topics alone; train one with `targets` in its config"):
        Classifier.load(plain, towards="الهدنة")


def test_of_two_models_the_deeper_is_asked(
    model: Path, settings: dict[str, object], tmp_path: Path, rows: list[dict[str, str]]
) -> None:
    plain = finetune(FinetuneConfig(**settings | {"epochs": 1}, output=tmp_path / "plain"))  # type: ignore[arg-type]
    pair = Path(shutil.copytree(model, tmp_path / "pair"))
    unseal(pair)
    shutil.copytree(plain, pair / FIRST)
    alone, both = (Classifier.load(folder).towards("الحرب") for folder in (model, pair))
    texts = [row["text"] for row in rows]
    assert len(both.readers) == 1 and np.array_equal(alone.logits(texts), both.logits(texts))
    assert Classifier.load(pair).probabilities(texts).shape == (len(texts), 4, 4)


def test_files_are_classified_towards_a_target(
    model: Path, rows: list[dict[str, str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.txt").write_text("".join(f"{row['text']}\n" for row in rows), encoding="utf-8")
    job = ["predict", str(tmp_path / "in.txt"), str(tmp_path / "out.jsonl"), "--model", str(model)]
    assert wijha([*job, "--towards", "الحرب"]) == 0
    found = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(found) == len(rows) and {row["target_stance"] for row in found} == {"against"}
    assert set(found[0]) == {"text", "target_stance", "target_score"}
    receipt = json.loads((tmp_path / "out.jsonl.receipt.json").read_text(encoding="utf-8"))
    assert '"towards": "الحرب"' in json.dumps(receipt, ensure_ascii=False)
    assert wijha(["sample", str(tmp_path / "out.jsonl"), str(tmp_path / "sample.csv"), "--rows", "9"]) == 0
    design = json.loads((tmp_path / "sample.design.json").read_text(encoding="utf-8"))
    assert design["source"]["towards"] == "الحرب" and set(design["strata"][0]["said"]) == {"target"}
    assert wijha([*job, "--towards", "الهدنة", "--resume"]) == 2
    assert "found it made with towards 'الحرب'; name another OUT" in capsys.readouterr().err
    assert wijha([*job, "--towards", "الهدنة", "--restart"]) == 0
    again = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {row["target_stance"] for row in again} == {"favor"}
    (tmp_path / "in.txt").write_text(f"{LONG}\n{rows[0]['text']}\n", encoding="utf-8")
    assert wijha([*job, "--towards", "الحرب", "--restart"]) == 0
    told = "1 texts are longer than the model reads (62 tokens); --articles splits them\n"  # 2 more: the target
    assert capsys.readouterr().out.endswith(told)
    assert wijha(["info", "--model", str(model)]) == 0
    assert "stance towards any target: wijha predict --towards TARGET" in capsys.readouterr().out


def test_the_score_has_a_temperature_of_its_own(model: Path, pairs: Path, tmp_path: Path) -> None:
    folder, many = Path(shutil.copytree(model, tmp_path / "model")), tmp_path / "many.jsonl"
    unseal(folder)
    rows = [json.loads(line) for line in pairs.read_text(encoding="utf-8").splitlines()]
    wrong = [row | {"split": "development", "stance": "favor"} for row in rows]  # a quarter is right
    many.write_text("".join(json.dumps(row) + "\n" for row in wrong), encoding="utf-8")
    before = Classifier.load(folder).towards("الحرب").classify("دعا إلى الهدنة")[0]["target"]
    calibrate_asked(folder, many)
    after = Classifier.load(folder).towards("الحرب").classify("دعا إلى الهدنة")[0]["target"]
    assert after.label == before.label and after.score < 0.6 < 0.9 < before.score


def test_pairs_that_are_held_out_are_scored(
    model: Path, pairs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["targets", str(model), str(pairs)])
    main()
    result = json.loads((model / RESULT).read_text(encoding="utf-8"))
    assert result["pairs"] == 24
    assert result["systems"]["model"]["scores"]["exact_rows"] == 1
    assert result["systems"]["reader"]["scores"]["exact_rows"] == 0.25
    assert result["systems"]["reader"]["intervals"]["exact_rows"] == [0.25, 0.25]  # one of each sentence's four
    words = result["systems"]["tfidf_logistic_regression"]["scores"]["exact_rows"]
    assert words == 1  # here the stance hangs on the target's words alone
    assert list(result["systems"]) == ["model", "reader", "tfidf_logistic_regression"] and 0 <= result["ece"] < 0.1
    assert "| 24 pairs | macro-F1 |" in capsys.readouterr().out
    write_card(model)
    assert "## Asked for any target\n" in (model / "README.md").read_text(encoding="utf-8")


def test_without_a_word_of_two_letters_there_is_no_bag_of_words(model: Path, pairs: Path, tmp_path: Path) -> None:
    letters, file = dict(zip(STANCES, "هوطق", strict=True)), tmp_path / "letters.jsonl"
    rows = [json.loads(line) for line in pairs.read_text(encoding="utf-8").splitlines()]
    short = [row | {"target": letters[row["target"]]} for row in rows]
    file.write_text("".join(json.dumps(row) + "\n" for row in short), encoding="utf-8")
    assert list(score_asked(model, file)["systems"]) == ["model", "reader"]


def test_labels_get_a_place_for_the_target(config: FinetuneConfig, data: Path, pairs: Path) -> None:
    schema, tokenizer = Schema.from_yaml(config.schema), load_tokenizer(config)
    examples, asked = load_examples(data, schema)[:5], load_asked(pairs, schema, "test")
    assert len(asked) == 24 and asked[1].stance == "against"
    hard = encode(examples, tokenizer, schema, config.length)
    both = with_asked(hard, asked, tokenizer, schema, config.length)
    assert len(both) == 29 and both["labels"][:5] == [[*labels, UNLABELLED] for labels in hard["labels"]]
    assert both["labels"][6] == [UNLABELLED] * 4 + [3] and with_place(hard)["labels"] == both["labels"][:5]
    stock = tokenizer(asked[0].text, asked[0].target, return_token_type_ids=True)
    assert both["input_ids"][5] == stock["input_ids"] and not any(stock["token_type_ids"])
    soft = hard.remove_columns("labels").add_column("labels", [[[0.25] * 4] * 4] * 5)
    taught = with_asked(soft, asked, tokenizer, schema, config.length)
    assert taught["labels"][0][4] == [-100] * 4 and taught["labels"][6] == [[-100] * 4] * 4 + [[0.0, 0.0, 0.0, 1.0]]


def test_other_models_teach_the_topics_beside_targets(
    config: FinetuneConfig, rows: list[dict[str, str]], tmp_path: Path
) -> None:
    even = dict.fromkeys(Schema.from_yaml(config.schema).topic_names, [0.25] * 4)
    told = [json.dumps({"text": row["text"], "probabilities": even}) for row in rows]
    (tmp_path / "told.jsonl").write_text("\n".join(told), encoding="utf-8")
    folder = finetune(replace(config, distilled=tmp_path / "told.jsonl", epochs=1, output=tmp_path / "run"))
    assert Classifier.load(folder).can_be_asked
    run = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["run"]
    assert set(run["targets"]) == {str(config.targets)} and set(run["distilled"]) == {str(tmp_path / "told.jsonl")}


def test_topics_are_targets_too(config: FinetuneConfig, data: Path) -> None:
    schema = Schema.from_yaml(config.schema)
    examples = load_examples(data, schema)
    made = list(topics_asked(examples, schema, 13))
    there = [each for each in made if each.stance != schema.absent]
    assert len(there) == sum(label != schema.absent for example in examples for label in example.labels.values())
    assert {each.target for each in there} == {topic.arabic for topic in schema.topics}
    assert 0 < len(made) - len(there) < 0.2 * (4 * len(examples) - len(there))


def test_a_classifier_becomes_one_that_can_be_asked_and_back(config: FinetuneConfig, model: Path) -> None:
    schema = Schema.from_yaml(config.schema)
    own = build_classifier(replace(config, encoder=str(model)), schema)
    plain = build_classifier(replace(config, encoder=str(model), targets=None), schema)
    assert own.classifier.out_features == 20 and plain.classifier.out_features == 16
    assert (plain.classifier.weight == own.classifier.weight[:16]).all()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"text": "نص", "target": "هدف", "stance": "pro"}, "as stance in .* line 1, got 'pro'; mend the row"),
        ({"text": "نص", "target": "هدف", "stance": "favor", "second": 3}, "as stance in .* line 1, got 3; mend"),
        ({"text": "نص", "target": " ", "stance": "favor"}, "expected text, target and stance in .* line 1, found none"),
        ({"text": "نص", "target": "هدف", "stance": "favor", "split": "dev"}, "as split of t-1, got 'dev'; mend"),
        (None, "expected stances towards targets in .*, found no such file; see data/README.md"),
    ],
)
def test_what_is_no_pair_is_refused(tmp_path: Path, config: FinetuneConfig, row: object, message: str) -> None:
    if row:
        (tmp_path / "t.jsonl").write_text(json.dumps(row), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        load_asked(tmp_path / "t.jsonl", Schema.from_yaml(config.schema), "train")


def test_what_cannot_be_learned_is_said_before_anything_else(
    config: FinetuneConfig, pairs: Path, tmp_path: Path
) -> None:
    rows = [json.loads(line) for line in pairs.read_text(encoding="utf-8").splitlines()]
    held = tmp_path / "held.jsonl"
    held.write_text("".join(json.dumps(row | {"split": "test"}) + "\n" for row in rows), encoding="utf-8")
    for name, target in {"long": "كلمة طويلة " * 40, "empty": "ـــ"}.items():
        more = [*rows, rows[0] | {"split": "development", "target": target}]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, more)), encoding="utf-8")
    for name, message in {
        "gone.jsonl": "found no such file; see data",
        "held.jsonl": "none in its training split",
        "long.jsonl": f"target of 1 to [0-9]+ tokens, known .* in .*long.jsonl line {len(rows) + 1}, got 'كلمة",
        "empty.jsonl": f"among them, in .*empty.jsonl line {len(rows) + 1}, got 'ـــ'; name it in a few words",
    }.items():
        with pytest.raises(InputError, match=message):
            finetune(replace(config, targets=tmp_path / name, output=tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_the_pairs_that_ship_are_held_apart() -> None:
    rows = [row for _, row in read_rows(ROOT / "data" / "targets.jsonl")]
    keys = {part: {row["key"] for row in rows if row["split"] == part} for part in SPLITS}
    assert sum(map(len, keys.values())) == len({row["key"] for row in rows})
    assert all(("second" in row) == (row["split"] == "test") and "text" not in row for row in rows)
    assert len({(row["key"], row["target"]) for row in rows}) == len(rows) > 30_000
    made = [row for _, row in read_rows(ROOT / "data" / "annotated.jsonl") if row.get("of")]
    changed = {part: {row["of"] for row in made if split_of_row(row, row["story"]) == part} for part in SPLITS}
    assert not changed["train"] & keys["test"] and set(keys) == set(SPLITS)
    assert not (changed["development"] | changed["test"]) & keys["train"]
