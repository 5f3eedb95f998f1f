"""wijha sample and wijha estimate: what is drawn, and that the counts that come of it are right."""

from __future__ import annotations

import errno
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.stats import betabinom

from wijha import InputError
from wijha.archive_rows import Selection, connected
from wijha.cli import main
from wijha.design import Design, Drawn, Stratum, read_labels
from wijha.estimate import PRESENT, _whole, balance, collapsed, estimates
from wijha.records import read_rows
from wijha.sample import draw
from wijha.strata import allocated
from wijha.text import key
from wijha.writing import write_rows

LABELS = ("absent", "neutral", "favor", "against")
PREVALENCE = {"peace": (0.94, 0.02, 0.03, 0.01), "zones": (0.96, 0.02, 0.015, 0.005)}
SAYS = ((0.995, 0.003, 0.0015, 0.0005), (0.2, 0.6, 0.15, 0.05), (0.1, 0.2, 0.65, 0.05), (0.15, 0.1, 0.2, 0.55))
SENTENCES = 4_000
Truth = dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two topics; a model that errs, and is less sure where it does. The text is the row's number."""
    dice, columns = np.random.default_rng(1), {"text": [str(number) for number in range(SENTENCES)]}
    columns["outlet"] = ["one", "two"] * (SENTENCES // 2)
    folder = tmp_path_factory.mktemp("archive")
    for topic, shares in PREVALENCE.items():
        true = dice.choice(4, SENTENCES, p=shares)
        said = np.array([dice.choice(4, p=SAYS[label]) for label in true])
        columns[f"{topic}_stance"] = [LABELS[label] for label in said]
        columns[f"{topic}_score"] = np.where(said == true, 0.99, 0.99 - dice.random(SENTENCES) / 2).tolist()
        columns[f"true_{topic}"] = [LABELS[label] for label in true]
    pq.write_table(pa.table(columns), folder / "archive.parquet", row_group_size=500)  # DuckDB reads them in parallel
    return folder / "archive.parquet"


@pytest.fixture(scope="module")
def truth(archive: Path) -> Truth:
    """text -> topic -> label."""
    rows = pq.read_table(archive).to_pylist()
    return {row["text"]: {topic: row[f"true_{topic}"] for topic in PREVALENCE} for row in rows}


def labelled(sample: Path, truth: Truth) -> dict[str, dict[str, str]]:
    return {row["id"]: truth[row["text"]] for _, row in read_rows(sample)}


def true_count(truth: Truth, topic: str, label: str) -> int:
    counts = Counter(labels[topic] for labels in truth.values())
    return SENTENCES - counts["absent"] if label == PRESENT else counts[label]


def test_a_sample_shows_nothing_of_what_the_model_said(archive: Path, tmp_path: Path) -> None:
    design = draw(archive, tmp_path / "sample.csv", 100)
    assert (tmp_path / "sample.csv").read_bytes().startswith("\ufeffid,text,peace,zones\r\n".encode())
    rows = [row for _, row in read_rows(tmp_path / "sample.csv")]
    assert len(rows) == 100 == len({row["text"] for row in rows}) and list(design.drawn) == [row["id"] for row in rows]
    assert {(row["peace"], row["zones"]) for row in rows} == {("", "")}
    assert Design.read(tmp_path / "sample.design.json") == design
    assert len({each.stratum for each in list(design.drawn.values())[:20]}) > 3  # the first rows are a sample too


def test_a_sentence_is_drawn_from_the_stratum_of_its_rarest_stance(archive: Path, tmp_path: Path) -> None:
    design = draw(archive, tmp_path / "sample.jsonl", 200)
    rows = {row["text"]: row for row in pq.read_table(archive).to_pylist()}
    sizes = Counter((topic, row[f"{topic}_stance"]) for row in rows.values() for topic in PREVALENCE)
    for _, drawn in read_rows(tmp_path / "sample.jsonl"):
        row, entry = rows[drawn["text"]], design.drawn[drawn["id"]]
        assert entry.said == {topic: row[f"{topic}_stance"] for topic in PREVALENCE}
        seen = [(topic, label) for topic, label in entry.said.items() if label != "absent"]
        sure = min(row["peace_score"], row["zones_score"]) >= 0.9
        quiet = "no topic" if sure else "no topic, not sure"
        wanted = "/".join(min(seen, key=sizes.__getitem__)) if seen else quiet
        assert design.strata[entry.stratum].name == wanted
    assert design.sentences == SENTENCES
    said = Counter()
    for stratum in design.strata:
        assert all(sum(counts.values()) == stratum.sentences for counts in stratum.said.values())
        said.update(stratum.said["peace"])
    assert said == Counter(row["peace_stance"] for row in rows.values())


def test_the_seed_alone_decides(archive: Path, tmp_path: Path) -> None:
    texts = []
    for name, seed in (("one", 1), ("again", 1), ("other", 2)):
        draw(archive, tmp_path / f"{name}.jsonl", 100, seed)
        texts.append((tmp_path / f"{name}.jsonl").read_bytes())
    assert texts[0] == texts[1] != texts[2]


@pytest.mark.parametrize(
    ("sizes", "rows", "given"),
    [
        ([3, 40, 0], 20, [3, 17, 0]),
        ([100, 100, 100], 60, [20, 20, 20]),
        ([100, 10_000], 110, [10, 100]),
        ([5, 6], 90, [5, 6]),
    ],
)
def test_shares_go_by_the_root_of_the_size(sizes: list[int], rows: int, given: list[int]) -> None:
    assert allocated(sizes, rows) == given


def test_who_reads_everything_counts_exactly(archive: Path, truth: Truth, tmp_path: Path) -> None:
    design = draw(archive, tmp_path / "all.jsonl", SENTENCES)
    read = labelled(tmp_path / "all.jsonl", truth)
    rows = {row["text"]: row for row in pq.read_table(archive).to_pylist()}
    for topic in PREVALENCE:
        for row in estimates(topic, design, read):
            count = true_count(truth, topic, row["label"])
            assert row["estimated"] == row["estimated_low"] == row["estimated_high"] == count
            wanted = LABELS[1:] if row["label"] == PRESENT else (row["label"],)
            said = {text for text, each in rows.items() if each[f"{topic}_stance"] in wanted}
            both = sum(truth[text][topic] in wanted for text in said)
            assert row["said"] == len(said)
            assert row["precision"] == row["precision_low"] == row["precision_high"] == round(both / len(said), 3)
            assert row["recall"] == row["recall_low"] == row["recall_high"] == round(both / count, 3)
        (row,) = balance(topic, design, read)
        count = true_count(truth, topic, "favor") - true_count(truth, topic, "against")
        assert row["estimated"] == row["estimated_low"] == row["estimated_high"] == count
        said = Counter(each[f"{topic}_stance"] for each in rows.values())
        assert (row["label"], row["said"]) == ("favor - against", said["favor"] - said["against"])


def test_intervals_hold_the_true_counts_as_often_as_they_say(archive: Path, truth: Truth, tmp_path: Path) -> None:
    held: dict[str, list[bool]] = {label: [] for label in (PRESENT, *LABELS[1:])}
    found, said, widths = Counter[str](), Counter[str](), list[float]()
    for seed in range(40):
        design = draw(archive, tmp_path / f"{seed}.jsonl", 300, seed)
        read = labelled(tmp_path / f"{seed}.jsonl", truth)
        for topic in PREVALENCE:
            for row in estimates(topic, design, read):
                count = true_count(truth, topic, row["label"])
                held[row["label"]].append(row["estimated_low"] <= count <= row["estimated_high"])
                widths.append((row["estimated_high"] - row["estimated_low"]) / count)
                found[f"{topic} {row['label']}"] += row["estimated"]
                said[f"{topic} {row['label']}"] = row["said"]
    assert all(sum(each) / len(each) >= 0.92 for each in held.values()), held
    assert np.median(widths) < 1.5  # 0.9; 2.9 with a prior ten times as strong
    nearer = 0
    for topic in PREVALENCE:
        for label in (PRESENT, *LABELS[1:]):
            count, name = true_count(truth, topic, label), f"{topic} {label}"
            nearer += abs(found[name] / 40 - count) < abs(said[name] - count)
            assert found[name] / 40 == pytest.approx(count, rel=0.15)
    assert nearer >= 7  # of 8: than what the model says


def test_intervals_hold_where_half_of_an_archive_is_read(tmp_path: Path) -> None:
    dice = np.random.default_rng(3)
    true = dice.choice(4, 600, p=(0.6, 0.1, 0.2, 0.1))
    said = np.array([dice.choice(4, p=SAYS[label]) for label in true])
    rows = [{"text": str(number), "peace_stance": LABELS[label]} for number, label in enumerate(said)]
    write_rows(rows, tmp_path / "archive.parquet")
    held = Counter[str]()
    for seed in range(40):
        design = draw(tmp_path / "archive.parquet", tmp_path / f"{seed}.jsonl", 300, seed)
        drawn = read_rows(tmp_path / f"{seed}.jsonl")
        read = {row["id"]: {"peace": LABELS[true[int(row["text"])]]} for _, row in drawn}
        for row in estimates("peace", design, read):
            wanted = range(1, 4) if row["label"] == PRESENT else (LABELS.index(row["label"]),)
            there, told = np.isin(true, wanted), np.isin(said, wanted)
            both = (there & told).sum()
            figures = {"estimated": there.sum(), "precision": both / told.sum(), "recall": both / there.sum()}
            for name, value in figures.items():
                low, high = row[f"{name}_low"], row[f"{name}_high"]
                held[f"{row['label']} {name}"] += low <= round(float(value), 3) <= high
        (row,) = balance("peace", design, read)
        held["balance"] += row["estimated_low"] <= (true == 2).sum() - (true == 3).sum() <= row["estimated_high"]
    assert min(held.values()) >= 35, held


def test_what_nobody_found_is_bounded_as_by_clopper_and_pearson(tmp_path: Path) -> None:
    rows = [{"text": str(number), "peace_stance": "absent", "peace_score": 0.99} for number in range(20_000)]
    write_rows(rows, tmp_path / "archive.parquet")
    design = draw(tmp_path / "archive.parquet", tmp_path / "sample.jsonl", 100)
    found = estimates("peace", design, {name: {"peace": "absent"} for name in design.drawn})[0]
    assert (found["estimated"], found["estimated_low"], found["recall"]) == (0, 0, None)
    assert found["estimated_high"] == pytest.approx(20_000 * (1 - 0.025 ** (1 / 100)), rel=0.05)


def test_a_full_disk_is_one_sentence(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("wijha.files.os.fsync", full)
    assert main(["sample", str(archive), str(tmp_path / "sample.csv")]) == 2
    assert "expected to read or write " in (said := capsys.readouterr().err) and "No space left on device" in said


def test_what_is_read_from_the_top_is_a_sample_too(archive: Path, truth: Truth, tmp_path: Path) -> None:
    design = draw(archive, tmp_path / "sample.jsonl", 400)
    read = labelled(tmp_path / "sample.jsonl", truth)
    part = dict(list(read.items())[:150])
    some, all_of_it = (estimates("peace", design, labels)[0] for labels in (part, read))
    assert some["said"] == all_of_it["said"]
    assert some["estimated_low"] <= true_count(truth, "peace", PRESENT) <= some["estimated_high"]
    assert some["estimated_high"] - some["estimated_low"] > all_of_it["estimated_high"] - all_of_it["estimated_low"]


def test_from_the_command_line(archive: Path, truth: Truth, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sample = tmp_path / "sample.csv"
    assert main(["sample", str(archive), str(sample), "--rows", "120", "--outlet", "two", "--topic", "peace"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"120 of 2,000 sentences -> {sample}\nlabel") and f"next: wijha estimate {sample}" in said
    rows = [row for _, row in read_rows(sample)]
    assert "zones" not in rows[0] and all(int(row["text"]) % 2 for row in rows)
    for row in rows[:90]:
        row["peace"] = truth[row["text"]]["peace"]
    write_rows(rows, sample)
    assert main(["estimate", str(sample), str(tmp_path / "counts.csv")]) == 0
    lines = capsys.readouterr().out.splitlines()
    of = "archive archive.parquet, topics peace, outlets two, seed 13"
    assert lines[0] == f"90 of 120 sentences are read, drawn from 2,000 ({of})"
    assert [line.split("  ")[0] or line.split("  ")[1] for line in lines[3:-1]] == [
        "peace",
        *LABELS[1:],
        "favor - against",
    ]
    kept = [row for _, row in read_rows(tmp_path / "counts.csv")]
    assert [row["label"] for row in kept] == [PRESENT, *LABELS[1:], "favor - against"]
    assert f"{int(kept[0]['estimated']):,} ({int(kept[0]['estimated_low']):,}-" in lines[3]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"s0001": {"peace": "yes"}}, "expected one of absent, neutral, favor, against or nothing as peace"),
        ({"s0002": {"id": "s9999"}}, "expected a sentence of the sample, each once, in .* line 2, got another"),
        ({"s0002": {"text": "of another sample"}}, "each once, in .* line 2, got another"),
        ({"s0002": {"id": "s0001", "text": None}}, "each once, in .* line 2, got the same one again"),
        (
            {"s0002": {"peace": None, "zones": " "}},
            "found 1 sentences without any above the last one that has; write absent",
        ),
        (
            {"every": {"zones": ""}},
            "expected labels of zones in .*, found none; write absent once",
        ),
        (
            {"every": {"zones": "", "peace": ""}},
            "expected labels of peace, zones in .*, found none",
        ),
    ],
)
def test_wrong_labels_are_one_sentence(
    archive: Path, truth: Truth, tmp_path: Path, change: dict[str, dict[str, str]], sentence: str
) -> None:
    design = draw(archive, tmp_path / "sample.jsonl", 30)
    rows = [row | truth[row["text"]] for _, row in read_rows(tmp_path / "sample.jsonl")]
    write_rows([row | change.get(row["id"], change.get("every", {})) for row in rows], tmp_path / "read.jsonl")
    with pytest.raises(InputError, match=sentence):
        read_labels(tmp_path / "read.jsonl", design)


