"""wijha report: counts, samples, and what it says where something is missing."""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.common import measured
from wijha import InputError, Schema, archive, archive_query
from wijha.archive_query import read_archive
from wijha.archive_rows import USUAL, Selection
from wijha.cli import main
from wijha.schema import Topic
from wijha.writing import write_rows

pytest.importorskip("duckdb", reason='wijha report needs duckdb: pip install "wijha[report]"')

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = '</script><img src=x onerror="document.title=1">'


def made(count: int = 240) -> list[dict[str, Any]]:
    """Rows of four months, three outlets, two topics."""
    rows = []
    for number in range(count):
        settlement = ("favor", "against", "neutral", "absent")[number % 4]
        rows.append(
            {
                "text": f"{HOSTILE if number == 1 else 'جملة'} {number}",
                "date": f"2013-0{number % 4 + 1}-1{number % 10}",
                "outlet": ("الجزيرة", "bbc", "cnn")[number % 3],
                "settlement_stance": settlement,
                "settlement_score": 0.9,
                "zones_stance": "favor" if number % 10 == 0 else "absent",
                "zones_score": 0.9,
            }
        )
    return rows


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def without(rows: list[dict[str, Any]], *names: str) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key not in names} for row in rows]


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_counts_are_those_of_the_rows(tmp_path: Path, suffix: str) -> None:
    rows = made()
    found = read_archive(write(tmp_path / f"a{suffix}", rows), Selection())
    assert found.sentences == 240 and found.present == {"settlement": 180, "zones": 24}
    assert found.unit == "month" and found.periods == ["2013-01", "2013-02", "2013-03"]
    expected = Counter(
        (r["settlement_stance"], r["outlet"], r["date"][:7]) for r in rows if r["settlement_stance"] != "absent"
    )
    assert {(c.label, c.outlet, c.period): c.count for c in found.cells["settlement"]} == expected
    texts = {row["text"]: row for row in rows}
    for cell in found.cells["settlement"]:
        assert 0 < len(cell.sample) <= 6
        for text, note in cell.sample:
            row = texts[text]
            assert (row["settlement_stance"], row["outlet"], row["date"][:7]) == (cell.label, cell.outlet, cell.period)
            assert note == f"{row['outlet']} · {row['date']}"


def test_the_page_is_one_safe_file_that_is_the_same_twice(tmp_path: Path) -> None:
    source, page = write(tmp_path / "a.parquet", made()), tmp_path / "page.html"
    archive.archive_report(source, page)
    first = page.read_text(encoding="utf-8")
    archive.archive_report(source, page)
    assert page.read_text(encoding="utf-8") == first
    assert "<img" not in first and "http://" not in first.replace("http://www.w3.org", "") and "https://" not in first
    assert first.count("</script>") == 2 and "الجزيرة" in first
    data = json.loads(first.split('id="data">')[1].split("</script>")[0])
    assert any(text.startswith(HOSTILE) for text, _ in data["texts"])
    assert first.count("data-point=") == len(data["points"])


def test_copies_do_not_crowd_out_the_other_sentences(tmp_path: Path) -> None:
    """Two outlets print most of forty texts two hundred times, a third prints one of them alone."""
    texts = [f"وكالة {n}" for n in range(40) for _ in range(200 if n % 8 else 1)]
    rows = [
        {"text": text, "date": "2013-02-01", "outlet": outlet, "t_stance": "favor"}
        for outlet, printed in (("bbc", texts), ("cnn", texts), ("afp", ["وكالة 1"] * 50))
        for text in printed
    ]
    source = write(tmp_path / "a.parquet", rows)
    found = read_archive(source, Selection())
    assert found.present == {"t": len(rows)} and found.copies == len(rows) - 40
    samples = {cell.outlet: [text for text, _ in cell.sample] for cell in found.cells["t"]}
    assert len(set(samples["bbc"])) == 6 and samples["bbc"] == samples["cnn"] and samples["afp"] == ["وكالة 1"]
    archive.archive_report(source, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert f"{len(rows) - 40:,} of the sentences are copies of another; they count in the shares too." in page
    data = json.loads(page.split('id="data">')[1].split("</script>")[0])
    shown = [[data["texts"][number][0] for number in point["texts"]] for point in data["points"]]
    assert {len(set(each)) for each in shown} == {1, 6} and all(len(set(each)) == len(each) for each in shown)


def test_copies_are_counted_in_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_query, "_AT_ONCE", 50)
    rows = [*made(), {**made(1)[0], "text": None}]
    assert read_archive(write(tmp_path / "a.jsonl", rows), Selection()).copies == 0
    assert read_archive(write(tmp_path / "b.jsonl", [*rows, *made(30)]), Selection()).copies == 30


