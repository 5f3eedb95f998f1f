"""Labelled rows: what is read, what is refused, how it is split and tokenised."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from train.data import UNLABELLED, Example, encode, has_topics, learned_too, load_examples, split, split_of
from wijha import InputError, Schema

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = Schema.from_yaml(ROOT / "configs" / "schema.yaml")
ROW = {"text": "نص", **dict.fromkeys(SCHEMA.topic_names, "absent")}


def _write(path: Path, *rows: dict[str, object]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_rows_become_examples_and_extra_columns_stay(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.jsonl", ROW | {"id": "x", "story": "s", "form": "lead"}, ROW | {"jerusalem_status": ""})
    first, second = load_examples(path, SCHEMA)
    assert (first.id, first.story, first.fields) == ("x", "s", {"form": "lead"})
    assert second.labels["jerusalem_status"] is None and second.id == "a-2"


def test_a_story_goes_by_its_own_name_then_its_group_then_its_id(tmp_path: Path) -> None:
    names = {"story": "s", "group": "g", "id": "x"}
    rows = [ROW | names, ROW | names | {"story": " "}, ROW | names | {"story": None, "group": ""}]
    assert [example.story for example in load_examples(_write(tmp_path / "a.jsonl", *rows), SCHEMA)] == ["s", "g", "x"]


def test_a_row_without_a_story_keeps_its_split_whatever_stands_before_it(tmp_path: Path) -> None:
    bare, other, named = ROW | {"text": "فاز الفريق"}, ROW | {"text": "هطل المطر"}, ROW | {"id": "x"}
    before = load_examples(_write(tmp_path / "a.jsonl", bare, named), SCHEMA)
    after = load_examples(_write(tmp_path / "b.jsonl", other, named, bare, bare | {"text": "فـاز  الفريقُ"}), SCHEMA)
    stories = [example.story for example in after]
    assert [example.story for example in before] == [stories[2], "x"]
    assert stories[2] == stories[3] != stories[0] and stories[1] == "x"


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"text": "نص"}, "expected the columns text, political_settlement, .* found no political_settlement"),
        (ROW | {"text": " "}, "expected a text in .* line 1, got ' '; drop the row"),
        (ROW | {"jerusalem_status": "pro"}, "expected one of absent, neutral, favor, against .* got 'pro'; mend"),
    ],
)
def test_bad_rows_are_named_by_line(tmp_path: Path, row: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        load_examples(_write(tmp_path / "a.jsonl", row), SCHEMA)


def test_how_many_rows_are_wrong_is_said(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.jsonl", ROW, *[ROW | {"jerusalem_status": "pro"}] * 3)
    with pytest.raises(InputError, match=r"line 2, got 'pro'; mend the label or the schema \(and 2 more rows\)"):
        load_examples(path, SCHEMA)


def test_blanks_around_a_label_are_none_of_it(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.jsonl", ROW | {"jerusalem_status": " favor\t", "political_settlement": " "})
    labels = load_examples(path, SCHEMA)[0].labels
    assert labels["jerusalem_status"] == "favor" and labels["political_settlement"] is None
    assert has_topics(path, SCHEMA)


def test_nought_is_an_id(tmp_path: Path) -> None:
    example = load_examples(_write(tmp_path / "a.jsonl", ROW | {"id": 0, "story": ""}), SCHEMA)[0]
    assert (example.id, example.story) == ("0", "0")


def test_what_is_held_out_and_learned_too_is_counted(tmp_path: Path) -> None:
    rows = [ROW | {"id": str(number), "text": text} for number, text in enumerate(("هدنة", "هُدنــة ", "قمة"))]
    first, *others = load_examples(_write(tmp_path / "a.jsonl", *rows), SCHEMA)
    assert learned_too(others, [first]) == 1 and learned_too([first], []) == 0


def test_rows_without_a_label_are_left_out_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bare = ROW | dict.fromkeys(SCHEMA.topic_names)
    path = _write(tmp_path / "a.jsonl", ROW, bare | {"jerusalem_status": "favor"}, bare)
    assert [example.id for example in load_examples(path, SCHEMA)] == ["a-1", "a-2"]
    assert capsys.readouterr().out == f"{path}: 1 of 3 rows have no label and are left out\n"
    assert len(load_examples(path, SCHEMA, unlabelled=True)) == 3
    with pytest.raises(InputError, match="expected labelled rows in"):
        load_examples(_write(tmp_path / "b.jsonl", bare), SCHEMA)


def test_columns_that_are_none_of_ours_are_shown(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("sentence,jerusalem\nنص,favor\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"found no text, .* among 'sentence', 'jerusalem'; rename or add them"):
        load_examples(tmp_path / "a.csv", SCHEMA)


def test_rows_without_any_cell_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"{','.join(ROW)}\n{','.join(ROW.values())}\n,, ,,\n{','.join(ROW.values())}\n", encoding="utf-8")
    assert [example.id for example in load_examples(path, SCHEMA)] == ["a-2", "a-4"]


def test_empty_and_missing_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected labelled rows in"):
        load_examples(_write(tmp_path / "a.jsonl"), SCHEMA)
    with pytest.raises(InputError, match="expected a file at"):
        load_examples(tmp_path / "none.jsonl", SCHEMA)


def test_splits_keep_stories_whole_and_do_not_move() -> None:
    shares = [split_of(f"story-{number}") for number in range(5_000)]
    assert shares.count("train") / 5_000 == pytest.approx(0.8, abs=0.02)
    assert shares.count("test") / 5_000 == pytest.approx(0.1, abs=0.015)
    assert [split_of(f"story-{number}") for number in (1, 6, 3)] == ["train", "development", "test"]


def test_split_loses_nothing(data: Path) -> None:
    examples = load_examples(data, SCHEMA)
    parts = split(examples)
    assert sorted(e.id for part in parts.values() for e in part) == sorted(e.id for e in examples)


def test_a_share_takes_whole_stories_of_every_split_and_grows() -> None:
    examples = [Example(str(number), "نص", {}, f"story-{number // 2}", {}) for number in range(8_000)]
    parts, fewer, fewest = split(examples), split(examples, 0.6), split(examples, 0.3)
    for name, part in parts.items():
        kept = {example.story for example in fewer[name]}
        assert fewer[name] == [example for example in part if example.story in kept]
        assert {example.story for example in fewest[name]} <= kept
        assert len(fewer[name]) / len(part) == pytest.approx(0.6, abs=0.05)
        assert len(fewest[name]) / len(part) == pytest.approx(0.3, abs=0.05)


def test_encoding(tmp_path: Path, encoder: Path) -> None:
    examples = load_examples(_write(tmp_path / "a.jsonl", ROW, ROW | {"jerusalem_status": "favor"}), SCHEMA)
    examples += load_examples(
        _write(tmp_path / "b.jsonl", ROW | {"jerusalem_status": None, "text": "كلمة " * 50}), SCHEMA
    )
    made = encode(examples, AutoTokenizer.from_pretrained(encoder), SCHEMA, 16)
    assert made["labels"][:] == [[0, 0, 0, 0], [0, 0, 2, 0], [0, 0, UNLABELLED, 0]]
    assert max(map(len, made["input_ids"])) == 16


def test_a_split_column_wins(tmp_path: Path) -> None:
    rows = [ROW | {"story": "story-1", "split": name} for name in ("test", "development", "", "train")]
    parts = split(load_examples(_write(tmp_path / "a.jsonl", *rows), SCHEMA))
    assert {name: [e.id for e in part] for name, part in parts.items()} == {
        "train": ["a-3", "a-4"],
        "development": ["a-2"],
        "test": ["a-1"],
    }
    with pytest.raises(InputError, match="expected train, development, test as split of a-1, got 'dev'"):
        split(load_examples(_write(tmp_path / "a.jsonl", ROW | {"split": "dev"}), SCHEMA))


def test_a_quote_that_nothing_closes_is_said(tmp_path: Path) -> None:
    rows = [f"نص {number},absent,absent,absent,absent" for number in range(300)]
    rows[3] = '"' + rows[3]
    names = ",".join(("text", *SCHEMA.topic_names))
    (tmp_path / "a.csv").write_text("\n".join([names, *rows, 'نص",absent,absent,absent,absent']), encoding="utf-8")
    with pytest.raises(InputError, match=r"expected a row of few lines in .*a.csv line 5, found 29\d; close its quote"):
        load_examples(tmp_path / "a.csv", SCHEMA)
