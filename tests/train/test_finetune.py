"""Training: what lands in the folder, resuming, several processes, another schema, a hub encoder's layout."""

from __future__ import annotations

import dataclasses
import gc
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, EvalPrediction, PreTrainedTokenizerFast

from train import command
from train import finetune as finetune_module
from train.checkpoints import alone
from train.config import FinetuneConfig, as_dict
from train.data import UNLABELLED, Example, split_of
from train.finetune import DevelopmentScores, finetune, finish, inputs, resumable
from train.losses import TopicLoss
from train.model import build_classifier, load_tokenizer
from train.provenance import begun_with, run_of
from train.trainer import TopicTrainer
from wijha import Classifier, InputError
from wijha.classifier import read_settings
from wijha.cli import main
from wijha.files import file_sha256
from wijha.golden import unseal
from wijha.manifest import write_manifest
from wijha.schema import Schema

ROOT = Path(__file__).resolve().parents[2]


def test_run_folder_holds_all_that_went_in_and_came_out(model: Path) -> None:
    names = {path.name for path in model.iterdir()}
    assert names >= {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "metrics.json"}
    assert names >= {"manifest.json", "golden.json", "README.md"}
    metrics = json.loads((model / "metrics.json").read_text(encoding="utf-8"))
    run = metrics["run"]
    assert len(next(iter(run["data"].values()))) == 64
    assert re.fullmatch(r"([0-9a-f]{7,}(-dirty)?)?", run["commit"])
    assert run["config"]["batch"] == 8 and run["versions"]["torch"] == torch.__version__
    assert sum(run["sentences"].values()) == 60 and set(run["sentences"]) == {"train", "development", "test"}
    for system in metrics["test"]["systems"].values():
        low, high = system["intervals"]["topic_micro_f1"]
        assert 0 <= low <= system["scores"]["topic_micro_f1"] <= high <= 1


def test_weights_are_saved_in_half_precision(model: Path) -> None:
    assert {tensor.dtype for tensor in load_file(model / "model.safetensors").values()} == {torch.float16}


def test_temperatures_are_fitted_on_the_development_split(
    model: Path, rows: list[dict[str, str]], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(model, tmp_path / "model"))
    unseal(folder)
    classifier, made = Classifier.load(folder), run_of(folder)
    names, topics = classifier.schema.label_names, classifier.schema.topic_names
    order = classifier.logits([row["text"] for row in rows]).argsort(axis=-1)

    def labelled(place: int) -> list[Example]:
        given = [dict(zip(topics, (names[k] for k in cells), strict=True)) for cells in order[:, :, place]]
        return [Example(row["id"], row["text"], g, row["story"], {}) for row, g in zip(rows, given, strict=True)]

    least, most = labelled(0), labelled(-1)  # what the model believes least, and what it says
    finish(folder, made["config"], {"train": most, "development": least, "test": most}, begun_with(made))
    assert min(read_settings(folder)["temperatures"][topic] for topic in topics) > 4


