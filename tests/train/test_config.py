"""Configs: every shipped one is valid; everything wrong is said at once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from train.command import overrides
from train.compare import recipe
from train.config import CompareConfig, FinetuneConfig, PretrainConfig, load_config
from train.tables import SCORES
from wijha import InputError, Schema

ROOT = Path(__file__).resolve().parents[2]
OTHERS = {"schema.yaml", "keywords.yaml", "exchanges.yaml"}
CONFIGS = [p for p in sorted((ROOT / "configs").rglob("*.yaml")) if p.name not in OTHERS and "schema" not in p.name]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_shipped_config_is_valid(path: Path) -> None:
    pretraining = path.name.startswith("pretrain")
    kind = CompareConfig if path.parent.name == "compare" else PretrainConfig if pretraining else FinetuneConfig
    config = load_config(kind, path)
    if isinstance(config, CompareConfig):
        for variant in config.variants:
            assert recipe(config, variant, 7, Path("runs")).output == Path("runs") / f"{variant}-7"
    if isinstance(config, FinetuneConfig):
        assert Schema.from_yaml(ROOT / config.schema).topics
    assert f"{path.parent.name}/{path.name}" in path.read_text(encoding="utf-8").split("\n\n")[0]


def test_all_problems_are_listed_before_anything_loads(tmp_path: Path) -> None:
    settings = {"schema": "s.yaml", "data": ["a.jsonl"], "output": "o", "epocs": 3, "batch": "many", "dropout": True}
    (tmp_path / "bad.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_config(FinetuneConfig, tmp_path / "bad.yaml")
    message = str(caught.value)
    for part in (
        "unknown setting 'epocs'",
        "batch must be a whole number, got 'many'",
        "dropout must be a number, got True",
        "encoder is missing",
    ):
        assert part in message


def test_contradictions_are_listed_together() -> None:
    with pytest.raises(
        InputError, match=r"dropout must be in .*epochs must be positive, got 0.*precision must be auto"
    ):
        path = ROOT / "configs" / "default.yaml"
        load_config(FinetuneConfig, path, epochs=0, dropout=1.5, precision="half")
    with pytest.raises(InputError, match="share must be 1 with distilled, whose sentences have no stories"):
        load_config(FinetuneConfig, path, distilled="d.jsonl", share=0.5)
    with pytest.raises(InputError, match=r"share must be in .*teachers_share must be in .*label_smoothing must be 0"):
        load_config(FinetuneConfig, path, distilled="d.jsonl", share=0.0, teachers_share=2.0, label_smoothing=0.1)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("metric", "f1", "metric must be one of loss, topic_micro_f1, .*favg2_by_topic, got 'f1'"),
        ("weight_decay", -3, "weight_decay must be at least 0, got -3"),
        ("class_weight_power", -2, "class_weight_power must be at least 0"),
        ("learning_rate", float("inf"), "learning_rate must be positive, got inf"),
        ("layer_decay", float("nan"), "layer_decay must be positive, got nan"),
        ("length", 1, "length must be at least 3"),
        ("seed", -1, "a seed must be 0 to 4294967295, got -1"),
    ],
)
def test_values_that_cannot_train_are_refused(name: str, value: object, said: str) -> None:
    with pytest.raises(InputError, match=said):
        load_config(FinetuneConfig, ROOT / "configs" / "default.yaml", **{name: value})


@pytest.mark.parametrize("name", ["layers", "batch", "tokens", "block", "vocabulary", "checkpoint_every"])
def test_sizes_of_pre_training_are_positive(name: str) -> None:
    with pytest.raises(InputError, match=f"{name} must be positive, got 0"):
        load_config(PretrainConfig, ROOT / "configs" / "pretrain.yaml", **{name: 0})


def test_a_run_of_pre_training_has_a_step_at_least() -> None:
    with pytest.raises(InputError, match=r"tokens \(20\) must be those of a step at least, batch x block"):
        load_config(PretrainConfig, ROOT / "configs" / "pretrain.yaml", tokens=20)


def test_a_setting_of_the_command_line_is_not_looked_for_in_the_file_alone() -> None:
    path = ROOT / "configs" / "default.yaml"
    with pytest.raises(
        InputError, match=f"in {path} and the settings beside it, found: unknown setting 'epoch'; mend it"
    ):
        load_config(FinetuneConfig, path, epoch=3)


def test_seeds_of_other_recipes_are_checked_too() -> None:
    with pytest.raises(InputError, match="a seed must be 0 to 4294967295, got 99999999999999"):
        load_config(PretrainConfig, ROOT / "configs" / "pretrain.yaml", seed=99999999999999)
    with pytest.raises(InputError, match="a seed must be 0 to 4294967295, got -2, -1"):
        load_config(CompareConfig, ROOT / "configs" / "compare" / "encoders.yaml", seeds=[-2, -1, 0])


def test_the_sentence_of_metric_lists_the_scores_that_there_are() -> None:
    source = (ROOT / "train" / "config.py").read_text(encoding="utf-8")
    sentence = source.split('metric: str = "favg3"')[1].split('"""')[1]
    assert set(re.findall(r"\w+", sentence.partition(":")[2])) - {"or"} == set(SCORES)