def test_a_topic_left_empty_beside_another_is_absent(archive: Path, tmp_path: Path) -> None:
    design = draw(archive, tmp_path / "sample.jsonl", 30)
    rows = [{"id": "s0002", "peace": " favor "}, {"id": "s0001", "peace": None, "zones": "absent"}, {"id": "s0003"}]
    write_rows(rows, tmp_path / "read.jsonl")
    read = read_labels(tmp_path / "read.jsonl", design)
    assert read == {"s0002": {"peace": "favor", "zones": "absent"}, "s0001": {"peace": "absent", "zones": "absent"}}


def test_a_text_that_a_spreadsheet_would_run_is_known_again(tmp_path: Path) -> None:
    rows = [{"text": f"=1+{number} القدس", "peace_stance": "absent"} for number in range(20)]
    write_rows(rows, tmp_path / "archive.jsonl")
    design = draw(tmp_path / "archive.jsonl", tmp_path / "sample.csv")
    read = [row | {"peace": "absent"} for _, row in read_rows(tmp_path / "sample.csv")]
    assert all(row["text"].startswith("'=") for row in read)
    write_rows(read, tmp_path / "sample.csv")
    assert len(read_labels(tmp_path / "sample.csv", design)) == 20


def test_a_label_that_nobody_has_read_counts_as_the_model_says(
    archive: Path, truth: Truth, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    design = draw(archive, tmp_path / "sample.jsonl", 60)
    favor = {name for name, each in design.drawn.items() if each.said["peace"] == "favor"}
    read = {name: dict.fromkeys(PREVALENCE, "absent") for name in design.drawn.keys() - favor}
    row = next(row for row in estimates("peace", design, read) if row["label"] == "favor")
    assert row["estimated"] == row["said"] and row["estimated_low"] == 0 and row["estimated_high"] > row["said"]
    first = next(name for name, each in design.drawn.items() if each.said["peace"] == "absent")
    rows = [row for _, row in read_rows(tmp_path / "sample.jsonl")]
    until = [row["id"] for row in rows].index(first) + 1
    write_rows([row | truth[row["text"]] for row in rows[:until]], tmp_path / "read.jsonl")
    assert main(["estimate", str(tmp_path / "read.jsonl"), "--design", str(tmp_path / "sample.design.json")]) == 0
    assert "peace: none of those said to be " in capsys.readouterr().out


def test_a_stratum_of_which_little_is_read_counts_with_others() -> None:
    size = np.array([[0.0, 10.0, 7.0, 4.0], [50.0, 30.0, 0.0, 6.0], [0.0, 20.0, 0.0, 0.0]])
    read = np.array([[0.0, 10.0, 0.0, 2.0], [2.0, 1.0, 0.0, 1.0], [0.0, 5.0, 0.0, 0.0]])
    wanted = [[0, 10 + 29 / 3, 7, 4], [50, 1, 0, 6], [0, 20 + 2 * 29 / 3, 0, 0]]  # of 30, one is read: 29 by size
    assert collapsed(size, read) == pytest.approx(np.array(wanted))


def test_labels_are_not_written_over(archive: Path, tmp_path: Path) -> None:
    draw(archive, tmp_path / "sample.csv", 30)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(InputError, match=r"expected no file at .*sample.csv yet, found one, perhaps with labels; name"):
        draw(archive, tmp_path / "sample.csv", 40)
    with pytest.raises(InputError, match=r"expected no file at .*sample.csv yet"):
        draw(archive, tmp_path / "sample.jsonl", 40)  # whose design would replace that of the labels
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_design_alone_holds_no_labels(archive: Path, tmp_path: Path) -> None:
    own, sample = Path(shutil.copy(archive, tmp_path / "sample.parquet")), tmp_path / "sample.csv"
    draw(own, sample, 30)
    sample.unlink()  # as after a kill between the two
    design = draw(own, sample, 100)
    assert len(design.drawn) == 100 == len(list(read_rows(sample)))
    assert Design.read(tmp_path / "sample.design.json") == design
    sample.unlink()
    with pytest.raises(InputError, match=r"expected no file at .*sample.parquet yet"):
        draw(own, own, 30)


@pytest.mark.parametrize(
    ("selection", "sentence"),
    [
        (Selection(outlets=("three",)), "expected sentences to draw from in .*, found none; select more of it"),
        (Selection(topics=("piece",)), "expected the topics peace, zones of .* as --topic, got piece; choose"),
        (Selection(topics=("outlet",)), "expected the topics peace, zones of .* as --topic, got outlet; choose"),
        (
            Selection(since="2020-01-01"),
            "expected the column date in .* to select by, found text, outlet, .*; name yours by --outlet-column or",
        ),
    ],
)
def test_a_selection_of_nothing_is_one_sentence(
    archive: Path, tmp_path: Path, selection: Selection, sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        draw(archive, tmp_path / "sample.csv", 30, selection=selection)
    assert not list(tmp_path.iterdir())


def test_rows_in_which_the_topic_was_not_asked_are_not_drawn(tmp_path: Path) -> None:
    rows = [
        {"text": f"{n}", "peace_stance": "absent", "zones_stance": "favor" if n % 10 == 0 else None} for n in range(300)
    ]
    write_rows(rows, tmp_path / "archive.jsonl")
    design = draw(tmp_path / "archive.jsonl", tmp_path / "sample.jsonl", 50, selection=Selection(topics=("zones",)))
    assert design.sentences == 30 == len(design.drawn) and {each.said["zones"] for each in design.drawn.values()} == {
        "favor"
    }


def test_a_topic_that_was_asked_of_some_rows_is_counted_in_these(tmp_path: Path) -> None:
    asked = {number: "favor" if number % 20 else "absent" for number in range(0, 400, 10)}
    rows = [
        {"text": f"{n}", "a_stance": "neutral" if n % 4 else "absent", "b_stance": asked.get(n)} for n in range(400)
    ]
    write_rows(rows, tmp_path / "archive.jsonl")
    design = draw(tmp_path / "archive.jsonl", tmp_path / "sample.jsonl", 400)
    read = {name: {"a": "neutral", "b": "favor"} for name in design.drawn}
    a, b = (estimates(topic, design, read)[0] for topic in ("a", "b"))
    assert (a["sentences"], a["read"], a["said"], a["estimated"]) == (400, 400, 300, 400)
    assert (b["sentences"], b["read"], b["said"], b["estimated"], b["estimated_low"]) == (40, 40, 20, 40, 40)


def test_rows_without_a_text_are_not_drawn_and_notes_are_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"text": text, "peace_stance": "favor"} for text in ("نص", None, " ")] + [{"text": "نص آخر"}]
    write_rows(rows, tmp_path / "archive.jsonl")
    assert [each.key for each in draw(tmp_path / "archive.jsonl", tmp_path / "sample.csv").drawn.values()] == [
        key("نص")
    ]
    assert "1 rows have no stance of any topic" in capsys.readouterr().out


