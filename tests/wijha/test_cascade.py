"""A folder with a faster model in first/: who is asked of what, and what the two say together."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from train import calibration, documents
from train.provenance import begun_with
from train.release import release
from wijha import Classifier, InputError
from wijha.classifier import in_doubt, softmax
from wijha.cli import main
from wijha.files import write_json
from wijha.golden import seal, unseal
from wijha.identity import model_state
from wijha.manifest import FIRST, check_manifest
from wijha.reader import Reader
from wijha.records import read_rows
from wijha.runtime import each_runtime


class Knowing:
    """Logits of a fixed answer for each length of a text; remembers how many rows it was asked of."""

    name, tokens, step, workers, tolerance = "knowing", 64, 0, 1, 0.0

    def __init__(self, present: dict[int, float]) -> None:
        self.present, self.asked = present, 0

    def logits(self, rows: Sequence[Sequence[int]], pad: int) -> np.ndarray:
        """Topic 0 is there, in favour, with the probability that belongs to the row's length; no other is."""
        self.asked += len(rows)
        answers = np.full((len(rows), 4, 4), 1e-6)
        answers[:, :, 0] = 1
        for row, ids in enumerate(rows):
            answers[row, 0, [0, 2]] = 1 - self.present[len(ids)], self.present[len(ids)]
        return np.log(answers).reshape(len(rows), -1).astype(np.float32)


def test_only_what_is_not_ruled_out_is_read_twice(model: Path) -> None:
    reader, texts = Reader.load(model, "cpu", "torch"), ["نص", "نص " * 2, "نص " * 3]
    none, maybe, surely = (len(ids) for ids in reader.token_ids(texts))
    fast, slow = Knowing({none: 0.01, maybe: 0.3, surely: 0.9}), Knowing({none: 1.0, maybe: 0.8, surely: 0.9})
    classifier = Classifier(Reader(model, slow), Classifier.load(model).schema, {}, Reader(model, fast))
    probabilities = classifier.probabilities(texts)
    assert (fast.asked, slow.asked) == (3, 2)
    assert probabilities[:, 0, 2] == pytest.approx([0.01, 0.55, 0.9], abs=1e-3)
    assert probabilities.sum(axis=-1) == pytest.approx(np.ones((3, 4)), abs=1e-5)
    assert classifier.runtime_name == "knowing, then knowing"
    assert classifier.classify([]) == []


def test_a_text_is_in_doubt_from_a_tenth_on_in_any_topic() -> None:
    present = np.array([[0.0, 0.0], [0.09, 0.09], [0.11, 0.0], [0.0, 0.11], [1.0, 1.0]])
    probabilities = np.stack([1 - present, present / 2, present / 2], axis=-1)
    assert in_doubt(probabilities).tolist() == [False, False, True, True, True]
    assert in_doubt(probabilities, 0.05).tolist() == [False, True, True, True, True]


