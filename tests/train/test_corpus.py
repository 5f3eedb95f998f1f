"""The corpus' checks refuse each fault by name; its tools bring rows in and out unchanged; agreement as by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from itertools import combinations
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from train.corpus.__main__ import main
from train.corpus.agreement import agreement, compare_files, kappa
from train.corpus.check import check
from train.corpus.duplicates import THRESHOLD, grams, near_pairs
from train.corpus.formats import import_file, pairs
from train.corpus.numbers import reader_agreement
from train.corpus.parts import Sentence, read_corpus
from train.corpus.screen import screen
from train.corpus.tasks import export_file
from train.data import load_examples, split, split_of
from wijha import InputError, Schema
from wijha.text import key
from wijha.writing import write_rows

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = Schema.from_yaml(ROOT / "configs" / "schema.yaml")
TOPICS = SCHEMA.topic_names
OTHER = Schema.from_dict(
    {
        "labels": [
            {"name": "none", "arabic": "لا ذكر"},
            {"name": "mixed", "arabic": "بين بين"},
            {"name": "pro", "arabic": "مع"},
        ],
        "topics": [{"name": "budget", "arabic": "الموازنة"}, {"name": "football"}],
    },
    "the test",
)
TEXTS = [
    "أعلن المبعوث الأممي موعد الجولة المقبلة من محادثات جنيف حول سوريا",
    "دخلت الهدنة في ريف حلب الشمالي يومها الثالث وسط هدوء حذر",
    "أقرت البلدية بناء وحدات استيطانية جديدة في القدس الشرقية",
    "وقع وزيرا الداخلية مذكرة لتبادل المعلومات عن الجماعات المسلحة",
]
CODES = ["n---", "-n--", "--a-", "---f"]
LABELS = {"-": "absent", "n": "neutral", "f": "favor", "a": "against"}
Rows = list[dict[str, Any]]


def story_in(split: str) -> str:
    return next(name for name in (f"story-{n}" for n in range(1000)) if split_of(name) == split)


def row(id_: str, text: str, code: str, **fields: Any) -> dict[str, Any]:
    labels = {topic: LABELS[c] for topic, c in zip(TOPICS, code, strict=True)}
    return {"id": id_, "text": text, **labels, "story": f"s-{id_}", "form": "lead", "line": "gulf", **fields}


def lines(path: Path, rows: Rows) -> Path:
    path.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in rows), encoding="utf-8")
    return path


def read(path: Path) -> Rows:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def annotated(text: str, code: str, **fields: Any) -> dict[str, Any]:
    made = row("", text, code, key=key(text), document="d", sentence=3, corpus="C", outlet="o", date="2013-02-01")
    return {name: value for name, value in made.items() if name not in ("id", "text", "form", "line")} | fields


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sound corpus: four written sentences, a contrast pair, an annotated sentence."""
    pair = "وافقت الحكومة السورية على المشاركة في الحوار الوطني الشهر المقبل"
    lines(tmp_path / "written.jsonl", [row(f"w{n}", *both) for n, both in enumerate(zip(TEXTS, CODES, strict=True))])
    lines(
        tmp_path / "challenge.jsonl",
        [
            row("c1", pair, "f---", story="pair-1"),
            row("c2", pair.replace("وافقت", "لم توافق"), "a---", story="pair-1"),
        ],
    )
    lines(tmp_path / "annotated.jsonl", [annotated("بحث الوفدان في أستانا وقف القتال في درعا", "nn--")])
    (tmp_path / "README.md").write_text("card\n<!-- numbers -->\nstale\n<!-- /numbers -->\nend\n", encoding="utf-8")
    return tmp_path


def run(folder: Path, **options: Any) -> dict[str, Any]:
    return check(SCHEMA, folder, folder / "real.jsonl", **options)