def test_a_sample_is_no_part_of_its_archive(archive: Path) -> None:
    with pytest.raises(
        InputError, match=r"expected a place outside of .*, which it would be part of, got .*; name another"
    ):
        draw(archive.parent, archive.parent / "below" / "sample.csv")
    assert not (archive.parent / "below").exists()


def test_the_design_tells_the_model_of_the_receipt(archive: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copy(archive, tmp_path / "archive.parquet"))
    assert draw(copy, tmp_path / "without.csv", 100).source["model"] is None
    receipt = {"made_with": {"model": "0af"}, "outputs": {}}
    (tmp_path / "archive.parquet.receipt.json").write_text(json.dumps(receipt))
    assert draw(copy, tmp_path / "with.csv", 100).source["model"] == "0af"
    (tmp_path / "link.parquet").symlink_to(copy)
    for place in (copy, tmp_path / "link.parquet"):  # a job whose OUT is a link notes it beside that
        (lies,) = tmp_path.glob("*.receipt.json")
        lies.rename(f"{place}.receipt.json")
        source = draw(tmp_path / "link.parquet", tmp_path / f"of-{place.stem}.csv", 100).source
        assert (source["archive"], source["model"]) == ("archive.parquet", "0af")
    (tmp_path / "archive.parquet.receipt.json").write_text(json.dumps({"made_with": {"options": [1]}, "outputs": {}}))
    source = draw(copy, tmp_path / "spoiled.csv", 100).source
    assert source["model"] is source["towards"] is None


