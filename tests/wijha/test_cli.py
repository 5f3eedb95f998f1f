"""wijha predict, as a user runs it."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import pty
import subprocess
import sys
import termios
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from wijha import __version__
from wijha.cli import main
from wijha.runtime import RUNTIMES

TEXTS = ["أكد الوزير دعمه للحل السياسي، في سوريا", "رفضت الفصائل الهدنة في حلب", 'قال: "القدس" عاصمة']


def _write(path: Path, texts: list[str]) -> None:
    rows = [{"id": str(number), "text": text} for number, text in enumerate(texts)]
    if path.suffix == ".txt":
        path.write_text("\n".join(texts) + "\n", encoding="utf-8")
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    elif path.suffix == ".csv":
        with open(path, "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, ["id", "text"])
            writer.writeheader()
            writer.writerows(rows)
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)


def _read(path: Path) -> list[dict[str, object]]:
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    if path.suffix == ".csv":
        with open(path, encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    return pq.read_table(path).to_pylist()


@pytest.mark.parametrize("source", [".txt", ".jsonl", ".csv", ".parquet"])
@pytest.mark.parametrize("target", [".jsonl", ".csv", ".parquet"])
def test_every_format_in_and_out(tmp_path: Path, model: Path, source: str, target: str) -> None:
    _write(tmp_path / f"in{source}", TEXTS)
    assert main(["predict", str(tmp_path / f"in{source}"), str(tmp_path / f"out{target}"), "--model", str(model)]) == 0
    rows = _read(tmp_path / f"out{target}")
    assert [row["text"] for row in rows] == TEXTS
    for row in rows:
        assert row["jerusalem_status_stance"] in ("absent", "neutral", "favor", "against")
        assert 0.25 <= float(row["jerusalem_status_score"]) <= 1  # type: ignore[arg-type]
        assert source == ".txt" or "id" in row


def test_articles_are_split_and_numbered(tmp_path: Path, model: Path) -> None:
    _write(tmp_path / "in.jsonl", ["جملة أولى عن جنيف. جملة ثانية؟ ثالثة!", "جملة وحيدة"])
    arguments = [
        "predict",
        str(tmp_path / "in.jsonl"),
        str(tmp_path / "out.jsonl"),
        "--articles",
        "--model",
        str(model),
    ]
    assert main(arguments) == 0
    rows = _read(tmp_path / "out.jsonl")
    assert [(row["document"], row["sentence"]) for row in rows] == [("0", 0), ("0", 1), ("0", 2), ("1", 0)]
    assert rows[1]["text"] == "جملة ثانية؟"


BAD = {
    "empty.jsonl": (b"", "expected rows with text in"),
    "blank.txt": (b"\n \n", "expected rows with text in"),
    "other.jsonl": ('{"title": "نص"}\n'.encode(), "expected a column 'text'"),
    "latin.txt": ("نص".encode("cp1256"), "expected UTF-8 in"),
    "broken.jsonl": ('{"text": "نص"}\n{"text": "ن'.encode(), "expected a JSON object in"),
    "number.jsonl": (b'{"text": 3}\n', "expected a text in"),
    "short.csv": (b"id,text\n1\n", "expected 2 columns in"),
    "cut.parquet": (b"PAR1\x00\x00", "expected a whole .parquet file"),
    "page.pdf": (b"%PDF", "expected a .txt, .jsonl, .csv, .parquet file"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_sentence_and_loses_nothing(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    content, sentence = BAD[name]
    (tmp_path / name).write_bytes(content)
    (tmp_path / "out.jsonl").write_text("earlier\n", encoding="utf-8")
    words = ["predict", str(tmp_path / name), str(tmp_path / "out.jsonl"), "--model", str(model)]
    strict = ["--strict", "--restart"] if name == "broken.jsonl" else []  # its first line is good
    assert main(words + strict) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith(f"error: {sentence}")
    assert "\n" not in error and ";" in error
    assert (tmp_path / "out.jsonl").read_text(encoding="utf-8") == "earlier\n"
    assert {path.name for path in tmp_path.iterdir()} == {name, "out.jsonl"}


def test_as_a_process_without_traceback(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "wijha.cli", "predict", "none.txt", "out.jsonl", "--model", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: expected a model folder") and "Traceback" not in done.stderr


AS_ROOT = pytest.mark.skipif(os.geteuid() == 0, reason="nothing is closed to root")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["predict", "in.txt", f"{'n' * 300}/out.jsonl"], "File name too long"),
        (["verify", "in.txt", f"{'n' * 300}/out.jsonl"], "File name too long"),
        (["report", f"{'n' * 300}.jsonl", "out.html"], "File name too long"),
        pytest.param(["predict", "in.txt", "closed/out.jsonl"], "Permission denied", marks=AS_ROOT),
        pytest.param(["report", "closed/out.jsonl", "out.html"], "Permission denied", marks=AS_ROOT),
    ],
)
def test_a_path_that_the_system_refuses_is_one_sentence(
    tmp_path: Path,
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    reason: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    _write(tmp_path / "in.txt", TEXTS)
    (tmp_path / "closed").mkdir(mode=0)
    assert main([*words, *(["--model", str(model)] if words[0] == "predict" else [])]) == 2
    path = next(word for word in words if word.startswith(("n", "closed")))
    advice = "name another path, or mend this one and run the command again\n"
    assert capsys.readouterr().err == f"error: expected to read or write {path}, got: {reason}; {advice}"


def test_an_error_of_no_path_keeps_its_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wijha.archive.report", lambda arguments: os.close(7_000))
    with pytest.raises(OSError, match="Bad file descriptor"):
        main(["report", __file__, "out.html"])


def test_the_package_is_the_command_too() -> None:
    done = subprocess.run([sys.executable, "-m", "wijha", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"wijha {__version__}\n"


def test_help_lists_the_runtimes(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("predict", "info"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        assert ", ".join(RUNTIMES) in " ".join(capsys.readouterr().out.split())


def test_a_slash_makes_a_folder(tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _write(tmp_path / "in.txt", TEXTS)
    words = [str(tmp_path / "in.txt"), f"{tmp_path}/new/folder/"]
    assert main(["predict", *words, "--model", str(model)]) == 0
    assert len(_read(tmp_path / "new" / "folder" / "in.jsonl")) == len(TEXTS)
    assert main(["verify", *words]) == 0
    assert main(["predict", words[0], f"{tmp_path}/out.jsonl/", "--model", str(model)]) == 2
    assert "expected a folder as output" in capsys.readouterr().err


def test_names_that_cannot_be_shown_are_escaped(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(tmp_path / "in.jsonl", TEXTS)
    shown = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(shown, "ascii", write_through=True))
    assert main(["predict", str(tmp_path / "in.jsonl"), str(tmp_path / "ن.jsonl"), "--model", str(model)]) == 0
    assert rb"3 rows -> " in shown.getvalue() and rb"/\u0646.jsonl (" in shown.getvalue()


def test_formulas_are_defused_in_csv(tmp_path: Path, model: Path) -> None:
    _write(tmp_path / "in.jsonl", ["=HYPERLINK(1) نص", "نص عادي"])
    assert main(["predict", str(tmp_path / "in.jsonl"), str(tmp_path / "out.csv"), "--model", str(model)]) == 0
    assert [row["text"] for row in _read(tmp_path / "out.csv")] == ["'=HYPERLINK(1) نص", "نص عادي"]


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_columns_that_would_be_written_over_are_refused(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    _write(tmp_path / "in.jsonl", TEXTS)
    once, twice, words = tmp_path / f"once{suffix}", tmp_path / f"twice{suffix}", ["--model", str(model)]
    assert main(["predict", str(tmp_path / "in.jsonl"), str(once), *words]) == 0
    assert main(["predict", str(once), str(twice), *words]) == 2
    assert capsys.readouterr().err == (
        f"error: expected no column in {once} that is to be added, found political_settlement_stance and 7 more; "
        "rename or drop what an earlier run added, or classify its input again\n"
    )
    _rewrite(once, [{"text": text, "sentence": "3"} for text in TEXTS])
    assert main(["predict", str(once), str(twice), *words, "--articles"]) == 2
    assert "that is to be added, found sentence; rename" in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"in.jsonl", once.name, f"{once.name}.receipt.json"}
    assert main(["predict", str(once), str(twice), *words]) == 0
    assert [row["sentence"] for row in _read(twice)] == ["3"] * 3


@pytest.mark.parametrize(
    ("more", "names"),
    [((), ["zones_stance", "jerusalem_status_score", "jerusalem_status_stance"]), (("--articles",), ["sentence"])],
)
def test_later_rows_with_a_column_that_is_to_be_added_are_set_aside(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], names: list[str]
) -> None:
    """Of the three columns the first is none of the model's."""
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    rows = [{"text": TEXTS[0]}, *({name: "mine", "text": TEXTS[1]} for name in names), {"text": TEXTS[2]}]
    rows[-2] = {**rows[-2], "jerusalem_status_score": 1, "document": 7}
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    words = [str(source), str(out), *more]
    assert main(["predict", *words, "--model", str(model)]) == 0
    bad = _read(tmp_path / "out.jsonl.quarantine.jsonl")
    wanted = [name for name in names if name != "zones_stance"]
    assert [row["reason"] for row in bad] == [
        f"expected no column that is to be added, found {name}; rename or drop it" for name in wanted
    ]
    assert [row.get("zones_stance") for row in _read(out)].count("mine") == names.count("zones_stance")
    assert main(["verify", *words]) == 0
    assert main(["predict", *words, "--model", str(model), "--strict", "--restart"]) == 2
    assert f"in.jsonl line {bad[0]['line']}, found {wanted[0]}" in capsys.readouterr().err