def refused(folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        run(folder)
    return str(caught.value)


def test_a_sound_corpus_gives_report_and_tables(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = run(folder)
    written = report["parts"]["written"]
    assert written["labels"]["jerusalem_status"] == {"absent": 3, "neutral": 0, "favor": 0, "against": 1}
    assert written["forms"] == {"lead": 4} and written["words"] == {"p5": 9, "median": 9, "p95": 11}
    assert report["parts"]["annotated"]["several_topics"] == 1
    assert report["parts"]["annotated"]["years"] == {"2013": 1}
    assert report["parts"]["annotated"]["corpora"] == {"C": 1}
    assert report["contrast_pairs"] == 1
    assert sum(value["sentences"] for value in report["splits"].values()) == 5
    assert json.loads((folder / "report.json").read_text(encoding="utf-8")) == report
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert card.startswith("card\n<!-- numbers -->\n\n| part |") and card.endswith("<!-- /numbers -->\nend\n")
    assert "| written | 4 | 4 | 0 | 0 | 9 (9-11) |" in card and "stale" not in card
    printed = capsys.readouterr().out
    assert "real.jsonl is not there: not compared with it" in printed
    assert "1 annotated sentences have no text here" in printed


def test_frozen_changes_nothing_and_names_what_is_old(folder: Path) -> None:
    with pytest.raises(InputError, match=r"found old ones in report\.json and README\.md; run python -m train\.corpus"):
        run(folder, frozen=True)
    assert "stale" in (folder / "README.md").read_text(encoding="utf-8")
    run(folder)
    run(folder, frozen=True)


def test_lengths_measured_with_the_text_stay_without_it(folder: Path) -> None:
    local = folder / "annotated.local.jsonl"
    lines(
        local, [{**one, "text": "بحث الوفدان في أستانا وقف القتال في درعا"} for one in read(folder / "annotated.jsonl")]
    )
    assert run(folder)["parts"]["annotated"]["words"]["median"] == 8
    local.unlink()
    run(folder, frozen=True)


def test_a_card_without_markers_is_refused(folder: Path) -> None:
    (folder / "README.md").write_text("card", encoding="utf-8")
    assert "expected one <!-- numbers --> and after it one <!-- /numbers -->" in refused(folder)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    assert "expected written, challenge, annotated .jsonl files" in refused(tmp_path)


def changed(number: int, **fields: Any) -> Callable[[Rows], Rows]:
    return lambda rows: [{**one, **fields} if n == number else one for n, one in enumerate(rows)]


def added(*new: dict[str, Any]) -> Callable[[Rows], Rows]:
    return lambda rows: [*rows, *new]


NEAR = TEXTS[0].replace("المقبلة", "القادمة")
FAULTS = {
    "repeated id": ("written", changed(1, id="w0"), "the id w0 stands for 2 rows: written w0, written w0"),
    "label": ("written", changed(1, jerusalem_status="favour"), "written w1: jerusalem_status is 'favour', not one of"),
    "no label": ("written", changed(2, jerusalem_status=None), "written w2: jerusalem_status is None, not one of"),
    "no text": ("written", changed(2, text=" "), "written w2: no text"),
    "exact": ("written", added(row("w9", f"«{TEXTS[0]}»", "n---")), "the same sentence: written w0, written w9"),
    "exact by key": ("annotated", added(annotated(TEXTS[1], "-n--")), f"written w1, annotated {key(TEXTS[1])}"),
    "story": ("written", changed(0, story="pair-1"), "the story pair-1 is in challenge and "),
    "bidi": ("written", changed(0, text=TEXTS[0] + "\u200f"), "written w0: invisible characters U+200F"),
    "byte order mark": ("challenge", changed(0, text=f"\ufeff{TEXTS[2]}"), "challenge c1: invisible characters U+FEFF"),
    "soft hyphen": ("written", changed(0, text=TEXTS[0] + "\u00ad\t"), "invisible characters U+0009, U+00AD"),
    "Latin": ("written", changed(3, text="اتفاق signed in Geneva today"), "written w3: 21% of its letters are Arabic"),
    "one member": ("challenge", lambda rows: rows[:1], "the contrast pair pair-1 has 1 rows, not 2: challenge c1"),
    "no difference": ("challenge", changed(1, political_settlement="favor"), "pair-1 differs in no topic, not in one"),
    "two differences": (
        "challenge",
        changed(1, jerusalem_status="favor"),
        "pair-1 differs in political_settlement, jerusalem_status, not in one: challenge c1, challenge c2",
    ),
    "split": ("written", changed(1, split="dev"), "w1: its split 'dev' is not one of train, development, test"),
    "reader": ("annotated", changed(0, readers=["nn--", "nx-"]), "the reader's code 'nx-' is not 4 of - n f a"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_refused_by_name(folder: Path, fault: str) -> None:
    part, change, sentence = FAULTS[fault]
    path = folder / f"{part}.jsonl"
    lines(path, change(read(path)))
    message = refused(folder)
    assert message.startswith(f"expected a sound corpus in {folder}, found ")
    assert sentence in message


def test_near_duplicates_across_splits_are_refused_within_one_not(folder: Path) -> None:
    path = folder / "written.jsonl"
    sound = changed(0, story=story_in("train"))(read(path))
    lines(path, [*sound, row("w9", NEAR, "n---", story=story_in("test"))])
    assert "nearly the same sentence (0.77): written w0 (train), written w9 (test)" in refused(folder)
    lines(path, [*sound, row("w9", NEAR, "n---", story=story_in("train"))])
    run(folder)


def test_near_duplicates_of_the_challenge_are_refused(folder: Path) -> None:
    near = read(folder / "challenge.jsonl")[0]["text"].replace("المقبل", "القادم")
    lines(folder / "written.jsonl", [row("w9", near, "f---", story=story_in("train"))])
    assert "written w9 (train), challenge c1 (challenge)" in refused(folder)


@pytest.mark.parametrize(("text", "sentence"), [(TEXTS[0], "the same sentence: "), (NEAR, "nearly the same sentence")])
def test_held_out_real_sentences_are_refused(folder: Path, text: str, sentence: str) -> None:
    lines(folder / "real.jsonl", [row("r1", text, "n---"), row("r2", text, "n---")])
    message = refused(folder)
    assert sentence in message and "written w0" in message and "real news r1" in message


def test_a_row_is_in_the_split_that_training_puts_it_in(folder: Path) -> None:
    path = folder / "written.jsonl"
    bare = [{name: value for name, value in one.items() if name != "story"} for one in read(path)]
    bare[0] |= {"story": story_in("train"), "split": "test"}
    bare[1] |= {"story": 0, "id": "w1"}
    bare[2] |= {"group": story_in("development")}
    del bare[3]["id"]
    lines(path, bare)
    rows = [one for one in read_corpus(folder, SCHEMA) if one.part == "written"]
    examples = load_examples(path, SCHEMA)
    assert [one.story for one in rows] == [example.story for example in examples]
    splits = {example.id: name for name, part in split(examples).items() for example in part}
    assert [one.split for one in rows] == list(map(splits.get, ("w0", "w1", "w2", "written-4")))
    assert splits["w0"] == "test" and rows[1].story == "0" and rows[3].story == key(TEXTS[3])


def test_a_hydrated_text_must_be_the_one_of_its_key(folder: Path) -> None:
    [one] = read(folder / "annotated.jsonl")
    lines(folder / "annotated.local.jsonl", [{**one, "text": "نص آخر تماما لا صلة له بالمفتاح"}])
    assert f"annotated {one['key']}: its key {one['key']} is not the one of its text" in refused(folder)


def test_near_pairs_are_those_of_an_exhaustive_search() -> None:
    texts = [text.replace(text.split()[cut], "كلمة") for text in TEXTS for cut in range(6)]
    sets = [grams(text) for text in texts]
    measured = {
        (earlier, later): len(sets[earlier] & sets[later]) / len(sets[earlier] | sets[later])
        for earlier, later in combinations(range(len(texts)), 2)
    }
    for threshold, missed in ((0.5, 0.1), (THRESHOLD, 0.0)):  # few below the usual threshold, by which hashes there are
        expected = {pair: jaccard for pair, jaccard in measured.items() if jaccard >= threshold}
        found = {(a, b): jaccard for a, b, jaccard in near_pairs(texts, threshold)}
        assert 5 < len(found) < len(measured) and found.items() <= expected.items()
        assert len(found) >= (1 - missed) * len(expected)
    assert list(near_pairs(["abc", "abc", "abd"])) == [(0, 1, 1.0)]


def test_kappa_by_hand() -> None:
    # 20 + 15 of 50 equal: 0.7; by chance 0.5 x 0.6 + 0.5 x 0.4 = 0.5; kappa 0.4
    table = [("y", "y")] * 20 + [("y", "n")] * 5 + [("n", "y")] * 10 + [("n", "n")] * 15
    assert kappa(table) == pytest.approx(0.4)
    assert kappa([("y", "y")] * 3) is None and kappa([]) is None


def test_agreement_by_hand() -> None:
    first = [("pro", "none"), ("mixed", "none"), ("none", "pro"), ("pro", "none")]
    second = [("pro", "none"), ("pro", "none"), ("none", "pro"), ("none", "none")]
    result = agreement(first, second, OTHER)
    budget = result["topics"]["budget"]
    # presence: 3 of 4 equal; chance 3/4 x 2/4 + 1/4 x 2/4 = 1/2
    assert budget["presence"] == {"count": 4, "equal": 0.75, "kappa": 0.5}
    # both saw it twice: pro/pro, mixed/pro; chance 1/2, equal 1/2
    assert budget["stance"] == {"count": 2, "equal": 0.5, "kappa": 0.0}
    assert result["topics"]["football"]["presence"]["kappa"] == 1.0
    assert result["topics"]["football"]["stance"] == {"count": 1, "equal": 1.0, "kappa": None}
    assert result["rows_equal"] == 0.5 and result["labels"]["equal"] == 0.75


def test_readers_are_measured_where_there_are_two(folder: Path) -> None:
    codes = [["nn--", "nf--"], ["f---", "f---"], ["----"], None]
    texts = [f"{text} مرة أخرى" for text in TEXTS]
    lines(
        folder / "annotated.jsonl",
        [annotated(text, "----", readers=code) for text, code in zip(texts, codes, strict=True)],
    )
    found = run(folder)["agreement"]
    assert set(found) == {"real"} and found["real"]["rows"] == 2 and found["real"]["rows_equal"] == 0.5
    assert found["real"]["topics"]["de_escalation_zones"]["stance"] == {"count": 1, "equal": 0.0, "kappa": 0.0}
    assert "50.0 % of the rows and 87.5 % of the labels are equal" in (folder / "README.md").read_text(encoding="utf-8")


def test_agreement_tells_real_sentences_from_made_and_written_ones() -> None:
    parts = [("annotated", {}, "n---"), ("annotated", {"of": "1"}, "f---"), ("written", {}, "a---")]
    rows = [
        Sentence(str(n), part, "", None, {}, "", ("f---", code), fields) for n, (part, fields, code) in enumerate(parts)
    ]
    found = reader_agreement(rows, SCHEMA)
    assert {kind: result["rows_equal"] for kind, result in found.items()} == {"real": 0.0, "made": 1.0, "written": 0.0}


def test_agreement_of_two_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"id": f"r{n}", "text": text, "budget": "pro", "football": "none"} for n, text in enumerate(TEXTS)]
    first = lines(tmp_path / "first.jsonl", rows)
    second = lines(
        tmp_path / "second.jsonl", [{**one, "football": "mixed"} if n == 1 else one for n, one in enumerate(rows[:3])]
    )
    result = compare_files(first, second, OTHER, tmp_path / "differ.jsonl")
    assert result["rows"] == 3 and result["topics"]["football"]["presence"]["equal"] == 0.6667
    [differ] = read(tmp_path / "differ.jsonl")
    assert differ["id"] == "r1" and differ["differ"] == {"football": ["none", "mixed"]}
    assert "1 rows only in first.jsonl, 0 only in second.jsonl" in capsys.readouterr().out


def test_a_topic_left_open_is_passed_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = ({"id": f"r{n}", "text": TEXTS[n], "budget": "pro", "football": "none"} for n in (0, 1))
    first = lines(tmp_path / "first.jsonl", [one, other])
    second = lines(tmp_path / "second.jsonl", [{**one, "budget": None}, {**other, "budget": "mixed"}])
    result = compare_files(first, second, OTHER, tmp_path / "differ.jsonl")
    assert (result["rows"], result["rows_equal"]) == (1, 0.0)
    assert result["topics"]["budget"]["stance"] == {"count": 1, "equal": 0.0, "kappa": 0.0}
    assert (result["labels"]["count"], result["labels"]["equal"]) == (3, 0.6667)
    assert "1 rows have a topic that one of the two left open" in capsys.readouterr().out
    assert [row["id"] for row in read(tmp_path / "differ.jsonl")] == ["r1"]
    filled = compare_files(first, second, OTHER, tmp_path / "differ.jsonl", missing_is_absent=True)
    assert (filled["rows"], filled["topics"]["budget"]["presence"]["equal"]) == (2, 0.5)
    assert [row["id"] for row in read(tmp_path / "differ.jsonl")] == ["r0", "r1"]
    lines(second, [{**one, "budget": None, "football": None}, {**other, "budget": "mixed"}])
    capsys.readouterr()
    assert compare_files(first, second, OTHER, None)["rows"] == 1
    said = capsys.readouterr().out
    assert "1 rows have labels of one of the two at most: they count for nothing" in said and "left open" not in said


def test_agreement_refuses_what_it_cannot_compare(tmp_path: Path) -> None:
    one = {"id": "r1", "text": TEXTS[0], "budget": "pro", "football": "none"}
    first = lines(tmp_path / "first.jsonl", [one])
    with pytest.raises(InputError, match="expected rows with the same ids"):
        compare_files(first, lines(tmp_path / "b.jsonl", [{**one, "id": "r2"}]), OTHER, None)
    with pytest.raises(
        InputError, match=r"expected the same sentences under the same ids in .* under 1 of them, r1 the"
    ):
        compare_files(first, lines(tmp_path / "c.jsonl", [{**one, "text": TEXTS[1]}]), OTHER, None)
    with pytest.raises(InputError, match=r"expected each id once in .*, found r1 again"):
        compare_files(first, lines(tmp_path / "d.jsonl", [one, one]), OTHER, None)
    (tmp_path / "link.jsonl").symlink_to(first)
    with pytest.raises(InputError, match=r"expected another --output than .*link\.jsonl, which is one of the two"):
        compare_files(lines(tmp_path / "e.jsonl", [one]), first, OTHER, tmp_path / "link.jsonl")
    assert first.read_text(encoding="utf-8")


OTHER_ROWS = [
    {"id": "a7", "text": TEXTS[0], "budget": "pro", "football": "none", "date": "2024-05-01"},
    {"id": "a8", "text": TEXTS[1], "budget": "none", "football": "mixed", "date": "2024-05-02"},
]


@pytest.mark.parametrize(("kind", "name"), [("label-studio", "tasks.json"), ("doccano", "tasks.jsonl")])
def test_round_trip_with_other_topics(tmp_path: Path, kind: str, name: str) -> None:
    source = lines(tmp_path / "rows.jsonl", OTHER_ROWS)
    assert export_file(source, tmp_path / name, OTHER, kind, with_labels=True) == 2
    assert import_file(tmp_path / name, tmp_path / "back.jsonl", OTHER) == 2
    assert read(tmp_path / "back.jsonl") == OTHER_ROWS
    assert [example.labels["budget"] for example in load_examples(tmp_path / "back.jsonl", OTHER)] == ["pro", "none"]


@pytest.mark.parametrize(("kind", "name"), [("label-studio", "tasks.json"), ("doccano", "tasks.jsonl")])
def test_labels_are_hidden_from_annotators(tmp_path: Path, kind: str, name: str) -> None:
    export_file(lines(tmp_path / "rows.jsonl", OTHER_ROWS), tmp_path / name, OTHER, kind)
    assert "pro" not in (tmp_path / name).read_text(encoding="utf-8")
    with pytest.raises(InputError, match=r"expected labelled rows in .*, found none"):
        import_file(tmp_path / name, tmp_path / "back.jsonl", OTHER)


@pytest.mark.parametrize(("kind", "name"), [("label-studio", "tasks.json"), ("doccano", "tasks.jsonl")])
def test_a_row_without_an_id_comes_back_into_the_split_that_it_had(tmp_path: Path, kind: str, name: str) -> None:
    rows = [{column: value for column, value in row.items() if column not in ("id", "story")} for row in OTHER_ROWS]
    source = lines(tmp_path / "rows.jsonl", rows)
    export_file(source, tmp_path / name, OTHER, kind, with_labels=True)
    import_file(tmp_path / name, tmp_path / "back.jsonl", OTHER)
    before, after = (load_examples(path, OTHER) for path in (source, tmp_path / "back.jsonl"))
    assert [row.story for row in after] == [row.story for row in before]


def test_a_parquet_table_with_real_dates_becomes_tasks(tmp_path: Path) -> None:
    write_rows([{"text": TEXTS[0], "date": date(2024, 5, 1)}], tmp_path / "rows.parquet")
    export_file(tmp_path / "rows.parquet", tmp_path / "tasks.json", OTHER, "label-studio")
    [made] = json.loads((tmp_path / "tasks.json").read_text(encoding="utf-8"))
    data = {"source_id": "rows-1", "text": TEXTS[0], "date": "2024-05-01", "story": key(TEXTS[0])}
    assert made == {"data": data}


def test_label_studio_shows_arabic_and_returns_our_names(tmp_path: Path) -> None:
    export_file(lines(tmp_path / "rows.jsonl", OTHER_ROWS), tmp_path / "tasks.json", OTHER, "label-studio")
    view = ElementTree.parse(tmp_path / "tasks.xml").getroot()
    assert "direction: rtl" in view.attrib["style"]
    assert [block.attrib["name"] for block in view.iter("Choices")] == ["budget", "football"]
    assert [header.attrib["value"] for header in view.iter("Header")] == ["الموازنة", "football"]
    assert [(c.attrib["value"], c.attrib["alias"]) for c in view.iter("Choice")][2] == ("مع", "pro")


def task(*annotations: tuple[str, str], cancelled: bool = False, control: str = "budget") -> dict[str, Any]:
    def made(person: str, label: str) -> dict[str, Any]:
        result = [{"from_name": control, "to_name": "text", "type": "choices", "value": {"choices": [label]}}]
        return {"completed_by": {"id": 4, "email": person}, "was_cancelled": cancelled, "result": result}

    return {"id": 1, "data": {"source_id": "a7", "text": TEXTS[0]}, "annotations": [made(*one) for one in annotations]}


def exported(path: Path, *tasks: Any) -> Path:
    path.write_text(json.dumps(tasks), encoding="utf-8")
    return path


def test_one_annotator_of_several_is_chosen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.jsonl"
    two, skipped = task(("huda@news", "pro"), ("sami@news", "mixed")), task(("huda@news", "pro"), cancelled=True)
    source = exported(tmp_path / "export.json", two, skipped)
    with pytest.raises(InputError, match="found 2 by huda@news, sami@news; choose with --annotator"):
        import_file(source, out, OTHER)
    with pytest.raises(InputError, match=r"by nobody in .*, found those by huda@news, sami@news; choose one of them"):
        import_file(source, out, OTHER, annotator="nobody")
    assert import_file(source, out, OTHER, annotator="sami@news") == 1
    assert read(out) == [{"id": "a7", "text": TEXTS[0], "budget": "mixed", "football": None}]
    assert f"nobody marked football in {source}, only budget: left without labels\n" in capsys.readouterr().out


def test_a_topic_that_nobody_marked_in_the_whole_file_is_not_taken_for_absent(tmp_path: Path) -> None:
    source, out = tmp_path / "export.json", tmp_path / "out.jsonl"
    exported(source, task(("huda@news", "pro")), task(("huda@news", "pro"), control="ball"))
    found = r"expected the controls budget, football in .*, found no football among budget, ball; name theirs by --map"
    with pytest.raises(InputError, match=found):
        import_file(source, out, OTHER, missing_is_absent=True)
    import_file(source, out, OTHER, [("football", "ball")], missing_is_absent=True)
    assert [(one["budget"], one["football"]) for one in read(out)] == [("pro", "none"), ("none", "pro")]
    exported(source, task(("huda@news", "pro"), control="ball"))
    with pytest.raises(InputError, match="found no budget, football among ball; name theirs by --map"):
        import_file(source, out, OTHER)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"data": None}, "an object as data in task 2 of .*export.json, found None; export it again"),
        ({"annotations": 5}, "a list as annotations in task 2 of"),
        ({"annotations": ["x"]}, "an object as annotation in task 2 of .*, found 'x'"),
        ({"annotations": [{"result": [{"value": {"choices": ["pro"]}}]}]}, "a text as from_name in task 2 of"),
        ({"annotations": [{"result": [{"value": {"choices": [1]}, "from_name": "budget"}]}]}, "a text as choice in"),
        ({"annotations": [{"result": [{"value": {"choices": "pro"}}]}]}, "a list as choices in .*, found 'pro'"),
        ({"annotations": [{"result": [{"value": ["pro"]}]}]}, "an object as value in task 2 of"),
    ],
)
def test_a_task_that_is_none_is_named(tmp_path: Path, fields: dict[str, Any], sentence: str) -> None:
    one = task(("huda@news", "pro"))
    with pytest.raises(InputError, match=f"expected {sentence}"):
        import_file(exported(tmp_path / "export.json", one, one | fields), tmp_path / "out.jsonl", OTHER)