@pytest.mark.parametrize("kind", ["InterruptException", "Error"])
def test_ctrl_c_stays_ctrl_c(archive: Path, kind: str) -> None:
    import duckdb

    error = {"InterruptException": duckdb.InterruptException, "Error": RuntimeError}[kind]
    with pytest.raises(KeyboardInterrupt), connected(archive):
        raise error("INTERRUPT Error: Interrupted!")


@pytest.mark.parametrize("rows", ["0", "100000", "many"])
def test_a_count_that_nobody_reads_is_refused(
    archive: Path, tmp_path: Path, rows: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["sample", str(archive), str(tmp_path / "sample.csv"), "--rows", rows])
    assert ended.value.code == 2 and "argument --rows: expected" in capsys.readouterr().err


def test_the_table_does_not_replace_the_labels(
    archive: Path, truth: Truth, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw(archive, tmp_path / "sample.csv", 30)
    rows = [row | truth[row["text"]] for _, row in read_rows(tmp_path / "sample.csv")]
    write_rows(rows, tmp_path / "sample.csv")
    for name in ("sample.csv", "sample.design.json"):
        before = (tmp_path / name).read_bytes()
        assert main(["estimate", str(tmp_path / "sample.csv"), str(tmp_path / name)]) == 2
        assert "expected another file for the table than" in capsys.readouterr().err
        assert (tmp_path / name).read_bytes() == before


@pytest.mark.parametrize(
    "change",
    [
        {"source": []},
        {"labels": []},
        {"labels": ["absent", "favor"]},
        {"polar": ["favor"]},
        {"polar": ["favor", "foe"]},
        {"polar": "favor"},
        {"labels": ["absent", "neutral", "favor", "against", "against"]},
        {"labels": ["absent", "neutral", "favor", "against", 5]},
        {"stratum": {"sentences": "5"}},
        {"stratum": {"said": ["peace", "zones"]}},
        {"stratum": {"said": {"peace": {"favor": 1.5}, "zones": {}}}},
        {"stratum": {"said": {"peace": {"": 5}, "zones": {}}}},
        {"sentence": {"said": {"peace": "foo", "zones": ""}}},
        {"sentence": {"said": {"peace": "favor"}}},
        {"sentence": {"stratum": 99}},
        {"sentence": {"stratum": 0.5}},
        {"sentence": {"known": "no"}},
        {"strata": [{"name": "all", "sentences": 5, "said": {}}], "drawn": {}},
    ],
)
def test_a_design_that_was_spoiled_is_another_file(archive: Path, tmp_path: Path, change: dict[str, Any]) -> None:
    draw(archive, tmp_path / "sample.csv", 30)
    design = json.loads((tmp_path / "sample.design.json").read_text(encoding="utf-8"))
    design["strata"][0] |= change.pop("stratum", {})
    design["drawn"]["s0001"] |= change.pop("sentence", {})
    (tmp_path / "spoiled.json").write_text(json.dumps(design | change), encoding="utf-8")
    with pytest.raises(
        InputError, match=r"expected the design of a sample, .*, at .*spoiled.json, got another file; pass"
    ):
        Design.read(tmp_path / "spoiled.json")


@pytest.mark.parametrize("sample", [".", "/"])
def test_a_sample_without_a_name_is_one_sentence(sample: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["estimate", sample]) == 2
    assert f"expected a sample, a file of labelled sentences, got {sample}; name it" in capsys.readouterr().err


def test_without_a_design_the_option_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "sample.csv").write_text("id,peace\ns0001,favor\n")
    (tmp_path / "other.json").write_text(json.dumps({"labels": []}))
    (tmp_path / "third.json").write_text(json.dumps({"source": {}, "labels": [], "strata": [], "drawn": {}}))
    for more in ([], ["--design", str(tmp_path / "other.json")], ["--design", str(tmp_path / "third.json")]):
        assert main(["estimate", str(tmp_path / "sample.csv"), *more]) == 2
        found = "got another file" if more else "found no such file"
        assert f"{found}; pass it as --design FILE" in capsys.readouterr().err