def test_loss_and_learning_rates_are_as_asked_for(
    own: FinetuneConfig, rows: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[TopicTrainer] = []

    def stop(trainer: TopicTrainer, **_: object) -> None:
        begun.append(trainer)
        raise KeyboardInterrupt

    monkeypatch.setattr(TopicTrainer, "train", stop)
    with pytest.raises(KeyboardInterrupt):
        finetune(
            dataclasses.replace(own, class_weight_power=1.0, label_smoothing=0.1, warmup=0.25, metric="exact_rows")
        )
    assert begun[0].args.metric_for_best_model == "exact_rows" and begun[0].args.greater_is_better
    loss = begun[0].compute_loss_func
    seen = Counter(row["jerusalem_status"] for row in rows if split_of(row["story"]) == "train")
    assert (loss.weights[2, 2] / loss.weights[2, 0]).item() == pytest.approx(seen["absent"] / seen["favor"])
    assert seen["absent"] > 2 * seen["favor"] > 0 and loss.smoothing == 0.1
    (rate, *_) = begun[0].create_scheduler(40, begun[0].create_optimizer()).lr_lambdas
    assert [rate(step) for step in (0, 5, 10, 25, 40)] == [0, 0.5, 1, 0.5, 0]


def test_same_seed_same_weights(settings: dict[str, object], model: Path, tmp_path: Path) -> None:
    again = finetune(FinetuneConfig(**settings, output=tmp_path))  # type: ignore[arg-type]
    first, second = load_file(model / "model.safetensors"), load_file(again / "model.safetensors")
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_finished_run_can_be_run_again(settings: dict[str, object], tmp_path: Path) -> None:
    config = FinetuneConfig(**(settings | {"epochs": 1}), output=tmp_path)  # type: ignore[arg-type]
    for _ in range(2):
        assert main(["info", "--check", "--model", str(finetune(config))]) == 0


@pytest.fixture
def own(settings: dict[str, object], data: Path, encoder: Path, tmp_path: Path) -> FinetuneConfig:
    """A run of one epoch, with data and an encoder that can be changed."""
    files = {
        "data": (Path(shutil.copy(data, tmp_path / "rows.jsonl")),),
        "encoder": str(shutil.copytree(encoder, tmp_path / "encoder")),
    }
    return FinetuneConfig(**(settings | files | {"epochs": 1}), output=tmp_path / "run")  # type: ignore[arg-type]


def _scale_weights(folder: Path, factor: float) -> None:
    path = folder / "model.safetensors"
    save_file({name: factor * tensor for name, tensor in load_file(path).items()}, path, {"format": "pt"})


def test_a_run_of_other_data_or_another_encoder_is_refused(own: FinetuneConfig) -> None:
    metrics = finetune(own) / "metrics.json"
    noted, rows, encoder = metrics.read_text(encoding="utf-8"), own.data[0], Path(own.encoder)
    before = rows.read_bytes()
    rows.write_bytes(before + before.splitlines()[-1].replace(b'"r59"', b'"r60"') + b"\n")
    with pytest.raises(InputError, match=f"found a run of another {rows}; go back to it or choose another output"):
        finetune(own)
    _scale_weights(encoder, 2)
    with pytest.raises(InputError, match=f"found a run of another {encoder}/model.safetensors, {rows}; go back to it"):
        finetune(own)
    rows.write_bytes(before)
    _scale_weights(encoder, 0.5)
    assert metrics.read_text(encoding="utf-8") == noted
    finetune(own)


def test_a_run_of_another_schema_or_tokenizer_is_refused(own: FinetuneConfig, tmp_path: Path) -> None:
    schema, tokenizer = tmp_path / "schema.yaml", Path(own.encoder) / "tokenizer.json"
    own = dataclasses.replace(own, schema=Path(shutil.copy(own.schema, schema)))
    assert resumable(own, inputs(own)) is None
    for path in (schema, tokenizer):
        before = path.read_bytes()
        path.write_bytes(before + b"\n")
        with pytest.raises(InputError, match=f"found a run of another {path}; go back to it or choose another output"):
            resumable(own, inputs(own))
        path.write_bytes(before)


def test_a_topic_without_training_labels_is_refused_before_training(own: FinetuneConfig) -> None:
    rows = [json.loads(line) for line in own.data[0].read_text(encoding="utf-8").splitlines()]
    emptied = [row | {"jerusalem_status": ""} if split_of(row["story"]) == "train" else row for row in rows]
    own.data[0].write_text("".join(json.dumps(row) + "\n" for row in emptied), encoding="utf-8")
    with pytest.raises(InputError, match="found none for jerusalem_status; add data or take the topic out of"):
        finetune(own)
    assert not own.output.exists()


def test_what_cannot_be_read_or_written_is_said_before_training(
    own: FinetuneConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finetune_module, "fit", lambda *_: pytest.fail("it trains"))
    with pytest.raises(InputError, match=r"found no such file; write it with python -m train\.distill"):
        finetune(dataclasses.replace(own, distilled=tmp_path / "none.parquet"))
    with pytest.raises(FileExistsError):
        finetune(dataclasses.replace(own, output=own.data[0]))


def test_metrics_name_the_data_that_was_read(own: FinetuneConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, read, train = own.data[0], file_sha256(own.data[0]), TopicTrainer.train

    def train_while_the_data_changes(trainer: TopicTrainer, *rest: Any, **more: Any) -> Any:
        rows.write_text("", encoding="utf-8")
        return train(trainer, *rest, **more)

    monkeypatch.setattr(TopicTrainer, "train", train_while_the_data_changes)
    metrics = json.loads((finetune(own) / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["run"]["data"] == {str(rows): read} != {str(rows): file_sha256(rows)}


def test_a_setting_that_is_newer_than_a_run_stood_at_its_default(own: FinetuneConfig) -> None:
    assert resumable(own, {}) is None
    path = own.output / "config.json"
    kept = json.loads(path.read_text(encoding="utf-8"))
    for name, default in {"normalize": [], "word_dropout": 0.0}.items():
        path.write_text(json.dumps({key: value for key, value in kept.items() if key != name}), encoding="utf-8")
        assert resumable(own, {}) is None
        assert json.loads(path.read_text(encoding="utf-8"))[name] == default == kept[name]
    del kept["dropout"]  # 0.1 by default, 0 here
    path.write_text(json.dumps(kept), encoding="utf-8")
    with pytest.raises(InputError, match="found a run of another config"):
        resumable(own, {})


def test_a_run_that_noted_no_checksums_goes_on(own: FinetuneConfig) -> None:
    assert resumable(own, {"a": "1"}) is None
    (own.output / "checksums.json").unlink()
    assert resumable(own, {"a": "2"}) is None
    with pytest.raises(InputError, match="found a run of another a;"):
        resumable(own, {"a": "3"})
    with pytest.raises(InputError, match="found a run of another b;"):
        resumable(own, {"a": "2", "b": "1"})


def _yaml(path: Path, settings: dict[str, object], **others: object) -> Path:
    plain = as_dict(FinetuneConfig(**(settings | others)))  # type: ignore[arg-type]
    path.write_text(yaml.safe_dump(plain), encoding="utf-8")
    return path


def test_two_processes_give_the_result_of_one(settings: dict[str, object], tmp_path: Path) -> None:
    settings = settings | {"batch": 6}  # divides the 42 sentences: an incomplete last step is filled up with others
    one = finetune(FinetuneConfig(**settings, output=tmp_path / "one"))  # type: ignore[arg-type]
    config = _yaml(tmp_path / "run.yaml", settings, output=tmp_path / "two")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    done = subprocess.run(
        [*launcher, "-m", "train.finetune", str(config)],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,  # a minute where nothing else runs: a hang fails, it does not stop the tests
    )
    assert done.returncode == 0, done.stderr[-2000:]
    two = tmp_path / "two" / "model"
    assert json.loads((two / "metrics.json").read_text(encoding="utf-8"))["run"]["processes"] == 2
    first = load_file(one / "model.safetensors")
    second = load_file(two / "model.safetensors")
    for name in first:
        assert torch.allclose(first[name], second[name], atol=1e-4), name


def test_the_trainer_is_gone_before_the_processes_part(
    settings: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = FinetuneConfig(**settings | {"epochs": 1, "output": tmp_path / "run"})  # type: ignore[arg-type]
    left: list[list[TopicTrainer]] = []

    class Processes:
        def wait_for_everyone(self) -> None: ...

        def destroy_process_group(self) -> None:
            trainers = [thing for thing in gc.get_objects() if type(thing) is TopicTrainer]
            left.append([trainer for trainer in trainers if trainer.config == config])

    monkeypatch.setattr(command, "processes", Processes)
    gc.disable()  # what is in a cycle goes only where it is collected
    try:
        finetune(config)
    finally:
        gc.enable()
    assert left == [[]]


def test_another_schema_with_other_topics_and_labels(settings: dict[str, object], tmp_path: Path) -> None:
    schema = {"topics": [{"name": "sport"}, {"name": "weather"}], "labels": [{"name": "no"}, {"name": "yes"}]}
    (tmp_path / "schema.yaml").write_text(yaml.safe_dump(schema), encoding="utf-8")
    lines = ["text,sport,weather,story"]
    for number in range(40):
        lines.append(f"فاز الفريق {number},yes,no,a{number}")
        lines.append(f"هطل المطر {number},no,{'yes' if number % 2 else ''},b{number}")
    (tmp_path / "rows.csv").write_text("\n".join(lines), encoding="utf-8")
    settings = settings | {"schema": tmp_path / "schema.yaml", "data": (tmp_path / "rows.csv",), "epochs": 8}
    folder = finetune(FinetuneConfig(**settings, output=tmp_path / "run", metric="topic_micro_f1"))  # type: ignore[arg-type]
    classifier = Classifier.load(folder)
    assert classifier.schema.id2label == {0: "sport/no", 1: "sport/yes", 2: "weather/no", 3: "weather/yes"}
    assert [p["sport"].label for p in classifier.classify(["فاز الفريق", "هطل المطر"])] == ["yes", "no"]


@pytest.fixture
def hub_encoder(tmp_path: Path, rows: list[dict[str, str]]) -> Path:
    """The layout of hub encoders such as AraBERT: a pooler, BERT's own normalizer, vocab of plain WordPiece."""
    words = sorted({word for row in rows for word in row["text"].split()})
    vocabulary = {token: i for i, token in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words])}
    backend = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    folder = tmp_path / "hub"
    PreTrainedTokenizerFast(tokenizer_object=backend, mask_token="[MASK]", **names).save_pretrained(folder)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    BertModel(BertConfig(vocab_size=len(vocabulary), max_position_embeddings=512, **sizes)).save_pretrained(folder)
    return folder


def test_hub_layout_with_normalisation_in_front(settings: dict[str, object], hub_encoder: Path, tmp_path: Path) -> None:
    steps = ("remove_marks", "fold_persian")
    settings = settings | {"encoder": str(hub_encoder), "normalize": steps, "epochs": 1}
    folder = finetune(FinetuneConfig(**settings, output=tmp_path / "run"))  # type: ignore[arg-type]
    tokenizer = Classifier.load(folder).tokenizer
    assert tokenizer("أكّدَ الوزيـر")["input_ids"] == tokenizer("أكد الوزير")["input_ids"]
    assert tokenizer.unk_token_id not in tokenizer("أكّدَ الوزيـر")["input_ids"]


def test_two_runs_do_not_train_into_one_folder(own: FinetuneConfig) -> None:
    with alone(own.output), pytest.raises(InputError, match=f"expected {own.output} at rest, another run trains"):
        finetune(own)
    assert [path.name for path in own.output.iterdir()] == ["lock"]


def test_the_development_loss_is_that_of_all_cells_whatever_the_batches(
    own: FinetuneConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema, dice = Schema.from_yaml(own.schema), np.random.default_rng(2)
    labels = np.array([[0, 1, UNLABELLED, UNLABELLED], [3, UNLABELLED, UNLABELLED, 2]])
    logits = dice.normal(size=(2, 16)).astype("float32")
    told = DevelopmentScores(schema, TopicLoss(schema))(EvalPrediction(logits, labels))["loss"]
    rows = logits.reshape(2, 4, 4)
    surprise = np.log(np.exp(rows).sum(axis=2, keepdims=True)) - rows
    wanted = [surprise[row, topic, labels[row, topic]] for row, topic in ((0, 0), (0, 1), (1, 0), (1, 3))]
    assert told == pytest.approx(4 * float(np.mean(wanted)), rel=1e-5)

    made, call = list[float](), DevelopmentScores.__call__
    monkeypatch.setattr(
        DevelopmentScores, "__call__", lambda *given: (scores := call(*given), made.append(scores["loss"]))[0]
    )
    finetune(own)
    (state,) = (own.output / "checkpoints").glob("*/trainer_state.json")
    history = json.loads(state.read_text(encoding="utf-8"))["log_history"]
    assert [entry["eval_loss"] for entry in history if "eval_loss" in entry] == made and len(made) == 1


def test_output_of_another_config_is_refused(settings: dict[str, object], model: Path) -> None:
    with pytest.raises(
        InputError, match=r"found a run of another config \(epochs 3, not \d+\); go back to it or choose another"
    ):
        finetune(FinetuneConfig(**(settings | {"epochs": 3}), output=model.parent))  # type: ignore[arg-type]


def test_missing_and_broken_encoders(settings: dict[str, object], encoder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected an encoder folder at"):
        finetune(FinetuneConfig(**(settings | {"encoder": "./nothing"}), output=tmp_path / "a"))  # type: ignore[arg-type]
    broken = tmp_path / "broken"
    shutil.copytree(encoder, broken)
    (broken / "model.safetensors").write_bytes(b"half")
    with pytest.raises(InputError, match="expected a whole encoder in"):
        finetune(FinetuneConfig(**(settings | {"encoder": str(broken)}), output=tmp_path / "b"))  # type: ignore[arg-type]


class _Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, sprung: Path) -> None:
        self.sprung = sprung

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.sprung),)


def test_an_encoder_in_a_pickle_is_refused_unopened(own: FinetuneConfig, tmp_path: Path) -> None:
    encoder = Path(own.encoder)
    (encoder / "model.safetensors").unlink()
    torch.save(_Trap(tmp_path / "sprung"), encoder / "pytorch_model.bin")
    with pytest.raises(
        InputError, match=r"expected model\.safetensors in .*, found pytorch_model\.bin; .* never opened"
    ):
        finetune(own)
    assert not (tmp_path / "sprung").exists()
    torch.load(encoder / "pytorch_model.bin", weights_only=False)
    assert (tmp_path / "sprung").exists()  # the trap itself works


def test_code_of_an_encoder_does_not_run_whoever_agrees(
    own: FinetuneConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(own.encoder) / "config.json"
    (path.parent / "code.py").write_text(f"import os\nos.mkdir({str(tmp_path / 'sprung')!r})\n", encoding="utf-8")
    code = {"AutoConfig": "code.Config", "AutoModelForSequenceClassification": "code.Model"}
    settings = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(settings | {"model_type": "other", "auto_map": code}), encoding="utf-8")
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    with pytest.raises(InputError, match=r"expected a whole encoder in .* contains custom code"):
        build_classifier(own, Schema.from_yaml(own.schema))
    assert not (tmp_path / "sprung").exists()


def test_weights_of_an_encoder_that_are_no_numbers_are_refused(own: FinetuneConfig) -> None:
    _scale_weights(Path(own.encoder), float("nan"))
    with pytest.raises(InputError, match=r"expected finite weights in .*encoder/model\.safetensors"):
        finetune(own)


def test_an_encoder_that_is_not_as_its_manifest_lists_it_is_refused(own: FinetuneConfig) -> None:
    encoder = Path(own.encoder)
    write_manifest(encoder)
    assert load_tokenizer(own)
    with open(encoder / "tokenizer.json", "a", encoding="utf-8") as file:
        file.write("\n")
    with pytest.raises(InputError, match=r"expected .*encoder/tokenizer\.json as manifest\.json lists it"):
        finetune(own)


def test_a_checkpoint_of_a_training_can_be_the_encoder(own: FinetuneConfig, model: Path) -> None:
    checkpoint = next((model.parent / "checkpoints").iterdir())
    config = dataclasses.replace(own, encoder=str(checkpoint))
    assert load_tokenizer(config) and build_classifier(config, Schema.from_yaml(config.schema))


def test_a_mean_layer_begins_with_the_mean_of_the_words_in_cls(own: FinetuneConfig) -> None:
    schema = Schema.from_yaml(own.schema)
    plain, crowned = (build_classifier(dataclasses.replace(own, mean_layer=wanted), schema) for wanted in (False, True))
    words = load_tokenizer(own)("قال الوزير إن الهدنة باقية", return_tensors="pt")
    with torch.no_grad():
        below = crowned.bert(**words, output_hidden_states=True).hidden_states[-2]
        top = crowned.bert.encoder.layer[-1].attention(below)[0]
    assert crowned.config.num_hidden_layers == plain.config.num_hidden_layers + 1 == len(crowned.bert.encoder.layer)
    assert torch.allclose(below, plain.bert(**words).last_hidden_state, atol=1e-6)
    wanted = torch.nn.functional.layer_norm(below[:, 0] + below.mean(1), below.shape[-1:])
    assert torch.allclose(top[:, 0], wanted, atol=0.05)


def test_a_model_with_a_mean_layer_is_a_stock_one(settings: dict[str, object], tmp_path: Path) -> None:
    folder = finetune(FinetuneConfig(**(settings | {"epochs": 1, "mean_layer": True}), output=tmp_path))  # type: ignore[arg-type]
    assert main(["info", "--check", "--model", str(folder)]) == 0
    layers = [
        {name.split(".layer.")[1].split(".")[0] for name in load_file(where / "model.safetensors") if ".layer." in name}
        for where in (Path(str(settings["encoder"])), folder)
    ]
    assert len(layers[1]) == len(layers[0]) + 1


def test_the_lowest_layers_are_kept(own: FinetuneConfig) -> None:
    schema = Schema.from_yaml(own.schema)
    whole, low = (build_classifier(dataclasses.replace(own, layers=layers), schema) for layers in (None, 1))
    depth = whole.config.num_hidden_layers
    assert depth > 1 == low.config.num_hidden_layers == len(low.bert.encoder.layer)
    words = load_tokenizer(own)("قال الوزير إن الهدنة باقية", return_tensors="pt")
    with torch.no_grad():
        assert torch.equal(low.bert(**words).last_hidden_state, whole.bert(**words, output_hidden_states=True)[-1][1])
    with pytest.raises(InputError, match=f"expected layers of at most {depth}, which the encoder has, got {depth + 1}"):
        build_classifier(dataclasses.replace(own, layers=depth + 1), schema)
    assert dataclasses.replace(own, layers=0).problems() == ["layers must be at least 1, got 0"]