ARTICLES = ["جملة أولى عن جنيف. جملة ثانية؟ ثالثة!", "جملة وحيدة", "=1+1 جملة. أخرى."]


@pytest.mark.parametrize("more", [(), ("--articles",)])
@pytest.mark.parametrize("source", [".txt", ".jsonl", ".csv", ".parquet"])
@pytest.mark.parametrize("target", [".jsonl", ".csv", ".parquet"])
def test_verify_finds_a_removed_a_doubled_and_a_changed_row(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str], source: str, target: str, more: tuple[str, ...]
) -> None:
    _write(tmp_path / f"in{source}", ARTICLES)
    words = [str(tmp_path / f"in{source}"), str(tmp_path / f"out{target}"), *more]
    assert main(["predict", *words, "--model", str(model)]) == 0
    assert main(["verify", *words]) == 0
    assert "3 input rows: each once" in capsys.readouterr().out
    rows = _read(tmp_path / f"out{target}")
    changed = [rows[0], {**rows[1], "text": "نص آخر"}, *rows[2:]]
    for spoiled, what in (
        (rows[:1] + rows[2:], "it is missing"),
        (rows[:-1], "it is missing"),
        ([*rows[:2], rows[0], *rows[2:]], "a second time as row 3"),
        ([*rows, rows[1]], "a second time"),
        (changed, "as row 2 of"),
    ):
        _rewrite(tmp_path / f"out{target}", spoiled)
        assert main(["verify", *words]) == 2
        assert what in capsys.readouterr().err


