"""Variants of a recipe side by side: runs are kept, differences are paired, the table says what the file holds."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from train import compare
from train.config import CompareConfig, load_config
from train.data import load_examples, split
from train.provenance import run_splits
from train.scores import cell_counts, evaluate_counts, resampling_weights
from train.tables import SCORES
from wijha import InputError, Schema
from wijha.files import file_sha256

SCHEMA = Schema.from_yaml(Path(__file__).resolve().parents[2] / "configs" / "schema.yaml")


@pytest.fixture(scope="module")
def config(settings: dict[str, object], data: Path, tmp_path_factory: pytest.TempPathFactory) -> CompareConfig:
    folder = tmp_path_factory.mktemp("compare")
    base = {**settings, "data": [str(data)], "schema": str(settings["schema"]), "output": str(folder / "unused")}
    (folder / "base.yaml").write_text(yaml.safe_dump(base), encoding="utf-8")
    chosen = {
        "base": str(folder / "base.yaml"),
        "evaluate": str(data),
        "seeds": [1, 2],
        "settings": {"epochs": 1, "share": 0.8},
    }
    variants = {"plain": {}, "smooth": {"label_smoothing": 0.1}}
    (folder / "pair.yaml").write_text(yaml.safe_dump(chosen | {"variants": variants}), encoding="utf-8")
    return load_config(CompareConfig, folder / "pair.yaml")


@pytest.fixture(scope="module")
def result(config: CompareConfig) -> dict[str, object]:
    return compare.compare(config, config.base.parent / "runs")


def test_every_variant_and_baseline_is_scored_and_compared_with_the_first(result: dict[str, object]) -> None:
    systems = result["systems"]
    assert [len(system["seeds"]) for system in systems.values()] == [2, 2, *[1] * (len(systems) - 2)]
    assert {"plain", "smooth", "tfidf_logistic_regression"} <= set(systems)
    assert systems["plain"]["minus_plain"]["favg3"] == {"interval": (0.0, 0.0), "p": 1.0}
    assert compare.table(result).count("\n") == len(systems) + 1


def test_a_result_says_what_its_variants_were_made_of(config: CompareConfig, result: dict[str, object]) -> None:
    runs = [result["systems"][name]["run"] for name in config.variants]
    assert [run["config"]["label_smoothing"] for run in runs] == [0.0, 0.1]
    assert not {"seed", "output"} & set(runs[0]["config"]) and "commit" in runs[0]
    assert runs[0]["data"] == {str(config.evaluate): file_sha256(config.evaluate)}
    trained = runs[0]["sentences"]["train"]
    rows = compare.table(result).splitlines()
    assert rows[0].startswith("| system | runs | training sentences |") and f"| plain | 2 | {trained} |" in rows[2]
    assert rows[-1].split(" | ")[2] == ""


def test_the_table_shows_the_difference_of_the_means_that_it_shows() -> None:
    def system(*scores: float) -> dict[str, object]:
        minus = {"favg3": {"interval": [0.1, 0.3], "p": 0.0, "mean": 0.9}}
        return {"seeds": [{"favg3": s} for s in scores], "intervals": {"favg3": [0, 1]}, "minus_plain": minus}

    shown = compare.table({"scores": ["favg3"], "systems": {"plain": system(0.4, 0.5), "other": system(0.6)}})
    assert shown.splitlines()[-1].endswith("| 0.600 (0.000-1.000) | +0.150 (+0.100 to +0.300), p < 0.001 |")


def test_a_run_that_is_there_is_not_trained_again(config: CompareConfig, result: dict[str, object]) -> None:
    run = config.base.parent / "runs" / "plain-1"
    weights = run / "model" / "model.safetensors"
    before = weights.stat().st_mtime_ns
    assert compare.trained(config, "plain", 1, run.parent) == run / "model" and weights.stat().st_mtime_ns == before
    assert not (run / "checkpoints").exists()


def test_a_run_of_other_settings_or_files_is_refused(config: CompareConfig, result: dict[str, object]) -> None:
    runs = config.base.parent / "runs"
    longer = replace(config, settings=config.settings | {"epochs": 2})
    with pytest.raises(InputError, match=r"plain-1, found one of another config \(epochs 2, not 1\); remove it"):
        compare.trained(longer, "plain", 1, runs)
    sums = runs / "plain-1" / "checksums.json"
    kept = sums.read_text(encoding="utf-8")
    sums.write_text(json.dumps(json.loads(kept) | {str(config.evaluate): "of other rows"}), encoding="utf-8")
    with pytest.raises(InputError, match=f"found one of another {config.evaluate}; remove it"):
        compare.trained(config, "plain", 1, runs)
    sums.write_text(kept, encoding="utf-8")


def test_each_variant_gets_its_settings_and_seed(config: CompareConfig, result: dict[str, object]) -> None:
    run = json.loads((config.base.parent / "runs" / "smooth-2" / "model" / "metrics.json").read_text(encoding="utf-8"))
    made = run["run"]["config"]
    assert (made["label_smoothing"], made["seed"], made["epochs"]) == (0.1, 2, 1)


def test_the_baselines_learn_from_the_share_that_the_runs_used(
    config: CompareConfig, result: dict[str, object]
) -> None:
    model = config.base.parent / "runs" / "plain-1" / "model"
    used = json.loads((model / "metrics.json").read_text(encoding="utf-8"))["run"]["sentences"]["train"]
    everything = split(load_examples(config.evaluate, SCHEMA))["train"]
    assert len(run_splits(model, SCHEMA)["train"]) == used < len(everything)


def test_the_interval_holds_what_seeds_change_too() -> None:
    rng = np.random.default_rng(0)
    true = rng.integers(0, 4, (200, 4))
    runs = [np.where(rng.random(true.shape) < share, true, 0) for share in (0.5, 0.9)]
    counts = [cell_counts(run, true, 4) for run in runs]
    weights = resampling_weights([str(row) for row in range(len(true))])
    both = compare.mean_samples(counts, weights, SCHEMA)["favg3"]
    alone = [compare.mean_samples([run], weights, SCHEMA)["favg3"] for run in counts]
    mean = np.mean([evaluate_counts(run, SCHEMA)["favg3"] for run in counts])
    assert abs(both.mean() - mean) < 0.01
    assert both.std() > 3 * max(sample.std() for sample in alone)


def test_command_line_trains_a_share_and_refuses_an_unknown_variant(
    config: CompareConfig,
    result: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = config.base.parent
    monkeypatch.setattr(compare, "OUTPUT", folder / "cli")
    monkeypatch.setattr(compare, "RESULTS", folder / "results")
    monkeypatch.setattr(sys, "argv", ["compare", str(folder / "pair.yaml"), "--only", "smooth"])
    compare.main()
    assert sorted(path.name for path in (folder / "cli" / "pair").iterdir()) == ["smooth-1", "smooth-2"]
    assert not (folder / "results").exists()
    shutil.copytree(folder / "runs", folder / "cli" / "pair", dirs_exist_ok=True)
    monkeypatch.setattr(sys, "argv", ["compare", str(folder / "pair.yaml")])
    compare.main()
    kept = json.loads((folder / "results" / "pair.json").read_text(encoding="utf-8"))
    assert kept["seeds"] == [1, 2] and kept["scores"][0] in SCORES
    monkeypatch.setattr(sys, "argv", ["compare", str(folder / "pair.yaml"), "--only", "other"])
    with pytest.raises(SystemExit) as ended:
        compare.main()
    assert ended.value.code == 2 and "got other; see the file" in capsys.readouterr().err


def test_a_wrong_setting_is_said_before_any_training(
    config: CompareConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = config.base.parent
    chosen = yaml.safe_load((folder / "pair.yaml").read_text(encoding="utf-8"))
    columns = ",".join(SCHEMA.topic_names)
    (folder / "misspelt.csv").write_text(f"text,{columns}\nنص,favour,,,\n", encoding="utf-8")
    for change, said in (
        (
            {"variants": {"good": {}, "bad": {"batches": 3}}},
            "'batches'; mend it (as the variant 'bad'",
        ),
        ({"evaluate": str(folder / "misspelt.csv")}, "line 2, got 'favour'"),
        ({"variants": {"good": {}, "bad": {"kind": "x"}}}, "unknown setting 'kind'"),
        ({"variants": {"a": {"seed": 3}, "b": {}}}, "settings and variants must leave seed to the comparison"),
        ({"settings": {"output": "runs/a"}}, "settings and variants must leave output to the comparison"),
        ({"scores": ["f1"]}, "scores must be among"),
        ({"evaluate": "gone.jsonl"}, "expected sentences to score in gone.jsonl, found none"),
    ):
        (folder / "wrong.yaml").write_text(yaml.safe_dump(chosen | change), encoding="utf-8")
        monkeypatch.setattr(compare, "OUTPUT", folder / "wrong")
        monkeypatch.setattr(sys, "argv", ["compare", str(folder / "wrong.yaml")])
        with pytest.raises(SystemExit):
            compare.main()
        assert said in capsys.readouterr().err and not (folder / "wrong").exists()


def test_a_variant_of_another_schema_is_refused_before_any_training(
    config: CompareConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = config.base.parent
    turned = SCHEMA.to_dict() | {"labels": [SCHEMA.to_dict()["labels"][place] for place in (0, 1, 3, 2)]}
    (folder / "turned-schema.yaml").write_text(yaml.safe_dump(turned), encoding="utf-8")
    chosen = yaml.safe_load((folder / "pair.yaml").read_text(encoding="utf-8"))
    variants = {"plain": {}, "turned": {"schema": str(folder / "turned-schema.yaml")}}
    (folder / "schemas.yaml").write_text(yaml.safe_dump(chosen | {"variants": variants}), encoding="utf-8")
    monkeypatch.setattr(compare, "OUTPUT", folder / "schemas")
    monkeypatch.setattr(compare, "finetune", lambda run: pytest.fail("trained"))
    monkeypatch.setattr(sys, "argv", ["compare", str(folder / "schemas.yaml")])
    with pytest.raises(SystemExit):
        compare.main()
    assert "found others in the schema of 'turned'" in capsys.readouterr().err and not (folder / "schemas").exists()


def test_variants_that_are_no_settings_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("{base: b.yaml, evaluate: e.jsonl, variants: {one: 3}, seeds: []}", encoding="utf-8")
    with pytest.raises(InputError, match=r"variants.one must be settings .* at least one each"):
        load_config(CompareConfig, path)
