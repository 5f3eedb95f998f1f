"""Labels without text find their sentences again, in shards and in files of other formats."""

from __future__ import annotations

import json
import lzma
from pathlib import Path

import pytest

from train.held_out import learned_keys
from train.hydrate import hydrate
from wijha import InputError
from wijha.text import key

ARTICLE = "أكد المبعوث أن الحل سياسي. ورفضت الفصائل الهدنة! خبر آخر عن الطقس."
WANTED = ["أكد المبعوث أن الحل سياسي.", "ورفضت الفصائل الهدنة!", "جملة ليست في أي مكان."]


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "annotated.jsonl"
    rows = [{"key": key(text), "id": f"a{number}", "label": "x"} for number, text in enumerate(WANTED)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def _texts(path: Path) -> dict[str, str]:
    return {row["id"]: row["text"] for row in map(json.loads, path.read_text(encoding="utf-8").splitlines())}


def test_from_shards(tmp_path: Path, labels: Path) -> None:
    (tmp_path / "corpus").mkdir()
    with lzma.open(tmp_path / "corpus" / "news-0.jsonl.xz", "wt", encoding="utf-8") as file:
        file.write(json.dumps({"corpus": "c", "outlet": None, "text": ARTICLE}) + "\n")
    assert hydrate(tmp_path / "corpus", {labels: tmp_path / "out.local.jsonl"}) == 2
    assert _texts(tmp_path / "out.local.jsonl") == {"a0": WANTED[0], "a1": WANTED[1]}


def test_several_files_of_labels_in_one_reading(tmp_path: Path, labels: Path) -> None:
    (tmp_path / "d.txt").write_text(ARTICLE, encoding="utf-8")
    rows = [{"key": key(WANTED[1]), "id": f"t{number}", "target": name} for number, name in enumerate("هو")]
    (tmp_path / "targets.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    files = {labels: tmp_path / "a.local.jsonl", tmp_path / "targets.jsonl": tmp_path / "t.local.jsonl"}
    assert hydrate(tmp_path, files) == 4
    assert _texts(tmp_path / "a.local.jsonl") == {"a0": WANTED[0], "a1": WANTED[1]}
    assert _texts(tmp_path / "t.local.jsonl") == {"t0": WANTED[1], "t1": WANTED[1]}


@pytest.mark.parametrize("name", ["posts.jsonl", "posts.json", "posts.csv"])
def test_from_lines_with_json_escapes(tmp_path: Path, labels: Path, name: str) -> None:
    (tmp_path / "corpus").mkdir()
    line = json.dumps({"body": f"\U0001f4f0\n{ARTICLE}\n"})
    (tmp_path / "corpus" / name).write_text(line, encoding="utf-8")
    assert "\\u" in line and hydrate(tmp_path / "corpus", {labels: tmp_path / "out.local.jsonl"}) == 2


def test_an_exchanged_sentence_is_made_from_its_source(tmp_path: Path) -> None:
    (tmp_path / "d.txt").write_text(ARTICLE, encoding="utf-8")
    text = "أكد الوزير أن الحل سلمي."
    row = {
        "key": key(text),
        "of": key(WANTED[0]),
        "id": "a0",
        "exchanged": [["المبعوث", "الوزير"], ["سياسي", "سلمي"], ["ال", "x"]],
    }
    (tmp_path / "annotated.jsonl").write_text(json.dumps(row), encoding="utf-8")
    assert hydrate(tmp_path, {tmp_path / "annotated.jsonl": tmp_path / "out.local.jsonl"}) == 1
    assert _texts(tmp_path / "out.local.jsonl") == {"a0": text}


def test_another_spelling_of_the_source_in_which_a_name_stands_otherwise_is_passed_over(tmp_path: Path) -> None:
    spellings = "قال الذي التقى المبعوث إن الحل سياسي.", "قال الذى التقى المبعوث إن الحل سياسي."
    assert key(spellings[0]) == key(spellings[1])
    (tmp_path / "d.txt").write_text("\n".join(spellings), encoding="utf-8")
    text = "قال من رأى المبعوث إن الحل سياسي."
    row = {"key": key(text), "of": key(spellings[0]), "id": "a0", "exchanged": [["الذى التقى", "من رأى"]]}
    (tmp_path / "annotated.jsonl").write_text(json.dumps(row), encoding="utf-8")
    assert hydrate(tmp_path, {tmp_path / "annotated.jsonl": tmp_path / "out.local.jsonl"}) == 1
    assert _texts(tmp_path / "out.local.jsonl") == {"a0": text}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", f'1,"{ARTICLE}",2013\n'),
        ("b.xml", f"<doc><p>{ARTICLE}</p></doc>"),
        ("c.json", json.dumps({"body": ARTICLE}, ensure_ascii=False)),
        ("d.txt", ARTICLE),
    ],
)
def test_from_clones_of_other_formats(tmp_path: Path, labels: Path, name: str, content: str) -> None:
    (tmp_path / "clone" / "deep").mkdir(parents=True)
    (tmp_path / "clone" / "deep" / name).write_text(content, encoding="utf-8")
    assert hydrate(tmp_path / "clone", {labels: tmp_path / "out.local.jsonl"}) >= 1
    assert WANTED[1] in _texts(tmp_path / "out.local.jsonl").values()


def test_a_file_of_which_nothing_is_found_is_named_and_leaves_what_there_was(tmp_path: Path, labels: Path) -> None:
    (tmp_path / "d.txt").write_text(ARTICLE, encoding="utf-8")
    (tmp_path / "targets.jsonl").write_text(json.dumps({"key": key(WANTED[2]), "id": "t0"}) + "\n", encoding="utf-8")
    older = tmp_path / "t.local.jsonl"
    older.write_text("older", encoding="utf-8")
    with pytest.raises(InputError, match=f"expected sentences of {tmp_path}/targets.jsonl in {tmp_path}, found none"):
        hydrate(tmp_path, {tmp_path / "targets.jsonl": older, labels: tmp_path / "a.local.jsonl"})
    assert older.read_text(encoding="utf-8") == "older"
    assert _texts(tmp_path / "a.local.jsonl") == {"a0": WANTED[0], "a1": WANTED[1]}


def test_a_row_without_a_key_is_named(tmp_path: Path, labels: Path) -> None:
    with open(labels, "a", encoding="utf-8") as file:
        file.write('{"id": "a3"}\n')
    with pytest.raises(InputError, match=f"expected a key in {labels} line 4, found none"):
        hydrate(tmp_path, {labels: tmp_path / "out.local.jsonl"})
    with pytest.raises(InputError, match=f"expected a key in {labels} line 4, found none"):
        learned_keys(labels)


def test_nothing_there(tmp_path: Path, labels: Path) -> None:
    with pytest.raises(InputError, match="expected a folder with"):
        hydrate(tmp_path / "none", {labels: tmp_path / "out.local.jsonl"})
    (tmp_path / "other.txt").write_text("نص آخر تماما لا صلة له\n", encoding="utf-8")
    with pytest.raises(InputError, match="expected sentences of"):
        hydrate(tmp_path, {labels: tmp_path / "out.local.jsonl"})
    assert not (tmp_path / "out.local.jsonl").exists()