def test_a_newsroom_table_under_its_own_names(tmp_path: Path) -> None:
    source, out = tmp_path / "desk.csv", tmp_path / "out.jsonl"
    source.write_text(f"headline,money,football,desk\n{TEXTS[0]},yes,بين بين,A\n{TEXTS[1]},,none,B\n", encoding="utf-8")
    columns = pairs("text=headline, budget=money", "--map")
    assert import_file(source, out, OTHER, columns, pairs("pro=yes", "--labels")) == 2
    assert read(out) == [
        {"id": "desk-2", "text": TEXTS[0], "budget": "pro", "football": "mixed", "story": key(TEXTS[0]), "desk": "A"},
        {"id": "desk-3", "text": TEXTS[1], "budget": None, "football": "none", "story": key(TEXTS[1]), "desk": "B"},
    ]


def test_import_names_every_bad_line(tmp_path: Path) -> None:
    source = tmp_path / "desk.csv"
    source.write_text(
        f"text,budget,football\n{TEXTS[0]},yes,none\n,pro,none\n,,\n{TEXTS[1]},pro,none\n", encoding="utf-8"
    )
    with pytest.raises(InputError) as caught:
        import_file(source, tmp_path / "out.jsonl", OTHER)
    message = str(caught.value)
    assert "found 2 problems; mend them, or name columns by --map and --labels:" in message
    assert "line 2: budget is 'yes', not one of" in message and "line 3: its text is empty" in message
    assert not (tmp_path / "out.jsonl").exists()


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ({"columns": [("titel", "headline")]}, "expected --map of id, text, story, outlet, date, budget, football"),
        ({"columns": [("text", "headline")]}, "expected the columns headline, budget, football in "),
        ({"labels": [("for", "yes")]}, "expected --labels of none, mixed, pro, found for"),
        ({}, "rows.jsonl, found no budget, football among text, money; name theirs by --map"),
        ({"columns": [("budget", "money")], "missing_is_absent": True}, "found no football among text, money;"),
    ],
)
def test_wrong_names_are_refused(tmp_path: Path, option: dict[str, Any], sentence: str) -> None:
    source = lines(tmp_path / "rows.jsonl", [{"text": text, "money": "pro"} for text in TEXTS])
    with pytest.raises(InputError) as caught:
        import_file(source, tmp_path / "out.jsonl", OTHER, **option)
    assert sentence in str(caught.value) and "\n" not in str(caught.value)


