"""wijha sample: what is drawn, and what of an earlier sample is taken over."""

from __future__ import annotations

import errno
import json
import shutil
from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from wijha import InputError
from wijha.archive_rows import Selection, connected
from wijha.cli import main
from wijha.design import Design, read_labels
from wijha.estimate import estimates
from wijha.records import read_rows
from wijha.sample import draw
from wijha.strata import allocated
from wijha.text import key
from wijha.writing import write_rows

TOPICS = ("peace", "zones")
Truth = dict[str, dict[str, str]]


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
    sizes = Counter((topic, row[f"{topic}_stance"]) for row in rows.values() for topic in TOPICS)
    for _, drawn in read_rows(tmp_path / "sample.jsonl"):
        row, entry = rows[drawn["text"]], design.drawn[drawn["id"]]
        assert entry.said == {topic: row[f"{topic}_stance"] for topic in TOPICS}
        seen = [(topic, label) for topic, label in entry.said.items() if label != "absent"]
        sure = min(row["peace_score"], row["zones_score"]) >= 0.9
        quiet = "no topic" if sure else "no topic, not sure"
        wanted = "/".join(min(seen, key=sizes.__getitem__)) if seen else quiet
        assert design.strata[entry.stratum].name == wanted
    assert design.sentences == 4_000
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


def test_a_full_disk_is_one_sentence(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("wijha.files.os.fsync", full)
    assert main(["sample", str(archive), str(tmp_path / "sample.csv")]) == 2
    assert "expected to read or write " in (said := capsys.readouterr().err) and "No space left on device" in said


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
        there = {topic: row[topic] for topic in TOPICS}
        assert there == (truth[row["text"]] if row["text"] in known else dict.fromkeys(TOPICS, ""))
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
    assert len(read_labels(same, again)[0]) == 100  # nothing is new
    empty = dict.fromkeys(TOPICS, "")
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
        read = {row["id"]: truth[row["text"]] for _, row in islice(read_rows(new), 75)}
        found.append(estimates("peace", design, read)[0]["estimated"])
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