@pytest.fixture(scope="module")
def first(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same recipe's model with other weights, so that it says other things."""
    folder = Path(shutil.copytree(model, tmp_path_factory.mktemp("first") / "model"))
    unseal(folder)
    weights = load_file(folder / "model.safetensors")
    weights["classifier.weight"] = 2 * weights["classifier.weight"].flip(0)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    seal(folder)
    return folder


@pytest.fixture(scope="module")
def folder(model: Path, first: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("models") / "classifier"
    run = Path(shutil.copytree(model, tmp_path_factory.mktemp("run") / "model"))
    (run / "evaluation-news.json").write_text("{}", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibration, "ENOUGH", 1)  # the data made here has few sentences
        release(run, target, first)
    assert not (target / "evaluation-news.json").exists()  # it was of one model, not of two
    return target


@pytest.fixture(scope="module")
def texts(rows: list[dict[str, str]]) -> list[str]:
    return [row["text"] * (1 + number % 3) for number, row in enumerate(rows)]


def test_a_released_pair_gives_the_mean_however_it_is_batched(
    folder: Path, first: Path, model: Path, texts: list[str]
) -> None:
    classifier = Classifier.load(folder, "cpu")
    said, again = (softmax(Classifier.load(each, "cpu").logits(texts)) for each in (first, model))
    expected = np.where(in_doubt(said)[:, None, None], (said + again) / 2, said)
    assert np.abs(softmax(classifier.logits(texts)) - expected).max() < 1e-5
    together = classifier.probabilities(texts)
    alone = np.concatenate([classifier.probabilities([text]) for text in texts])
    assert np.abs(together - alone).max() < 1e-3
    shuffled = random.Random(1).sample(range(len(texts)), len(texts))
    again = classifier.probabilities([texts[i] for i in shuffled])[np.argsort(shuffled)]
    assert np.abs(together - again).max() < 1e-3


def test_a_released_pair_is_calibrated_and_scored_as_one(folder: Path, model: Path, texts: list[str]) -> None:
    metrics, alone = (json.loads((each / "metrics.json").read_text(encoding="utf-8")) for each in (folder, model))
    assert FIRST in metrics["run"]["config"] and begun_with(metrics["run"]) == begun_with(alone["run"])
    assert metrics["development"]["systems"]["model"] != alone["development"]["systems"]["model"]
    settings = [json.loads((each / "config.json").read_text(encoding="utf-8"))["wijha"] for each in (folder, model)]
    assert settings[0]["schema"] == settings[1]["schema"] and settings[0]["temperatures"] != settings[1]["temperatures"]
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "`first/`" in card and "mean of their probabilities" in card


def test_a_job_writes_what_the_classifier_says_and_a_check_names_both(
    folder: Path, texts: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.txt").write_text("\n".join(texts), encoding="utf-8")
    assert main(["predict", str(tmp_path / "in.txt"), str(tmp_path / "out.jsonl"), "--model", str(folder)]) == 0
    written = [row["political_settlement_stance"] for _, row in read_rows(tmp_path / "out.jsonl")]
    expected = Classifier.load(folder).classify([text.strip() for text in texts])
    assert written == [prediction["political_settlement"].label for prediction in expected]
    assert main(["info", "--check", "--model", str(folder)]) == 0
    shown = capsys.readouterr().out
    assert shown.count(": ok") == 8 and f"reader   {folder / FIRST}\n" in shown


def test_another_first_model_is_noticed(folder: Path, model: Path, tmp_path: Path) -> None:
    changed = Path(shutil.copytree(folder, tmp_path / "model"))
    shutil.rmtree(changed / FIRST)
    with pytest.raises(InputError, match=r"first/manifest\.json as manifest\.json lists it, got no such file"):
        Classifier.load(changed)
    shutil.copytree(model, changed / FIRST)
    with pytest.raises(InputError, match=r"first/manifest\.json as manifest\.json lists it, got"):
        Classifier.load(changed)
    unseal(changed)
    unseal(changed / FIRST)
    config = json.loads((changed / FIRST / "config.json").read_text(encoding="utf-8"))
    old = config["wijha"]["schema"]["topics"][0]["name"]
    config["wijha"]["schema"]["topics"][0]["name"] = "another"
    config["id2label"] = {number: name.replace(old, "another") for number, name in config["id2label"].items()}
    (changed / FIRST / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(InputError, match=r"expected the topics and labels of .* in .*first, got others"):
        Classifier.load(changed)


def test_a_first_model_without_a_manifest_is_none_of_a_sealed_folder(model: Path, first: Path, tmp_path: Path) -> None:
    planted = Path(shutil.copytree(model, tmp_path / "model"))
    shutil.copytree(first, planted / FIRST)
    unseal(planted / FIRST)
    with pytest.raises(InputError, match=r"expected manifest\.json in .*first, as .*model has one, found none"):
        Classifier.load(planted)


def test_sealing_the_first_model_again_keeps_the_pair_whole(folder: Path, tmp_path: Path) -> None:
    pair = Path(shutil.copytree(folder, tmp_path / "model"))
    write_json(pair / FIRST / "export.json", {"weights": "", "openvino": {}})
    seal(pair / FIRST)
    assert "export.json" in (check_manifest(pair / FIRST) or {}) and len(Classifier.load(pair).readers) == 2
    (pair / "config.json").write_bytes((pair / "config.json").read_bytes() + b"\n")
    seal(pair / FIRST)  # what else is changed in the folder is noticed all the same
    with pytest.raises(InputError, match=r"model/config\.json as manifest\.json lists it, got"):
        Classifier.load(pair)


def test_a_broken_first_model_is_named(folder: Path, tmp_path: Path) -> None:
    pair = Path(shutil.copytree(folder, tmp_path / "model"))
    unseal(pair)
    unseal(pair / FIRST)
    (pair / FIRST / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match=r"expected a whole model in .*/model/first, got"):
        Classifier.load(pair)


def test_a_file_that_the_system_does_not_give_is_one_sentence(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(folder: Path) -> None:
        raise PermissionError(13, "Permission denied", str(folder / "config.json"))

    monkeypatch.setattr("wijha.classifier.check_manifest", refused)
    with pytest.raises(InputError, match=r"expected to read .*config\.json, found it closed to this user; open it"):
        Classifier.load(folder)


def test_a_named_precision_counts_where_it_is_admitted(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = [Path("deep"), Path("deep/first")]
    admitted = {pair[0]: ["f32", "bf16"], pair[1]: ["f32", "bf16", "int8"]}
    monkeypatch.setattr("wijha.runtime.accepted", admitted.get)
    assert each_runtime(pair, "openvino-int8") == ["openvino", "openvino-int8"]
    assert each_runtime(pair, "openvino-f32") == ["openvino-f32"] * 2
    assert each_runtime(pair[:1], "openvino-int8") == ["openvino-int8"]  # which is then refused
    assert each_runtime(pair, "auto") == ["auto"] * 2 and each_runtime(pair, "torch") == ["torch"] * 2


@pytest.mark.parametrize("name", ["tokenizer_config.json", "first/config.json", "first/tokenizer.json"])
@pytest.mark.parametrize("linked", [False, True])
def test_a_job_goes_on_with_the_same_files_alone(folder: Path, tmp_path: Path, name: str, linked: bool) -> None:
    pair = Path(shutil.copytree(folder, tmp_path / "model"))
    if linked:
        shutil.move(pair / FIRST, tmp_path / "elsewhere")
        (pair / FIRST).symlink_to(tmp_path / "elsewhere")
    before = model_state(pair)
    assert before == model_state(folder)
    (pair / name).write_bytes((pair / name).read_bytes() + b"\n")
    assert model_state(pair) != before


def test_first_must_be_a_finished_run_of_one_model(model: Path, first: Path, folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "models" / "classifier"
    for missing in ("metrics.json", "manifest.json"):
        bare = Path(shutil.copytree(first, tmp_path / missing))
        (bare / missing).unlink()
        with pytest.raises(InputError, match=rf"expected {missing} in .*{missing}, found none"):
            release(model, target, bare)
    with pytest.raises(InputError, match=r"expected one model in .*classifier, found two; name .*first"):
        release(model, target, folder)
    assert not target.exists()


def test_a_pair_that_becomes_one_model_is_told(
    model: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = Path(shutil.copytree(folder, tmp_path / "models" / "classifier"))
    release(model, target)
    assert "held two models and holds one now" in capsys.readouterr().out and not (target / FIRST).exists()


def test_the_scores_of_a_pair_do_not_take_the_place_of_its_models(
    folder: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "RESULTS", tmp_path)
    names = []
    for each in (folder, model):
        copy = Path(shutil.copytree(each, tmp_path / f"copy-{len(names)}"))
        scored = json.loads((copy / "metrics.json").read_text(encoding="utf-8"))["test"]
        (copy / documents.EVALUATION).write_text(json.dumps(scored), encoding="utf-8")
        names.append(documents.keep_result(copy).stem.rpartition("-seed")[0])
    assert names == [f"{names[1]}-pair", names[1]]