def test_doccano_tags_that_clash_are_refused(tmp_path: Path) -> None:
    source = lines(tmp_path / "rows.jsonl", [{"id": 1, "text": TEXTS[0], "label": ["budget/pro", "budget/mixed"]}])
    with pytest.raises(
        InputError, match=r"one for each of budget, football in .* line 1, found budget/pro, budget/mixed"
    ):
        import_file(source, tmp_path / "out.jsonl", OTHER)


def test_the_command_ends_with_code_2(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["check", "--data", str(folder), "--schema", str(ROOT / "configs" / "schema.yaml"), "--frozen"]
    monkeypatch.setattr("sys.argv", ["train.corpus", *words])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith("error: expected the numbers of ")


def test_screening_finds_the_planted_wrong_label(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [row(f"r{n}", f"{TEXTS[n % 4]} في اليوم {n}", CODES[n % 4]) for n in range(80)]
    rows[33] |= {"political_settlement": "favor", "de_escalation_zones": "absent"}
    data, output = lines(tmp_path / "rows.jsonl", rows), tmp_path / "doubtful.jsonl"
    main_code = ["screen", str(data), "--output", str(output), "--share", "0.05"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["corpus", *main_code, "--schema", str(ROOT / "configs" / "schema.yaml")])
        main()
    found = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert len(found) == 4 and "4 of 80 sentences" in capsys.readouterr().out
    assert found[0]["id"] == "r33" and found[0]["guess"] in ("absent", "neutral")
    assert found[0]["quality"] < found[1]["quality"]
    with pytest.raises(InputError, match="expected --share in"):
        screen([data], output, SCHEMA, 0.0)
    with pytest.raises(InputError, match="expected sentences of at least 4 stories"):
        screen([lines(tmp_path / "few.jsonl", rows[:3])], output, SCHEMA, 0.5)


def test_screening_leaves_out_what_it_cannot_judge(tmp_path: Path) -> None:
    rows = [row(f"r{n}", f"{TEXTS[n % 4]} في اليوم {n}", CODES[n % 4]) for n in range(40)]
    for n, each in enumerate(rows):
        each |= {"jerusalem_status": None, "terrorism_cooperation": "favor" if n == 7 else None}
    screen([lines(tmp_path / "rows.jsonl", rows)], tmp_path / "doubtful.jsonl", SCHEMA, 1.0)
    found = (tmp_path / "doubtful.jsonl").read_text(encoding="utf-8").splitlines()
    assert {json.loads(line)["doubt"] for line in found} == {"political_settlement", "de_escalation_zones"}
