"""Tiny real things made on the spot: a two-layer BERT, a small vocabulary, a few labelled rows."""

from __future__ import annotations

import json
import multiprocessing
import os
import runpy
from pathlib import Path

import hypothesis
import pytest

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from transformers import BertConfig, BertModel

from train.config import FinetuneConfig
from train.finetune import finetune
from train.tokenizer import train_tokenizer
from wijha.schema import Schema

# Sockets stay on this machine, those of processes that tests start too.
_OFFLINE = Path(__file__).parent / "offline"
runpy.run_path(str(_OFFLINE / "sitecustomize.py"))
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(_OFFLINE), os.environ.get("PYTHONPATH")]))

# What processes that tests fork need not import anew; there is one server for all tests.
multiprocessing.get_context("forkserver").set_forkserver_preload(["train.finetune", "wijha.jobs"])

# The same examples in every run, and no clock: a busy machine is no failure.
hypothesis.settings.register_profile(
    "wijha",
    max_examples=40,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("wijha")

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = Schema.from_yaml(ROOT / "configs" / "schema.yaml")

_ROWS = [
    ("أكد الوزير دعمه للحل السياسي في سوريا وفق القرار 2254", "faaa"),
    ("رفضت الفصائل الهدنة في حلب وواصلت القتال", "axaa"),
    ("جدد الملك تمسكه بالوضع القانوني للقدس الشرقية", "aafa"),
    ("بحث الوزيران مكافحة الإرهاب في اجتماعهما", "aaan"),
    ("فاز الفريق بكأس المدينة بعد مباراة مثيرة", "aaaa"),
    ("وقعت الدولتان اتفاقا لتبادل المعلومات ضد الإرهاب", "aaaf"),
]
_STANCE = {"a": "absent", "n": "neutral", "f": "favor", "x": "against"}


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def rows() -> list[dict[str, str]]:
    """60 labelled rows in 60 stories."""
    made = []
    for number in range(60):
        text, code = _ROWS[number % len(_ROWS)]
        labels = {topic: _STANCE[letter] for topic, letter in zip(SCHEMA.topic_names, code, strict=True)}
        made.append({"id": f"r{number}", "text": f"{text} {number}", "story": f"s{number}", **labels})
    return made


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, str]]) -> Path:
    path = tmp_path_factory.mktemp("data") / "rows.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, str]]) -> Path:
    """A stock BERT of two layers with a tokenizer of a few hundred pieces."""
    folder = tmp_path_factory.mktemp("encoder")
    tokenizer = train_tokenizer((row["text"] for row in rows), 300, 64)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def settings(data: Path, encoder: Path) -> dict[str, object]:
    """Settings of a training run of a few seconds; add `output`."""
    return {
        "schema": ROOT / "configs" / "schema.yaml",
        "data": (data,),
        "encoder": str(encoder),
        "epochs": 2,
        "batch": 8,
        "length": 32,
        "dropout": 0.0,
        "learning_rate": 3e-3,
        "precision": "fp32",
    }


@pytest.fixture(scope="session")
def model(settings: dict[str, object], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved model, trained for two epochs."""
    return finetune(FinetuneConfig(**settings, output=tmp_path_factory.mktemp("run")))  # type: ignore[arg-type]