def test_few_sentences_are_faint(tmp_path: Path) -> None:
    """Nine on the first day, ten on the next: a column of two segments, and a column of two."""
    sizes = (("bbc", "2013-02-01", 9), ("cnn", "2013-02-02", 10))
    days = [(outlet, day, n) for outlet, day, count in sizes for n in range(count)]
    rows = [
        {"text": f"{day} {n}", "date": day, "outlet": outlet, "t_stance": "against" if n else "favor"}
        for outlet, day, n in days
    ]
    archive.archive_report(write(tmp_path / "a.jsonl", rows), tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert re.findall(r'<rect class="(\w+)"', page) == ["few", "few", "s1", "s3"]
    assert re.findall(r'<td class="number (few|b.+?)">', page) == ["b-1", "b-1", "few", "few"]
    assert page.count("fewer than 10 sentences") == 3


def test_the_page_says_that_shares_are_biased(tmp_path: Path) -> None:
    archive.archive_report(write(tmp_path / "a.jsonl", made()), tmp_path / "page.html")
    assert "Shares counted from such labels are biased too" in (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("missing", "message", "kept"),
    [
        (("date",), "No charts over time: the archive has no column date;", "By outlet"),
        (("outlet",), "No tables by outlet: the archive has no column outlet;", "Stances over time"),
        (("date", "outlet"), "No charts over time", "Share of the topics"),
    ],
)
def test_missing_columns_are_said_in_place(tmp_path: Path, missing: tuple[str, ...], message: str, kept: str) -> None:
    page = tmp_path / "page.html"
    archive.archive_report(write(tmp_path / "a.jsonl", without(made(), *missing)), page)
    text = page.read_text(encoding="utf-8")
    assert message in text and kept in text
    assert ("<svg" in text) == ("date" not in missing)


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        (Selection(topics=("weather",)), "No topic &#39;weather&#39; in the archive; it has settlement, zones."),
        (Selection(outlets=("nobody",)), "No row is selected"),
        (Selection(since="2020-01-01"), "No row is selected"),
        (Selection(topics=("zones",), since="2013-03-12", until="2013-03-12"), "is about zones: it has no chart"),
    ],
)
def test_a_selection_of_nothing_is_said_and_nothing_is_drawn(
    tmp_path: Path, selection: Selection, message: str
) -> None:
    page = tmp_path / "page.html"
    archive.archive_report(write(tmp_path / "a.jsonl", made()), page, selection)
    text = page.read_text(encoding="utf-8")
    assert message in text and "There is nothing to draw" in text and "<svg" not in text


def test_a_selection_narrows(tmp_path: Path) -> None:
    source = write(tmp_path / "a[1].parquet", made())  # a name that reads as a pattern
    found = read_archive(source, Selection(("settlement",), ("bbc",), "2013-02-01", "2013-03-31"))
    assert found.topics == ["settlement"] and found.sentences == 40
    assert {cell.outlet for cell in found.cells["settlement"]} == {"bbc"}
    assert set(found.periods) == {"2013-02", "2013-03"}


def test_dates_that_cannot_be_read_are_counted(tmp_path: Path) -> None:
    rows = made()
    rows[0]["date"], rows[1]["date"], rows[2]["date"] = "yesterday", None, "03/02/2013"
    found = read_archive(write(tmp_path / "a.jsonl", rows), Selection())
    assert found.notes == ["2 of 180 sentences have no readable date: not in the charts over time."]
    unreadable = [{**row, "date": "?"} for row in rows]
    assert (
        "no date of the archive can be read"
        in read_archive(write(tmp_path / "b.jsonl", unreadable), Selection()).notes[0]
    )