def _rewrite(path: Path, rows: list[dict[str, object]]) -> None:
    """As a user's hand would, without our writer."""
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    elif path.suffix == ".csv":
        with open(path, "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_ids_that_are_no_numbers_are_verified(tmp_path: Path, model: Path, suffix: str) -> None:
    source, out = str(tmp_path / "in.jsonl"), str(tmp_path / f"out{suffix}")
    (tmp_path / "in.jsonl").write_text('{"id": NaN, "text": "نص"}\n{"id": 1.5, "text": "نص"}\n', encoding="utf-8")
    assert main(["predict", source, out, "--model", str(model)]) == 0
    assert "NaN" not in (tmp_path / f"out{suffix}").read_text(encoding="utf-8", errors="replace")
    assert main(["verify", source, out]) == 0


def test_verify_reads_the_quarantine(tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "نص"}\n{"text": 3}\n{}\n', encoding="utf-8")
    words = [str(tmp_path / "in.jsonl"), str(tmp_path / "out.jsonl")]
    assert main(["predict", *words, "--model", str(model)]) == 0
    assert main(["verify", *words]) == 0
    quarantine = tmp_path / "out.jsonl.quarantine.jsonl"
    lines = quarantine.read_text(encoding="utf-8").splitlines(keepends=True)
    for spoiled in ("".join(lines[1:]), "".join(lines[:1]), "".join(lines + lines[-1:])):
        quarantine.write_text(spoiled, encoding="utf-8")
        assert main(["verify", *words]) == 2
    assert "found one more: in.jsonl line 3" in capsys.readouterr().err


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Four files in three folders."""
    folder = tmp_path / "archive"
    for name in ("a.jsonl", "2023/b.csv", "2023/c.txt", "2024/d.parquet"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        _write(folder / name, TEXTS)
    (folder / ".hidden.jsonl").write_text("not ours", encoding="utf-8")
    (folder / "2024" / "e.jsonl.gz").write_bytes(gzip.compress(json.dumps({"text": TEXTS[0]}).encode()))
    return folder


MIRRORED = ["2023/b.csv", "2023/c.jsonl", "2024/d.parquet", "2024/e.jsonl", "a.jsonl"]


@pytest.mark.parametrize("inside", [False, True])
def test_a_folder_is_mirrored(
    tmp_path: Path, archive: Path, model: Path, inside: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    (archive / "f.tsv").write_text("text\n", encoding="utf-8")
    out = archive / "out" if inside else tmp_path / "out"
    for _ in range(2):  # the second time the first outputs are there and are no inputs
        assert main(["predict", str(archive), str(out), "--model", str(model)]) == 0
        assert sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()) == MIRRORED
        said = capsys.readouterr().out
        assert said.startswith("13 rows of 5 files -> ") and said.endswith(
            "); files of other formats left out: 1 (.tsv)\n"
        )
    assert main(["verify", str(archive), str(out)]) == 0
    (out / "2023" / "c.jsonl").write_text("", encoding="utf-8")
    assert main(["verify", str(archive), str(out)]) == 2


def test_a_glob_and_several_files(
    tmp_path: Path, archive: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--model", str(model), "--format", "csv"]
    assert main(["predict", f"{archive}/**/*.[jp]*", str(tmp_path / "glob"), *words]) == 0
    made = sorted(str(path.relative_to(tmp_path / "glob")) for path in (tmp_path / "glob").rglob("*.*"))
    assert made == ["2024/d.csv", "2024/e.csv", "a.csv"]
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    assert main(["predict", "../archive/2023/b.csv", "../archive/a.jsonl", "several", *words]) == 0
    made = sorted(str(path) for path in Path().rglob("*.*"))
    assert made == ["several.receipt.json", "several/2023/b.csv", "several/a.csv"]
    assert main(["predict", "../archive/nothing*.csv", "several", *words]) == 2
    assert "files in ../archive/nothing*.csv, found none" in capsys.readouterr().err


def test_upper_case_suffixes_are_read_and_written_in_lower_case(tmp_path: Path, model: Path) -> None:
    folder, out, words = tmp_path / "in", tmp_path / "out", ["--model", str(model)]
    folder.mkdir()
    for name in ("a.jsonl", "b.csv", "d.parquet"):
        _write(folder / name, TEXTS)
        (folder / name).rename(folder / name.replace(Path(name).suffix, Path(name).suffix.upper()))
    (folder / "C.TXT.GZ").write_bytes(gzip.compress("\n".join(TEXTS).encode()))
    for given in (str(folder), f"{folder}/*"):
        assert main(["predict", given, str(out), *words]) == 0
        assert main(["verify", given, str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["C.jsonl", "a.jsonl", "b.csv", "d.parquet"]
    assert main(["predict", str(folder / "a.JSONL"), str(tmp_path / "OUT.CSV"), *words]) == 0
    assert (tmp_path / "OUT.CSV").read_bytes().startswith(b"id,text,political_settlement_stance,")


def test_outputs_never_leave_their_folder(
    tmp_path: Path, archive: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out" / "2023").symlink_to(tmp_path / "elsewhere")
    assert main(["predict", str(archive), str(tmp_path / "out"), "--model", str(model)]) == 2
    assert "found a link out of it" in capsys.readouterr().err
    assert not list((tmp_path / "elsewhere").iterdir())


def test_names_that_clash(tmp_path: Path, archive: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, words = str(archive / "a.jsonl"), ["--model", str(model)]
    _write(archive / "a.txt", TEXTS)
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "folder.csv").mkdir()
    for given, sentence in (
        ([str(tmp_path / "pipe.jsonl"), str(tmp_path / "out.jsonl")], "expected a file that can be read twice, got"),
        ([source, str(tmp_path / "folder.csv")], "expected a folder with another name than a file's as OUT, got"),
        ([str(archive), str(tmp_path / "out")], "expected inputs of different names, a.jsonl and a.txt"),
        ([source, source], "expected an output other than the input"),
        ([source, str(archive / "2023" / "b.csv"), str(tmp_path / "out.csv")], "expected a folder as output"),
        ([source, str(tmp_path / "out.txt")], "expected a .jsonl, .csv or .parquet output"),
        (
            [str(archive / "2023" / "*.csv"), str(tmp_path / "fresh.jsonl")],
            "expected a folder as output of a folder or",
        ),
        ([str(archive / "2024"), str(archive / "a.txt")], "expected a folder as output of 2 inputs"),
        ([str(archive / "2023" / "b.*"), str(archive / "a.txt")], "expected a folder as output of a folder or glob"),
        ([source, str(tmp_path / "out.jsonl"), "--format", "csv"], "expected a .csv output with --format csv, got"),
        ([source, str(tmp_path / "out.jsonl"), "--workers", "2"], "expected no --workers with --engine local"),
    ):
        assert main(["predict", *given, *words]) == 2
        assert sentence in capsys.readouterr().err


def test_a_file_that_is_named_twice_counts_once(
    tmp_path: Path, archive: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["predict", str(archive), "archive/a.jsonl", "out", "--model", str(model)]) == 0
    assert sorted(str(path.relative_to("out")) for path in Path("out").rglob("*.*")) == MIRRORED
    assert main(["predict", str(archive / "a.jsonl"), "archive/a.jsonl", "out.jsonl", "--model", str(model)]) == 0
    assert len(_read(Path("out.jsonl"))) == len(TEXTS)


def test_the_folder_that_one_stands_in_is_an_output(
    tmp_path: Path, archive: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open(archive / "a.jsonl", "a", encoding="utf-8") as file:
        file.write("{}\n")
    for work, out in (("work", "."), ("other/below", "..")):
        (tmp_path / work).mkdir(parents=True)
        monkeypatch.chdir(tmp_path / work)
        assert main(["predict", str(archive), out, "--model", str(model)]) == 0
        assert sorted(str(path.relative_to(out)) for path in Path(out).rglob("*.*")) == MIRRORED
        assert main(["verify", str(archive), out]) == 0
        assert (tmp_path / f"{work.split('/')[0]}.quarantine.jsonl").exists()


def test_names_that_are_not_utf8_are_refused(
    tmp_path: Path, archive: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (archive / "a.jsonl").rename(os.fsdecode(os.fsencode(archive) + b"/\xc7\xc8.jsonl"))
    assert main(["predict", str(archive), str(tmp_path / "out"), "--model", str(model)]) == 2
    assert r"\xc7\xc8.jsonl'; rename it" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]


def test_one_bad_file_among_many_is_told_before_anything_is_done(
    tmp_path: Path, archive: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (archive / "2024" / "f.csv").write_text("title\nنص\n", encoding="utf-8")
    assert main(["predict", str(archive), str(tmp_path / "out"), "--model", str(model)]) == 2
    assert "expected a column 'text' in" in capsys.readouterr().err
    assert not (tmp_path / "out").exists() and not (tmp_path / "out.job").exists()


def test_a_bar_with_rate_and_time_left_on_a_terminal(tmp_path: Path, model: Path) -> None:
    _write(tmp_path / "in.jsonl", TEXTS * 20)
    screen, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 100))
    command = ["predict", str(tmp_path / "in.jsonl"), str(tmp_path / "out.jsonl"), "--chunk-rows", "20"]
    done = subprocess.run(
        [sys.executable, "-m", "wijha.cli", *command, "--model", str(model)],
        stdout=subprocess.PIPE,
        stderr=terminal,
        check=True,
        cwd=Path(__file__).resolve().parents[2],
    )
    os.close(terminal)
    shown = b"".join(iter(lambda: _available(screen), b"")).decode()
    assert "60.0/60.0" in shown and "rows/s" in shown and "نص" not in shown
    assert b"60 rows -> " in done.stdout


def _available(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except OSError:  # Linux: the other end is closed and everything is read
        return b""


def test_nothing_that_is_printed_holds_text_of_the_data(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, secret = tmp_path / "in.jsonl", "سرمكنون"
    lines = [json.dumps({"text": f"{secret} {number}"}) for number in range(20)]
    source.write_text("\n".join([*lines, f'{{"text": "{secret}', json.dumps({secret: 1})]), encoding="utf-8")
    for words in ((), ("--strict", "--restart"), ("--text-column", "other", "--restart")):
        main(["predict", str(source), str(tmp_path / "out.jsonl"), "--model", str(model), *words])
    main(["verify", str(source), str(tmp_path / "out.jsonl")])
    said = capsys.readouterr()
    assert "22 input rows" in said.out and "expected" in said.err
    assert secret not in said.out + said.err
    assert secret not in (tmp_path / "out.jsonl.quarantine.jsonl").read_text(encoding="utf-8")
    for number, first in enumerate((f"1,{secret}", f"{secret} في حلب", f"id,title,{secret}")):
        bare = tmp_path / f"{number}.csv"
        bare.write_text(f"{first}\n{first}2\n", encoding="utf-8")
        assert main(["predict", str(bare), str(tmp_path / "bare.jsonl"), "--model", str(model)]) == 2
        error = capsys.readouterr().err
        assert f"line 2, found {first.count(',') + 1} other" in error and secret not in error