def figures(*strata: tuple[str, int, dict[str, int]]) -> dict[str, Any]:
    """What `estimates` says of favor, by what the model said in each stratum, its size and what readers found there."""
    parts = [Stratum("", size, {"peace": {said: size}}) for said, size, _ in strata]
    design, read = Design({}, list(LABELS), parts, {}), dict[str, dict[str, str]]()
    for place, (said, _, found) in enumerate(strata):
        for label in Counter(found).elements():
            name = f"s{len(read)}"
            design.drawn[name], read[name] = Drawn("", place, {"peace": said}), {"peace": label}
    return next(row for row in estimates("peace", design, read) if row["label"] == "favor")


def bounded(row: dict[str, Any], name: str) -> list[float]:
    return [row[f"{name}_low"], row[name], row[f"{name}_high"]]


def test_bounds_leave_open_what_nobody_has_read() -> None:
    """A sentence is put against what the few that are read say, or in its favour."""
    known, most = ("absent", 800, {"absent": 750, "favor": 50}), betabinom(195, 1, 5).ppf(0.975) / 200
    never, always = figures(known, ("favor", 200, {"against": 5})), figures(known, ("favor", 200, {"favor": 5}))
    assert bounded(never, "precision") == pytest.approx([0, 0, most], rel=0.05)
    assert bounded(always, "precision") == pytest.approx([1 - most, 1, 1], rel=0.05)
    least = (1 - most) * 200
    assert bounded(never, "recall") == pytest.approx([0, 0, most * 200 / (most * 200 + 50)], rel=0.05)
    assert bounded(always, "recall") == pytest.approx([least / (least + 50), 0.8, 0.8], rel=0.05)
    right, missed = ("favor", 20, {"favor": 20}), betabinom(790, 1, 10).ppf(0.975)
    all_seen, few_seen = figures(right, ("absent", 800, {"absent": 10})), figures(right, ("absent", 800, {"favor": 10}))
    assert bounded(all_seen, "estimated") == pytest.approx([20, 20, 20 + missed], rel=0.05)
    assert bounded(all_seen, "recall") == pytest.approx([20 / (20 + missed), 1, 1], rel=0.05)
    assert bounded(few_seen, "estimated") == pytest.approx([820 - missed, 820, 820], rel=0.05)
    assert bounded(few_seen, "recall") == pytest.approx([20 / 820, 20 / 820, 20 / (820 - missed)], rel=0.05)