def test_dates_that_lie_partly_outside_are_told(tmp_path: Path) -> None:
    dates = ["2013", "2013-03", "2013-02-01", "2013-05-01"] * 3
    source = write(tmp_path / "a.jsonl", [row | {"date": day} for row, day in zip(made(), dates, strict=False)])
    said = "3 sentences are dated by a month or year alone that lies partly outside: they are taken in, in a"
    found = read_archive(source, Selection(until="2013-03-31"))
    assert found.sentences == 9 and [note.startswith(said) for note in found.notes if "outside" in note] == [True]
    assert read_archive(source, Selection(since="2013-04-01")).sentences == 6
    both = read_archive(source, Selection(since="2013-02-15", until="2013-03-15")).notes
    assert any(note.startswith(said.replace("3 sentences", "6 sentences")) for note in both)
    assert not any("outside" in note for note in read_archive(source, Selection(since="2013-01-01")).notes)


def test_folders_that_are_linked_are_part_of_an_archive(tmp_path: Path) -> None:
    (tmp_path / "archive").mkdir()
    (tmp_path / "moved").mkdir()
    write(tmp_path / "archive" / "2013.jsonl", made())
    write(tmp_path / "moved" / "2014.jsonl", made())
    (tmp_path / "archive" / "2014").symlink_to(tmp_path / "moved")
    assert read_archive(tmp_path / "archive", Selection()).sentences == 2 * len(made())


@pytest.mark.parametrize("selection", [Selection(since="2013-01-01"), Selection(until="2013-12-31")])
def test_undated_sentences_that_a_selection_leaves_out_are_counted(tmp_path: Path, selection: Selection) -> None:
    rows = made()
    rows[0]["date"], rows[1]["date"], rows[3]["date"] = "yesterday", None, ""  # of which the last is absent
    source = write(tmp_path / "a.jsonl", rows)
    found = read_archive(source, selection)
    assert (found.sentences, found.notes) == (237, ["3 sentences without a readable date are left out."])
    assert read_archive(source, Selection(outlets=("cnn",), since="2013-01-01")).notes == []


def test_many_outlets_become_others(tmp_path: Path) -> None:
    rows = [{**row, "outlet": f"o{number % 40:02d}" if number % 5 else None} for number, row in enumerate(made(800))]
    found = read_archive(write(tmp_path / "a.parquet", rows), Selection())
    names = {cell.outlet for cell in found.cells["settlement"]}
    assert len(names) == 14 and {"(other outlets)", "(no outlet)"} <= names
    assert sum(cell.count for cell in found.cells["settlement"]) == 600


