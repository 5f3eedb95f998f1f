"""Training: what lands in the folder, resuming, several processes, another schema, a hub encoder's layout."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from train.config import FinetuneConfig, as_dict
from train.finetune import finetune
from wijha import Classifier, InputError
from wijha.cli import main

ROOT = Path(__file__).resolve().parents[2]


def test_run_folder_holds_all_that_went_in_and_came_out(model: Path) -> None:
    names = {path.name for path in model.iterdir()}
    assert names >= {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "metrics.json"}
    assert names >= {"manifest.json", "golden.json", "README.md"}
    metrics = json.loads((model / "metrics.json").read_text(encoding="utf-8"))
    run = metrics["run"]
    assert len(next(iter(run["data"].values()))) == 64
    assert run["config"]["batch"] == 8 and run["versions"]["torch"] == torch.__version__
    assert sum(run["sentences"].values()) == 60 and set(run["sentences"]) == {"train", "development", "test"}
    for system in metrics["test"]["systems"].values():
        low, high = system["intervals"]["topic_micro_f1"]
        assert 0 <= low <= system["scores"]["topic_micro_f1"] <= high <= 1


def test_same_seed_same_weights(settings: dict[str, object], model: Path, tmp_path: Path) -> None:
    again = finetune(FinetuneConfig(**settings, output=tmp_path))  # type: ignore[arg-type]
    first, second = load_file(model / "model.safetensors"), load_file(again / "model.safetensors")
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_finished_run_can_be_run_again(settings: dict[str, object], tmp_path: Path) -> None:
    config = FinetuneConfig(**(settings | {"epochs": 1}), output=tmp_path)  # type: ignore[arg-type]
    for _ in range(2):
        assert main(["info", "--check", "--model", str(finetune(config))]) == 0


def _yaml(path: Path, settings: dict[str, object], **others: object) -> Path:
    plain = as_dict(FinetuneConfig(**(settings | others)))  # type: ignore[arg-type]
    path.write_text(yaml.safe_dump(plain), encoding="utf-8")
    return path


def test_killed_and_resumed_equals_undisturbed(settings: dict[str, object], tmp_path: Path) -> None:
    settings = settings | {"epochs": 6, "dropout": 0.1, "patience": 9}
    whole = finetune(FinetuneConfig(**settings, output=tmp_path / "whole"))  # type: ignore[arg-type]
    config = _yaml(tmp_path / "run.yaml", settings, output=tmp_path / "killed")
    command = [sys.executable, "-m", "train.finetune", str(config)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not list((tmp_path / "killed" / "checkpoints").glob("checkpoint-*/trainer_state.json")):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed" / "model").exists()
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    first = load_file(whole / "model.safetensors")
    second = load_file(tmp_path / "killed" / "model" / "model.safetensors")
    assert all(torch.equal(first[name], second[name]) for name in first)


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
    )
    assert done.returncode == 0, done.stderr[-2000:]
    two = tmp_path / "two" / "model"
    assert json.loads((two / "metrics.json").read_text(encoding="utf-8"))["run"]["processes"] == 2
    first = load_file(one / "model.safetensors")
    second = load_file(two / "model.safetensors")
    for name in first:
        assert torch.allclose(first[name], second[name], atol=1e-4), name


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


def test_output_of_another_config_is_refused(settings: dict[str, object], model: Path) -> None:
    with pytest.raises(InputError, match="found a run of another config"):
        finetune(FinetuneConfig(**(settings | {"epochs": 3}), output=model.parent))  # type: ignore[arg-type]


def test_missing_and_broken_encoders(settings: dict[str, object], encoder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected an encoder folder at"):
        finetune(FinetuneConfig(**(settings | {"encoder": "./nothing"}), output=tmp_path / "a"))  # type: ignore[arg-type]
    broken = tmp_path / "broken"
    shutil.copytree(encoder, broken)
    (broken / "model.safetensors").write_bytes(b"half")
    with pytest.raises(InputError, match="expected a whole encoder in"):
        finetune(FinetuneConfig(**(settings | {"encoder": str(broken)}), output=tmp_path / "b"))  # type: ignore[arg-type]