def test_what_favors_less_what_is_against_is_bounded_by_both() -> None:
    parts = [Stratum("", 100, {"peace": {"favor": 100}}), Stratum("", 50, {"peace": {"against": 50}})]
    drawn = {f"s{n}": Drawn("", int(n > 9), {"peace": "against" if n > 9 else "favor"}) for n in range(20)}
    read = {name: {"peace": "favor" if int(name[1:]) < 10 else "against"} for name in drawn}
    (row,) = balance("peace", Design({}, list(LABELS), parts, drawn, ["favor", "against"]), read)
    assert (row["said"], row["estimated"], row["precision"], row["recall"]) == (50, 50, None, None)
    wrong, more = betabinom(90, 1, 10), betabinom(40, 1, 10)  # of the unread on either side, turned into the other
    low = 50 - 2 * np.percentile(wrong.rvs(100_000, random_state=1), 97.5)
    high = 50 + 2 * np.percentile(more.rvs(100_000, random_state=1), 97.5)
    assert [row["estimated_low"], row["estimated_high"]] == pytest.approx([low, high], abs=4)
    assert balance("peace", Design({}, list(LABELS), parts, drawn), read) == []


def test_bounds_do_not_widen_with_the_number_of_strata() -> None:
    whole, parts = [("favor", 1_000, {"favor": 200})], [("favor", 50, {"favor": 10})] * 20
    assert figures(*parts)["precision_low"] == pytest.approx(figures(*whole)["precision_low"], abs=0.01)


def texts_of(sample: Path) -> list[str]:
    return [row["text"] for _, row in read_rows(sample)]


def test_a_larger_sample_holds_the_smaller_one(archive: Path, tmp_path: Path) -> None:
    draw(archive, tmp_path / "small.jsonl", 150)
    draw(archive, tmp_path / "large.jsonl", 450)
    small, large = texts_of(tmp_path / "small.jsonl"), texts_of(tmp_path / "large.jsonl")
    assert set(small) < set(large)
    assert len(set(large[:150]) & set(small)) > 100  # it begins with them but where strata were read whole


def test_a_sample_hangs_on_no_order_of_the_archive(archive: Path, tmp_path: Path) -> None:
    rows = pq.read_table(archive)
    rows = pa.concat_tables([rows, rows.slice(0, 900)])  # some sentences twice
    (tmp_path / "parts").mkdir()
    mixed = rows.take(np.random.default_rng(2).permutation(len(rows)))
    pq.write_table(rows, tmp_path / "whole.parquet")
    pq.write_table(mixed.slice(0, 2_000), tmp_path / "parts" / "a.parquet")
    pq.write_table(mixed.slice(2_000), tmp_path / "parts" / "b.parquet")
    for source in ("whole.parquet", "parts"):
        draw(tmp_path / source, tmp_path / f"{source}.jsonl", 200)
    assert texts_of(tmp_path / "whole.parquet.jsonl") == texts_of(tmp_path / "parts.jsonl")


def test_a_sentence_that_stands_often_is_drawn_as_often_as_chance_says(tmp_path: Path) -> None:
    rows = [f"{number}" for number in range(500)] * 4
    columns = {"text": rows, "peace_stance": ["absent"] * 2_000, "peace_score": [0.99] * 2_000}
    pq.write_table(pa.table(columns), tmp_path / "archive.parquet")
    draw(tmp_path / "archive.parquet", tmp_path / "sample.jsonl", 400)
    times = Counter(Counter(texts_of(tmp_path / "sample.jsonl")).values())
    assert times.total() == pytest.approx(500 * (1 - 0.8**4), abs=25)  # different ones, 295 by chance
    assert times[1] == pytest.approx(500 * 4 * 0.2 * 0.8**3, abs=35)  # that stand there once


