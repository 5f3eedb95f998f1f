"""Every benchmark runs to its end on a tiny model and leaves its result and its table."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import cascade, common, depth, inference, scaling, startup, stopping, tokenizer, training
from train.config import FinetuneConfig
from wijha import Classifier

NAMES = ("inference", "startup", "stopping", "scaling", "tokenizer", "training", "depth", "cascade")


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where results go; a page with a place for each table lies above it."""
    marks = "".join(f"<!-- {name} -->\n<!-- /{name} -->\n" for name in NAMES)
    (tmp_path / "README.md").write_text(marks, encoding="utf-8")
    monkeypatch.setattr(common, "RESULTS", tmp_path / "results")
    return tmp_path


@pytest.fixture
def runs(model: Path, settings: dict[str, object], tmp_path: Path) -> dict[str, Callable[[], None]]:
    config = FinetuneConfig(**settings, output=tmp_path / "run")  # type: ignore[arg-type]
    one = Classifier.load(model)
    two = Classifier(one.readers[0], one.schema, {}, one.readers[0])
    return {
        "inference": lambda: inference.run(model, 16, 8, tmp_path),
        "startup": lambda: startup.run(model, 1),
        "stopping": lambda: stopping.run(model, 1, 20_000),
        "scaling": lambda: scaling.run(model, [8]),
        "tokenizer": lambda: tokenizer.run(model, 16),
        "training": lambda: training.run(config, 2),
        "depth": lambda: depth.run({"whole": config, "low": dataclasses.replace(config, layers=1)}, 2, ["نص"] * 9),
        "cascade": lambda: cascade.run(two, {"few": ["نص"] * 9}),
    }


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name in ("startup", "stopping"))) for name in NAMES]
)
def test_a_benchmark_leaves_its_result_and_its_table(
    name: str, runs: dict[str, Callable[[], None]], results: Path
) -> None:
    runs[name]()
    kept = json.loads((results / "results" / f"{name}.json").read_text(encoding="utf-8"))
    assert len(kept["rows"]) >= (1 if name == "scaling" else 2) and kept["rows"][0]["times"] == 1.0
    table = (results / "README.md").read_text(encoding="utf-8").partition(f"<!-- {name} -->")[2]
    assert table.partition(f"<!-- /{name} -->")[0].count("\n| ") == 1 + len(kept["rows"])
    if name == "inference":
        assert next(row["labels"] for row in kept["rows"] if row["way"] == "wijha --runtime torch") == "100.00%"