@pytest.mark.parametrize(("days", "unit"), [(20, "day"), (300, "month"), (2500, "quarter"), (9000, "year")])
def test_the_unit_keeps_the_columns_few(tmp_path: Path, days: int, unit: str) -> None:
    from datetime import date, timedelta

    rows = [{**row, "date": str(date(1999, 12, 31) + timedelta(days * n // 239))} for n, row in enumerate(made())]
    found = read_archive(write(tmp_path / "a.jsonl", rows), Selection())
    assert found.unit == unit and len(found.periods) <= 36
    assert {cell.period for cell in found.cells["settlement"]} <= set(found.periods)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", "", "found no rows; give it what wijha predict wrote"),
        ("a.jsonl", '{"text": "x"}\n', "expected the columns text and <topic>_stance"),
        ("a.parquet", "broken", "expected a whole .parquet file"),
        ("a.jsonl", '{"text": "x", "t_stance": "favor"}\nbroken\n', "expected"),
        ("a.xlsx", "x", "expected predictions as .parquet, .jsonl or .csv"),
    ],
)
def test_what_is_no_archive_is_one_sentence(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        archive.archive_report(tmp_path / name, tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_wrong_arguments_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected an \.html file"):
        archive.archive_report(write(tmp_path / "a.jsonl", made()), tmp_path / "page.pdf")
    with pytest.raises(InputError, match="expected a day such as 2013-02-01 for --since, got 'May'"):
        Selection(since="May")


def test_the_command_reads_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(2):
        write(tmp_path / f"{number}.parquet", made())
    write(tmp_path / "0.quarantine.jsonl", [{"reason": "no text"}])
    parser = argparse.ArgumentParser()
    archive.add_parser(parser.add_subparsers())
    arguments = parser.parse_args(["report", str(tmp_path), str(tmp_path / "page.html")])
    arguments.command(arguments)
    assert "page.html" in capsys.readouterr().out
    assert "480 sentences" in (tmp_path / "page.html").read_text(encoding="utf-8")


SCHEMA = {
    "topics": [{"name": "settlement", "english": "A settlement", "arabic": "تسوية"}],
    "labels": [{"name": name} for name in ("it's off", "yes", "no", "maybe")],
    "polar": ["yes", "no"],
}


@pytest.fixture
def other_labels(tmp_path: Path) -> Path:
    """An archive of a model with labels of its own."""
    names = {"absent": "it's off", "favor": "yes", "against": "no", "neutral": "maybe"}
    rows = [{**row, "settlement_stance": names[row["settlement_stance"]]} for row in without(made(), "zones_stance")]
    return write(tmp_path / "a.jsonl", [*rows, {"text": "بلا", "settlement_stance": ""}])


def test_the_labels_are_those_of_the_model(tmp_path: Path, other_labels: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"wijha": {"schema": SCHEMA}}), encoding="utf-8")
    assert main(["report", str(other_labels), str(tmp_path / "page.html"), "--model", str(tmp_path)]) == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert ">A settlement تسوية</h2>" in page and "more yes" in page and "favor" not in page
    found = read_archive(other_labels, Selection(), schema=Schema.from_dict(SCHEMA, "here"))
    assert found.present == {"settlement": 180}
    chart = archive.TopicChart.of("settlement", found, archive.Texts())
    assert list(chart.labels.items()) == [("yes", 0), ("no", 2), ("maybe", 1)]
    assert {row["name"]: row["total"]["balance"] for row in chart.outlets}["bbc"] == 0
    february = [row["cells"][1]["balance"] for row in chart.outlets if row["cells"][1]]
    assert february == [-1, -1, -1]  # every second row of the archive's is of February and against


def test_labels_that_no_model_explains_are_one_sentence(
    tmp_path: Path, other_labels: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(other_labels), str(tmp_path / "page.html")]) == 2
    assert capsys.readouterr().err == (
        "error: expected the labels absent, neutral, favor, against in the archive, found 1 other; "
        "pass the model that wrote it as --model FOLDER\n"
    )
    assert not (tmp_path / "page.html").exists()


def test_what_is_no_output_is_left_out(tmp_path: Path) -> None:
    for name in ("in/0.jsonl", "in/x.job/1.jsonl", "in/.part/2.jsonl", "in/sub/.3.jsonl", "in/sub/4.jsonl"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        write(tmp_path / name, made())
    assert read_archive(tmp_path / "in", Selection()).sentences == 480


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet", ".csv"])
def test_columns_are_those_of_all_files(tmp_path: Path, suffix: str) -> None:
    for number, names in enumerate((("date", "zones_stance"), ("outlet",), ())):
        write_rows(without(made(), *names), tmp_path / f"{number}{suffix}")
    found = read_archive(tmp_path, Selection())
    assert found.present == {"settlement": 540, "zones": 48} and found.unit == "month" and found.has_outlets
    assert read_archive(tmp_path, Selection(outlets=("bbc",))).sentences == 160


def test_a_share_is_of_the_sentences_read_for_the_topic(tmp_path: Path) -> None:
    """A file without the topic's column says nothing of it, nor does an empty cell."""
    write_rows(without(made(), "zones_stance"), tmp_path / "in" / "0.parquet")
    write_rows([*made(), {**made(1)[0], "zones_stance": ""}], tmp_path / "in" / "1.parquet")
    found = read_archive(tmp_path / "in", Selection())
    assert (found.sentences, found.read) == (481, {"settlement": 481, "zones": 240})
    archive.archive_report(tmp_path / "in", tmp_path / "page.html")
    assert ">10.0 % of 240</td>" in (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet", ".csv"])
def test_columns_in_the_paths_are_columns(tmp_path: Path, suffix: str) -> None:
    """As `--engine ray` writes them; a = above the archive is no column, of whatever name."""
    home = tmp_path / "run=3" / "date=1999-01-01" / "outlet=none"
    for day, outlet in (("2020-01-01", "bbc"), ("2020-02-01", "cnn")):
        path = home / "in" / f"date={day}" / f"outlet={outlet}" / f"0{suffix}"
        write_rows(without(made(), "date", "outlet"), path)
    found = read_archive(home / "in", Selection())
    assert found.notes == [] and found.sentences == 480
    assert {cell.outlet for cell in found.cells["settlement"]} == {"bbc", "cnn"}
    assert (found.periods[0], found.periods[-1]) == ("2020-01-01", "2020-02-01")
    assert read_archive(home / "in", Selection(since="2020-01-15")).sentences == 240
    one = home / "in" / "date=2020-01-01" / "outlet=bbc" / f"1{suffix}"
    write_rows(made(), one)
    assert read_archive(one, Selection(outlets=("cnn",))).sentences == 80


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet", ".csv"])
def test_names_that_differ_by_case_or_are_ours_are_columns_of_their_own(tmp_path: Path, suffix: str) -> None:
    """Two files of different orders; the_day and the_outlet were names inside."""
    for number, first in enumerate((["Outlet", "Date", "the_day"], ["the_outlet", "DATE", "Text"])):
        write_rows([{**dict.fromkeys(first, "x"), **row} for row in made()], tmp_path / f"{number}{suffix}")
    found = read_archive(tmp_path, Selection())
    assert found.notes == [] and found.present == {"settlement": 360, "zones": 48} and found.unit == "month"
    assert {cell.outlet for cell in found.cells["settlement"]} == {"الجزيرة", "bbc", "cnn"}


def test_topics_that_differ_by_case(tmp_path: Path) -> None:
    rows = [{**row, "Zones_stance": "against", "Zones_score": 0.9} for row in made()]
    expected = {"settlement": 180, "zones": 24, "Zones": 240}
    assert read_archive(write(tmp_path / "a.parquet", rows), Selection()).present == expected
    with pytest.raises(InputError, match=r"found zones_stance and Zones_stance; rename one"):
        read_archive(write(tmp_path / "a.jsonl", rows), Selection())


@pytest.mark.parametrize("name", ["file.txt/page.html", "folder.html", "/proc/page.html"])
def test_a_page_that_cannot_be_written_is_one_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / "file.txt").touch()
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(InputError, match=r"expected a place to write .*page|folder.*\.html to, found: \w"):
        archive.archive_report(write(tmp_path / "a.jsonl", made()), tmp_path / name)


def test_moments_are_days_of_utc_wherever_the_machine_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Riyadh")
    moment = datetime(2019, 1, 1, 22, tzinfo=UTC)
    source = write(tmp_path / "a.parquet", [{**row, "date": moment} for row in made()])
    code = "import sys; from wijha.cli import main; main(sys.argv[1:])"
    subprocess.run([sys.executable, "-c", code, "report", source, tmp_path / "page.html"], check=True)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "2019-01-01" in page and "2019-01-02" not in page


def test_columns_of_late_rows_are_columns(tmp_path: Path) -> None:
    rows = [*without(made(1_200), "date", "outlet", "zones_stance"), *made()]
    found = read_archive(write(tmp_path / "a.jsonl", rows), Selection())
    assert found.topics == ["settlement", "zones"] and found.unit == "month" and found.has_outlets


def test_a_cell_may_be_long(tmp_path: Path) -> None:
    rows = made()
    rows[0]["text"] = "جملة " * 300_000
    write_rows(rows, tmp_path / "a.csv")
    assert read_archive(tmp_path / "a.csv", Selection()).sentences == 240


@pytest.mark.parametrize(
    "text",
    [
        "٢٠١٩-٠١-٠٥",
        "\u200f۲۰۱۹/۰۱/۰۵",
        "20190105",
        20190105,
        "05-01-2019",
        "5/1/2019 9:30",
        "\xa0 2019-01-05 ",
        "2019-01-05 10:00:00",
        "2019/1/5",
        "20190105T100000Z",
        "2019-01-05T23:00:00+03:00",
    ],
)
def test_days_as_people_write_them(tmp_path: Path, text: object) -> None:
    found = read_archive(write(tmp_path / "a.jsonl", [{**row, "date": text} for row in made()]), Selection())
    assert (found.notes, found.periods) == ([], ["2019-01-05"])


@pytest.mark.parametrize("text", ["2019015", "12/31/2019", "31/02/2019", "5/1/19", "0001-01-01", "1 2019", ""])
def test_what_is_no_day_is_not_guessed(tmp_path: Path, text: str) -> None:
    source = write(tmp_path / "a.jsonl", [{**row, "date": text} for row in made()])
    assert "no date of the archive can be read" in read_archive(source, Selection()).notes[0]


def dated(path: Path, dates: dict[str, int]) -> Path:
    """An archive with so many sentences of each date, which has one note: no outlet."""
    texts = [text for text, count in dates.items() for _ in range(count)]
    rows = [{"text": f"جملة {n}", "date": text, "outlet": "", "t_stance": "favor"} for n, text in enumerate(texts)]
    return write(path, rows)


def test_a_year_or_a_month_is_no_day(tmp_path: Path) -> None:
    years = read_archive(dated(tmp_path / "y.jsonl", {"2013": 9, "٢٠١٤": 9}), Selection())
    assert (years.unit, years.periods) == ("year", ["2013", "2014"]) and len(years.notes) == 1
    assert {note for cell in years.cells["t"] for _, note in cell.sample} == {"2013", "2014"}
    months = read_archive(dated(tmp_path / "m.jsonl", {"2013-05": 9, "2013/7": 9, "2013-06-03": 2}), Selection())
    assert (months.unit, months.periods) == ("month", ["2013-05", "2013-06", "2013-07"]) and len(months.notes) == 1
    assert {note for cell in months.cells["t"] for _, note in cell.sample} == {"2013-05", "2013-06-03", "2013-07"}


def test_a_date_coarser_than_the_columns_is_in_none(tmp_path: Path) -> None:
    source = dated(tmp_path / "a.jsonl", {"2013-03-05": 20, "2013-03-07": 20, "2013-03": 3, "2013": 4})
    found = read_archive(source, Selection())
    assert found.periods == ["2013-03-05", "2013-03-06", "2013-03-07"] and found.present == {"t": 47}
    assert {cell.period: cell.count for cell in found.cells["t"]} == {"2013-03-05": 20, "2013-03-07": 20, "": 7}
    assert found.notes[:-1] == ["7 of 47 dated sentences have only a year or month and stand in no column."]


def test_a_year_is_in_the_years_of_a_long_archive(tmp_path: Path) -> None:
    """Also in the first, of which only later days are told."""
    days = {f"{year}-05-05": 9 for year in range(1999, 2023)}
    found = read_archive(dated(tmp_path / "a.jsonl", days | {"1999": 3}), Selection())
    assert found.unit == "year" and {cell.period: cell.count for cell in found.cells["t"]}["1999"] == 12


@pytest.mark.parametrize(
    ("since", "until", "kept"),
    [("2013-02-01", None, 7), ("2013-03-01", None, 5), (None, "2012-12-31", 0), ("2014-01-01", None, 0)],
)
def test_a_coarse_date_is_selected_where_it_may_lie(
    tmp_path: Path, since: str | None, until: str | None, kept: int
) -> None:
    source = dated(tmp_path / "a.jsonl", {"2013": 5, "2013-02": 2})
    assert read_archive(source, Selection(since=since, until=until)).sentences == kept


@pytest.mark.parametrize("stray", ["9999-12-31", "1900-01-01", "1990-01-01"])
def test_a_stray_day_does_not_hide_the_others(tmp_path: Path, stray: str) -> None:
    rows = made()
    rows[0]["date"] = stray
    found = read_archive(write(tmp_path / "a.jsonl", rows), Selection())
    assert found.periods == ["2013-01", "2013-02", "2013-03"]
    assert found.notes[0].startswith(
        "Not in the charts over time: 1 of 180 dated sentences, outside 2013-01-10 to 2013-03-18 (the first of "
    )
    assert stray in found.notes[0] and len(found.notes) == 1
    assert sum(cell.count for cell in found.cells["settlement"] if not cell.period) == 1


def test_the_fullest_years_are_charted(tmp_path: Path) -> None:
    """Where many rows have a day that stands for none."""
    rows = [{**row, "date": "9999-12-31"} if number % 10 == 1 else row for number, row in enumerate(made())]
    found = read_archive(write(tmp_path / "a.jsonl", rows), Selection())
    assert found.periods == ["2013-01", "2013-02", "2013-03"] and "12 of 180 dated" in found.notes[0]


@pytest.mark.slow
def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    peaks = []
    for copies in (1, 20):
        source = tmp_path / f"{copies}.parquet"
        table = pa.Table.from_pylist(made(100_000))
        with pq.ParquetWriter(source, table.schema) as writer:
            for _ in range(copies):
                writer.write_table(table)
        code = "import sys, pathlib; from wijha.archive import archive_report as r; r(*map(pathlib.Path, sys.argv[1:]))"
        peaks.append(measured("-c", code, str(source), str(tmp_path / "page.html"))[2])
    assert peaks[1] < peaks[0] + 400, peaks  # MB


def test_a_stance_of_ones_own_is_no_topic(tmp_path: Path) -> None:
    rows = [{**row, "reader_stance": "مؤيد"} for row in made()]
    assert read_archive(write(tmp_path / "a.jsonl", rows), Selection()).topics == ["settlement", "zones"]
    bare = without(made(), "settlement_score", "zones_score")
    assert read_archive(write(tmp_path / "b.jsonl", bare), Selection()).topics == ["settlement", "zones"]
    schema = dataclasses.replace(USUAL, topics=(Topic("zones"),))
    assert read_archive(tmp_path / "b.jsonl", Selection(), schema=schema).topics == ["zones"]


def test_a_target_is_a_topic_of_the_model_only_with_its_score(tmp_path: Path) -> None:
    schema = dataclasses.replace(USUAL, topics=(Topic("zones"),))
    own = write(tmp_path / "own.jsonl", [{**row, "target_stance": "pro"} for row in made()])
    assert read_archive(own, Selection(), schema=schema).topics == ["zones"]
    asked = write(tmp_path / "asked.jsonl", [{"text": "نص", "target_stance": "favor", "target_score": 0.9}])
    assert read_archive(asked, Selection(), schema=schema).topics == ["target"]


def test_columns_of_other_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = {"text": "النص", "date": "Date", "outlet": "Outlet"}
    rows = [{other.get(name, name): value for name, value in row.items()} for row in made()]
    source, page = write(tmp_path / "a.jsonl", rows), tmp_path / "page.html"
    assert main(["report", str(source), str(page)]) == 2
    assert capsys.readouterr().err.endswith("or pass --text-column NAME\n")
    words = ["--text-column", "النص", "--date-column", "Date", "--outlet-column", "Outlet"]
    assert main(["report", str(source), str(page), *words]) == 0
    text = page.read_text(encoding="utf-8")
    assert "Stances over time" in text and "By outlet" in text and "has no column" not in text


def test_rows_that_no_model_read_are_no_sentences(tmp_path: Path) -> None:
    rows = made()
    write(tmp_path / "raw.jsonl", [{"text": row["text"], "date": row["date"]} for row in rows])
    write(tmp_path / "said.jsonl", rows)
    found = read_archive(tmp_path, Selection())
    assert found.sentences == 240 and found.copies == 0 and found.read == {"settlement": 240, "zones": 240}
    assert "240 rows have no stance of any topic, as no model has read them: left out." in found.notes


def test_the_apostrophe_of_a_csv_is_none_of_the_data(tmp_path: Path) -> None:
    rows = [{**row, "text": f"-{row['text']}", "outlet": "@bbc"} for row in made()]
    write_rows(rows, tmp_path / "a.csv")
    assert "'@bbc" in (tmp_path / "a.csv").read_text(encoding="utf-8")
    found = read_archive(tmp_path / "a.csv", Selection(outlets=("@bbc",)))
    assert found.sentences == 240
    (cell, *_) = found.cells["settlement"]
    assert cell.outlet == "@bbc" and all(text.startswith("-") for text, _ in cell.sample)


def test_hijri_years_are_called_that(tmp_path: Path) -> None:
    found = read_archive(dated(tmp_path / "a.jsonl", {"1434-03-21": 9, "1434-04-02": 9}), Selection())
    assert any(note.startswith("Years of the Hijri calendar are taken for Gregorian ones") for note in found.notes)
    assert not read_archive(write(tmp_path / "b.jsonl", made()), Selection()).notes


def test_what_selects_or_says_nothing_is_refused_or_left_out(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected --since before --until, got 2013-06-01 and 2013-05-01; mend one"):
        Selection(since="2013-06-01", until="2013-05-01")
    rows = [{"text": f"جملة {n}", "t_stance": stance} for n, stance in enumerate(["", None, "favor", "absent"])]
    found = read_archive(write(tmp_path / "a.jsonl", rows), Selection())
    assert found.sentences == 2 and found.read == {"t": 2} and found.notes[0].startswith("2 rows have no stance")
    schema = dataclasses.replace(USUAL, topics=(Topic("zones"),))
    with pytest.raises(InputError, match=r"expected topics of the model, zones, in .*, found t; pass the model that"):
        read_archive(tmp_path / "a.jsonl", Selection(), schema=schema)