def test_labels_of_an_earlier_sample_are_taken_over(
    archive: Path, truth: Truth, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    draw(archive, first, 150)
    rows = [row for _, row in read_rows(first)]
    write_rows([{**row, **truth[row["text"]]} for row in rows[:100]] + rows[100:], first)
    known = {row["text"] for row in rows[:100]}
    assert main(["sample", str(archive), str(second), "--rows", "450", "--known", str(first)]) == 0
    assert f"450 of 4,000 sentences -> {second}, 100 with the labels of {first}\n" in capsys.readouterr().out
    drawn = [row for _, row in read_rows(second)]
    for row in drawn:
        there = {topic: row[topic] for topic in PREVALENCE}
        assert there == (truth[row["text"]] if row["text"] in known else dict.fromkeys(PREVALENCE, ""))
    begun = next(place for place, row in enumerate(drawn) if row["text"] not in known)
    assert begun > 20
    drawn[begun] |= truth[drawn[begun]["text"]]
    write_rows(drawn, second)
    begun = next(place for place, row in enumerate(drawn) if not row["peace"])
    assert main(["estimate", str(second)]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{begun} of 450 sentences are read")
    assert f"{101 - begun} with labels of an earlier sample stand below the first that nobody has read" in said
    write_rows([{**row, **truth[row["text"]]} for row in drawn], second)
    assert main(["estimate", str(second)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("450 of 450 sentences are read") and "earlier sample" not in said


def test_an_earlier_sample_without_labels_or_of_other_topics_is_one_sentence(archive: Path, tmp_path: Path) -> None:
    first = tmp_path / "first.jsonl"

    def refused(sentence: str) -> None:
        with pytest.raises(InputError, match=sentence):
            draw(archive, tmp_path / "sample.jsonl", 100, known=first)
        assert not (tmp_path / "sample.jsonl").exists() and not (tmp_path / "sample.design.json").exists()

    refused(r"expected the design .* at .*first\.design\.json, found no such file; put it beside the sample")
    draw(archive, first, 100, selection=Selection(topics=("peace",)))
    refused(
        r"expected labels absent, neutral, favor, against of peace, zones in .*, found a sample for .* of peace; ch"
    )
    first.unlink()
    (tmp_path / "first.design.json").unlink()
    draw(archive, first, 100)
    refused("expected labels of peace, zones in .*, found none")
    rows = [row for _, row in read_rows(first)]
    write_rows([{**rows[0], "peace": "favor"}, *rows[1:]], first)
    refused("expected labels of zones in .*, found none; write absent once")
    write_rows([{**rows[0], "peace": "yes", "zones": "absent"}, *rows[1:]], first)
    refused("expected one of absent, neutral, favor, against or nothing as peace")


def test_a_text_with_two_readings_is_to_be_read_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts = [*["قلت نعم؟"] * 3, "قلت نعم", "=نعم", *map(str, range(40))]
    rows = [{"text": text, "peace_stance": "favor", "peace_score": 0.9} for text in texts]
    write_rows(rows, tmp_path / "archive.jsonl")
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    draw(tmp_path / "archive.jsonl", first, 45)
    labels = iter(["favor", "against", "favor"])
    read = [{**row, "peace": next(labels) if row["text"] == "قلت نعم؟" else "neutral"} for _, row in read_rows(first)]
    write_rows(read, first)
    draw(tmp_path / "archive.jsonl", second, 45, known=first)
    assert "1 texts have two readings in" in capsys.readouterr().out
    assert {row["text"] for _, row in read_rows(second) if not row["peace"]} == {"قلت نعم؟"}
    assert {row["text"]: row["peace"] for _, row in read_rows(second)}["'=نعم"] == "neutral"


def test_a_topic_of_an_earlier_sample_is_taken_alone(archive: Path, truth: Truth, tmp_path: Path) -> None:
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    draw(archive, first, 200)
    rows = [{**row, **truth[row["text"]]} for _, row in read_rows(first)]
    for row in rows:
        if row["peace"] == "absent" != row["zones"]:
            row["peace"] = ""  # left empty beside another it is absent
    write_rows(rows, first)
    write_rows([row | {"zones": ""} for row in rows if row["peace"]], tmp_path / "alone.jsonl")
    shutil.copy(tmp_path / "first.design.json", tmp_path / "alone.design.json")
    part = Selection(topics=("peace",))
    alone = draw(archive, tmp_path / "third.jsonl", 100, selection=part, known=tmp_path / "alone.jsonl")
    assert any(each.known for each in alone.drawn.values())  # nobody read the other topic, which is not asked for
    with pytest.raises(InputError, match="expected labels of zones in"):
        draw(archive, tmp_path / "fourth.jsonl", 100, known=tmp_path / "alone.jsonl")
    design = draw(archive, second, 100, selection=part, known=first)
    drawn = {row["id"]: row for _, row in read_rows(second)}
    known = [drawn[name] for name, each in design.drawn.items() if each.known]
    assert len(known) > 50 and all(row["peace"] == truth[row["text"]]["peace"] for row in known)
    assert any(row["peace"] == "absent" for row in known)


def test_a_sample_that_another_model_may_have_learned_from_is_said(
    archive: Path, truth: Truth, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy, first = Path(shutil.copy(archive, tmp_path / "archive.parquet")), tmp_path / "first.jsonl"
    draw(copy, first, 100)
    write_rows([{**row, **truth[row["text"]]} for _, row in read_rows(first)], first)
    receipt = {"made_with": {"model": "0af"}, "outputs": {}}
    (tmp_path / "archive.parquet.receipt.json").write_text(json.dumps(receipt))
    for seed, said in ((13, True), (14, False)):
        draw(copy, tmp_path / f"{seed}.jsonl", 100, seed, known=first)
        assert ("where this one learned from it, choose another --seed" in capsys.readouterr().out) == said


def test_labels_towards_another_target_are_not_taken_over(tmp_path: Path) -> None:
    archive, rows = (
        tmp_path / "archive.jsonl",
        [{"text": str(number), "target_stance": "favor"} for number in range(40)],
    )
    write_rows([{**row, "target_score": 0.9} for row in rows], archive)
    receipt = {"made_with": {"model": "0af", "options": {"towards": "السلام"}}, "outputs": {}}
    (tmp_path / "archive.jsonl.receipt.json").write_text(json.dumps(receipt), encoding="utf-8")
    draw(archive, tmp_path / "first.jsonl", 20)
    first = [{**row, "target": "favor"} for _, row in read_rows(tmp_path / "first.jsonl")]
    write_rows(first, tmp_path / "first.jsonl")
    design = draw(archive, tmp_path / "larger.jsonl", 30, known=tmp_path / "first.jsonl")
    assert sum(each.known for each in design.drawn.values()) == 20
    receipt["made_with"]["options"]["towards"] = "الحرب"
    (tmp_path / "archive.jsonl.receipt.json").write_text(json.dumps(receipt), encoding="utf-8")
    with pytest.raises(InputError, match=r"expected stances towards الحرب in .*, found those towards السلام; draw"):
        draw(archive, tmp_path / "other.jsonl", 30, known=tmp_path / "first.jsonl")


def test_what_is_known_alone_is_no_beginning(archive: Path, truth: Truth, tmp_path: Path) -> None:
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    draw(archive, first, 100)
    rows = [{**row, **truth[row["text"]]} for _, row in read_rows(first)]
    write_rows(rows, first)
    design = draw(archive, second, 300, known=first)
    new = next(name for name, each in design.drawn.items() if not each.known)
    with pytest.raises(InputError, match=f"found none before the first without any; read on from {new}"):
        read_labels(second, design)
    same = tmp_path / "same.jsonl"
    again = draw(archive, same, 100, known=first)
    assert len(read_labels(same, again)) == 100  # nothing is new
    empty = dict.fromkeys(PREVALENCE, "")
    write_rows([row | (empty if row["id"] == "s0006" else {}) for _, row in read_rows(same)], same)
    with pytest.raises(InputError, match="found 1 sentences without any above the last one that has; write absent"):
        read_labels(same, again)


def test_labels_are_known_by_the_key_where_the_text_is_gone(archive: Path, truth: Truth, tmp_path: Path) -> None:
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    draw(archive, first, 100)
    write_rows([{"id": row["id"], **truth[row["text"]]} for _, row in read_rows(first)], first)
    design = draw(archive, second, 100, known=first)
    assert all(each.known for each in design.drawn.values())
    assert all(row["peace"] == truth[row["text"]]["peace"] for _, row in read_rows(second))


def test_counts_of_an_archive_that_has_grown_do_not_lean_to_what_was_there(tmp_path: Path) -> None:
    """The new half has the topic three times as often where the model says that it is there."""
    dice, rows = np.random.default_rng(3), []
    for number in range(2_000):
        new, said = number >= 1_000, bool(dice.random() < 0.5)
        right = dice.random() < (0.75 if new else 0.25)
        rows.append({"text": f"{number}", "peace_stance": "favor" if said else "absent", "peace_score": 0.95})
        rows[-1]["true"] = "favor" if said and right else "absent"
    there = sum(row["true"] == "favor" for row in rows)
    truth = {row["text"]: {"peace": row.pop("true")} for row in rows}
    write_rows(rows[:1_000], tmp_path / "old.jsonl")
    write_rows(rows, tmp_path / "grown.jsonl")
    found = []
    for seed in range(16):
        old, new = tmp_path / f"old-{seed}.jsonl", tmp_path / f"new-{seed}.jsonl"
        draw(tmp_path / "old.jsonl", old, 100, seed)
        write_rows([{**row, **truth[row["text"]]} for _, row in read_rows(old)], old)
        design = draw(tmp_path / "grown.jsonl", new, 150, seed, known=old)
        assert 40 < sum(each.known for each in design.drawn.values()) < 110
        found.append(estimates("peace", design, dict(list(labelled(new, truth).items())[:75]))[0]["estimated"])
    off = 4 * float(np.std(found)) / len(found) ** 0.5
    assert np.mean(found) == pytest.approx(there, abs=off) and off < 0.25 * there


def test_the_numbers_of_sentences_stay_what_they_are(tmp_path: Path) -> None:
    """Else samples of before and after would share nothing, and --known would take over next to none."""
    rows = [{"text": f"خبر {number}", "peace_stance": "absent", "peace_score": 0.99} for number in range(100)]
    write_rows(rows, tmp_path / "archive.jsonl")
    draw(tmp_path / "archive.jsonl", tmp_path / "sample.jsonl", 10)
    assert [int(text.split()[1]) for text in texts_of(tmp_path / "sample.jsonl")] == [
        63,
        69,
        44,
        5,
        82,
        92,
        95,
        87,
        1,
        16,
    ]


def test_unread_sentences_are_drawn_whole_and_none_is_added() -> None:
    unread = np.array([[0.25, 3.0], [1.5, 0.1], [0.25, 0.9]])  # as `collapsed` shares them out; whole for each label
    drawn = _whole(np.random.default_rng(5), unread)
    assert (drawn.sum(axis=1) == unread.sum(axis=0)).all() and (drawn >= 0).all()
    assert drawn.mean(axis=0) == pytest.approx(unread, abs=0.03)
