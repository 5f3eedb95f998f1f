"""Leaving groups out: a group's sentences are scored by a model that saw none of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import train.leave_out as recipe
from train.config import FinetuneConfig
from train.leave_out import group_of, largest, leave_out, table
from wijha import InputError, Schema

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = Schema.from_yaml(ROOT / "configs" / "schema.yaml")


def test_a_model_sees_nothing_of_the_group_that_it_is_scored_on(
    settings: dict[str, object], rows: list[dict[str, str]], tmp_path: Path
) -> None:
    named = [row | {"outlet": "abc"[number % 3]} for number, row in enumerate(rows)]
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in named), encoding="utf-8")
    config = FinetuneConfig(**(settings | {"data": (data,), "epochs": 1}), output=tmp_path / "unused")  # type: ignore[arg-type]
    results = leave_out(config, "outlet", 2, tmp_path / "runs")
    assert len(results) == 2 and all(result["sentences"] == 20 for result in results.values())
    for group in results:
        (kept,) = (tmp_path / "runs").glob(f"{group}-*/train.local.jsonl")
        trained = kept.read_text(encoding="utf-8")
        assert {json.loads(line)["outlet"] for line in trained.splitlines()} == set("abc") - {group}
    assert table(results).count("| tfidf_logistic_regression |") == 2


def test_each_recipe_has_a_file_of_its_own(
    settings: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipe, "RESULTS", tmp_path)
    monkeypatch.setattr(recipe, "leave_out", lambda *chosen: {})
    recipe.report(FinetuneConfig(**settings, output=Path("runs/mine")), "year", 1)  # type: ignore[arg-type]
    assert [path.name for path in tmp_path.iterdir()] == ["mine-year.json"]


def test_what_other_models_say_is_refused(settings: dict[str, object], tmp_path: Path) -> None:
    config = FinetuneConfig(**settings, output=tmp_path, distilled=Path("d.jsonl"))  # type: ignore[arg-type]
    message = r"expected a config without distilled and targets, found d\.jsonl; choose one"
    with pytest.raises(InputError, match=message):
        leave_out(config, "outlet", 1, tmp_path)


def test_groups_are_read_from_any_date_and_the_largest_come_first() -> None:
    rows = [
        {"date": "Thu, 08/12/2016", "jerusalem_status": "favor"},
        {"date": "2013-01-02T10:30"},
        {"date": "<=2019-04"},
    ]
    assert [group_of(row, "year") for row in [*rows, {"date": "2017-2019"}]] == ["2016", "2013", "", ""]
    assert largest(rows, "year", 1, SCHEMA) == ["2016"]
    with pytest.raises(InputError, match="expected data of 2 groups by year, found 1; lower --groups"):
        largest(rows, "year", 2, SCHEMA)
    rows += 3 * [{"date": "2013", **dict.fromkeys(SCHEMA.topic_names, "absent")}]
    rows += 2 * [{"date": "2014", "jerusalem_status": "absent", "terrorism_cooperation": "neutral"}]
    assert largest(rows, "year", 2, SCHEMA) == ["2014", "2016"]