def test_one_value_is_a_list_of_one() -> None:
    path = ROOT / "configs" / "default.yaml"
    assert load_config(FinetuneConfig, path, **overrides(["--data", "mine.csv"])).data == (Path("mine.csv"),)
    with pytest.raises(InputError, match="data must be a path, got 3"):
        load_config(FinetuneConfig, path, data=3)
    with pytest.raises(InputError, match="masking must be a list of float"):
        load_config(PretrainConfig, ROOT / "configs" / "pretrain.yaml", masking=0.3)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "expected a config at"),
        ("a: [", "expected YAML in .*x.yaml line 1, found expected the node content"),
        ("b: 1\n\ta: 2", r"x.yaml line 2, found found character '\\t' that cannot start any token; mend the file"),
        ("a: 1\nb: {c: 1, c: 2}", "x.yaml line 2, found 'c' a second time; mend the file"),
        ("a: 2024-13-01", "expected YAML in .*x.yaml, got month must be in 1..12"),
        ("[1]: 2", "expected YAML in .*x.yaml"),
        ("a: \x00", "expected YAML in .*x.yaml, got unacceptable character"),
        ("- a", "expected settings as"),
        ("", "expected settings"),
    ],
)
def test_not_a_config(tmp_path: Path, content: str | None, sentence: str) -> None:
    path = tmp_path / "x.yaml"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=sentence):
        load_config(FinetuneConfig, path)


def test_another_encoding_is_called_that(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("مدينة: القدس", encoding="cp1256")
    for read in (lambda path: load_config(FinetuneConfig, path), Schema.from_yaml):
        with pytest.raises(InputError, match=r"expected YAML in UTF-8 in .*x.yaml, found another encoding; convert it"):
            read(tmp_path / "x.yaml")


def test_a_folder_is_called_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"expected a config at {tmp_path}, found a folder;"):
        load_config(FinetuneConfig, tmp_path)
    with pytest.raises(InputError, match=f"expected a label schema at {tmp_path}, found a folder;"):
        Schema.from_yaml(tmp_path)


def test_overrides_from_the_command_line() -> None:
    assert overrides(["--batch", "16", "--data", "a.jsonl,b.jsonl", "--learning-rate", "1e-4"]) == {
        "batch": 16,
        "data": ["a.jsonl", "b.jsonl"],
        "learning_rate": "1e-4",
    }
    path = ROOT / "configs" / "default.yaml"
    assert load_config(FinetuneConfig, path, **overrides(["--learning-rate", "1e-4"])).learning_rate == 1e-4
    with pytest.raises(InputError, match="without a value"):
        overrides(["--batch"])
    for value in ("[a", "2024-13-01"):
        with pytest.raises(InputError, match=f"expected YAML after --data, got '{re.escape(value)}'; a text takes"):
            overrides(["--data", value])
