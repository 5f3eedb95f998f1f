"""The public sets become rows of ours with their published splits."""

from __future__ import annotations

from pathlib import Path

import pytest

from train.data import load_examples, split
from train.public import ans, mawqif
from wijha import InputError, Schema
from wijha.writing import write_rows

ROOT = Path(__file__).resolve().parents[2]


def test_ans_pairs_keep_their_split(tmp_path: Path) -> None:
    for name in ("train", "dev", "test"):
        (tmp_path / f"{name}.csv").write_text(f"s1,s2,stance\nعنوان {name},عنوان ثان,agree\n", encoding="utf-8")
    made = ans(tmp_path)
    assert made["ans-test"][0]["text"] == "عنوان test [SEP] عنوان ثان"
    write_rows(iter(made["ans"]), tmp_path / "ans.jsonl")
    schema = Schema.from_yaml(ROOT / "configs/public/ans-schema.yaml")
    parts = split(load_examples(tmp_path / "ans.jsonl", schema))
    assert [len(parts[name]) for name in ("train", "development", "test")] == [1, 1, 0]


def test_mawqif_labels_only_the_target(tmp_path: Path) -> None:
    for name in ("train", "test"):
        lines = ["ID,text,target,stance", "1,نص,Covid Vaccine,Against", "2,نص آخر,Women empowerment,"]
        (tmp_path / f"{name}.csv").write_text("\n".join(lines), encoding="utf-8")
    first, second = mawqif(tmp_path)["mawqif-test"]
    assert (first["covid_vaccine"], first["women_empowerment"]) == ("against", "")
    assert (second["covid_vaccine"], second["women_empowerment"]) == ("", "none")


def test_what_is_not_the_published_set(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found none; give the folder of the published sets"):
        ans(tmp_path)
    (tmp_path / "train.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(InputError, match="expected the columns text, target, stance"):
        mawqif(tmp_path)
