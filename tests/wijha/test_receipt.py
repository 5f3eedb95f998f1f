"""What a finished job notes: --resume does what is new, and outputs of other files of the same names stay."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path

import pytest

from wijha.cli import main
from wijha.predict import computed
from wijha.receipt import set_aside

BAD = '{"text": "نص آخر"}\n{}\n'


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files whose rows are classified."""
    import wijha.jobs

    names, chunks = list[str](), wijha.jobs.chunks

    def noting(source: Path, *more: object) -> object:
        names.append(source.name)
        return chunks(source, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(wijha.jobs, "chunks", noting)
    return names


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for name, text in (("a.jsonl", BAD), ("b.txt", "نص\nنص القدس\n"), ("c.jsonl", BAD + "{\n")):
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def words(source: Path, out: Path, model: Path, *more: str) -> list[str]:
    return ["predict", str(source), str(out), "--model", str(model), *more]


def everything(out: Path) -> dict[str, bytes]:
    """Outputs, quarantine, and the receipt without the times at which outputs were written."""
    files = [path for path in [*out.parent.glob("out*/**/*"), *out.parent.glob("out.*")] if path.is_file()]
    found = {str(path.relative_to(out.parent)): path.read_bytes() for path in files}
    name = f"{out.name}.receipt.json"
    noted = json.loads(found[name])
    for entry in noted["outputs"].values():
        del entry["output"]["changed"]
    return found | {name: json.dumps(noted).encode()}


def test_a_finished_job_is_not_done_again(
    archive: Path, tmp_path: Path, model: Path, read: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(words(archive, out, model)) == 0
    before, said = everything(out), capsys.readouterr().out
    receipt = tmp_path / "out.receipt.json"
    noted = receipt.read_bytes()
    assert set(read) == {"a.jsonl", "b.txt", "c.jsonl"} and "out.receipt.json" in before
    read.clear()
    assert main(words(archive, out, model, "--resume")) == 0
    assert not read and everything(out) == before and receipt.read_bytes() == noted
    first, second = said.splitlines()
    assert capsys.readouterr().out.splitlines() == [f"{first}; done before: 3 of 3 inputs", second]
    assert main(words(archive, out, model)) == 0
    assert set(read) == {"a.jsonl", "b.txt", "c.jsonl"} and everything(out) == before


def test_only_what_is_new_or_changed_is_done(
    archive: Path, tmp_path: Path, model: Path, read: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(words(archive, out, model)) == 0
    (archive / "b.txt").write_text("غير\n", encoding="utf-8")
    (archive / "aa.jsonl").write_text(BAD, encoding="utf-8")
    read.clear()
    capsys.readouterr()
    assert main(words(archive, out, model, "--resume")) == 0
    assert set(read) == {"aa.jsonl", "b.txt"}
    said = capsys.readouterr().out
    assert said.startswith("4 rows of 4 files -> ") and "; done before: 2 of 4 inputs\n" in said
    assert "4 of 8 input rows set aside" in said
    assert main(["verify", str(archive), str(out)]) == 0
    grown = everything(out)
    assert main(words(archive, out, model, "--restart")) == 0
    assert everything(out) == grown


@pytest.mark.parametrize("more", [[], ["--resume"]])
def test_what_somebody_changed_is_not_written_over(
    archive: Path, tmp_path: Path, model: Path, more: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(words(archive, out, model)) == 0
    (archive / "new.txt").write_text("نص\n", encoding="utf-8")
    changed = out / "b.jsonl"
    changed.write_bytes(changed.read_bytes() + b"\n")
    before = everything(out)
    assert main(words(archive, out, model, *more)) == 2
    sentence = f"expected {changed} as the last job left it, found it changed since; move it elsewhere, or write over"
    assert sentence in capsys.readouterr().err and everything(out) == before
    changed.unlink()
    assert main(words(archive, out, model, "--resume")) == 0
    assert {path.name for path in out.iterdir()} >= {"b.jsonl", "new.jsonl"}
    changed.write_bytes(b"")
    assert main(words(archive, out, model, "--restart")) == 0 and changed.read_bytes()


@pytest.mark.parametrize(("spoiled", "again"), [("out/b.jsonl", "b.txt"), ("out.quarantine.jsonl", "c.jsonl")])
def test_what_is_not_as_it_was_is_done_again(
    archive: Path, tmp_path: Path, model: Path, read: list[str], spoiled: str, again: str
) -> None:
    out = tmp_path / "out"
    assert main(words(archive, out, model)) == 0
    whole = everything(out)
    if spoiled == "out/b.jsonl":
        (tmp_path / spoiled).touch()
    else:
        lines = (tmp_path / spoiled).read_bytes().splitlines(keepends=True)
        (tmp_path / spoiled).write_bytes(b"".join(lines[:-1]))
    read.clear()
    assert main(words(archive, out, model, "--resume")) == 0
    assert set(read) == {again} and everything(out) == whole


@pytest.mark.parametrize("more", [[], ["--resume"]])
@pytest.mark.parametrize(
    ("changed", "said"), [({"model": "0"}, "another model"), ({"wijha": "0", "options": {}}, "another wijha, ")]
)
def test_what_another_model_made_is_not_written_over(
    archive: Path,
    tmp_path: Path,
    model: Path,
    changed: dict[str, object],
    said: str,
    more: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    out, receipt = tmp_path / "out", tmp_path / "out.receipt.json"
    assert main(words(archive, out, model)) == 0
    noted = json.loads(receipt.read_text(encoding="utf-8"))
    receipt.write_text(json.dumps(noted | {"made_with": noted["made_with"] | changed}), encoding="utf-8")
    before = everything(out)
    assert main(words(archive, out, model, *more)) == 2 and everything(out) == before
    sentence = f"expected {out} made with what is asked for now, found it made with {said}"
    assert sentence in (error := capsys.readouterr().err)
    assert ("no column" in error) == ("options" in changed)
    assert main(words(archive, out, model, "--restart")) == 0
    assert main(words(archive, out, model, "--strict")) == 2
    assert "found it made with strict False; name another OUT, or write over it" in capsys.readouterr().err


@pytest.mark.parametrize(
    "noted", ["[" * 99_999, "[]", "{}", '{"outputs": [], "made_with": {}}', '{"outputs": {".": 3}}', "{", "\xff"]
)
def test_a_receipt_that_says_nothing_vouches_for_nothing(
    tmp_path: Path, model: Path, read: list[str], capsys: pytest.CaptureFixture[str], noted: str
) -> None:
    source, out = tmp_path / "a.txt", tmp_path / "out.jsonl"
    source.write_text("نص\n", encoding="utf-8")
    assert main(words(source, out, model)) == 0
    (tmp_path / "out.jsonl.receipt.json").write_text(noted, encoding="latin-1")
    read.clear()
    assert main(words(source, out, model, "--resume")) == 2 and not read
    assert f"{out} to be free or named in {out}.receipt.json, found another file" in capsys.readouterr().err
    assert main(words(source, out, model, "--restart")) == 0
    assert read == ["a.txt"]


@pytest.mark.parametrize("more", [[], ["--resume"]])
@pytest.mark.parametrize("place", ["wijha.jobs.join", "wijha.receipt.write_json", "wijha.ledger.Ledger.remove"])
def test_a_killed_job_goes_on_whatever_changes_meanwhile(
    archive: Path,
    tmp_path: Path,
    model: Path,
    read: list[str],
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    more: list[str],
) -> None:
    out = tmp_path / "out"
    assert main(words(archive, out, model)) == 0
    (archive / "d.jsonl").write_text(BAD, encoding="utf-8")
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(place, lambda *_: sys.exit())
        main(words(archive, out, model, *more))
    (archive / "a.jsonl").write_text(BAD + BAD, encoding="utf-8")
    (archive / "aa.txt").write_text("جديد\n", encoding="utf-8")
    read.clear()
    assert main(words(archive, out, model, "--resume")) == 0
    assert set(read) <= {"a.jsonl", "aa.txt", "d.jsonl"} or not more
    assert main(["verify", str(archive), str(out)]) == 0
    done = everything(out)
    assert main(words(archive, out, model, "--restart")) == 0
    assert everything(out) == done


def test_an_input_that_goes_leaves_when_its_output_is_removed(
    archive: Path, tmp_path: Path, model: Path, read: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(words(archive, out, model)) == 0
    (archive / "a.jsonl").unlink()
    assert main(words(archive, out, model, "--resume")) == 2
    assert f"found {out}/a.jsonl; name another OUT or remove it" in capsys.readouterr().err
    (out / "a.jsonl").unlink()
    read.clear()
    assert main(words(archive, out, model, "--resume")) == 0
    assert not read
    assert main(["verify", str(archive), str(out)]) == 0


def test_an_input_whose_output_is_there_does_not_vanish_from_an_unfinished_job(
    archive: Path, tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(words(archive, out, model)) == 0
    (archive / "d.txt").write_text("جديد\n", encoding="utf-8")
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr("wijha.jobs.join", lambda *_: sys.exit())
        main(words(archive, out, model, "--resume"))
    (archive / "c.jsonl").unlink()
    before = everything(out)
    assert main(words(archive, out, model, "--resume")) == 2
    assert f"found {out}/c.jsonl" in capsys.readouterr().err and everything(out) == before


def test_an_output_that_is_spoiled_while_others_are_made_is_not_vouched_for(
    archive: Path, tmp_path: Path, model: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    assert main(words(archive, out, model)) == 0
    (archive / "d.txt").write_text("جديد\n", encoding="utf-8")
    with monkeypatch.context() as patch:
        patch.setattr("wijha.jobs.computed", lambda *each: (out / "b.jsonl").write_text("") or computed(*each))
        assert main(words(archive, out, model, "--resume")) == 0
    assert main(words(archive, out, model, "--resume")) == 2
    (out / "b.jsonl").unlink()
    read.clear()
    assert main(words(archive, out, model, "--resume")) == 0
    assert read == ["b.txt"]
    assert main(["verify", str(archive), str(out)]) == 0


def test_a_job_that_cannot_be_read_is_not_thrown_away(
    archive: Path, tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out, job = tmp_path / "out", tmp_path / "out.job"
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr("wijha.jobs.join", lambda *_: sys.exit())
        main(words(archive, out, model))
    (job / "job.json").write_text("{", encoding="utf-8")
    before = {path: path.read_bytes() for path in job.iterdir()}
    for more, said in (
        ((), "go on with --resume or begin again"),
        (("--resume",), "found one that cannot be read; go back"),
    ):
        assert main(words(archive, out, model, *more)) == 2
        assert said in capsys.readouterr().err and {path: path.read_bytes() for path in job.iterdir()} == before
    assert main(words(archive, out, model, "--restart")) == 0


def test_a_folder_without_a_job_is_none(tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = one_file(tmp_path / "first", "نص\n"), one_file(tmp_path / "second", "غير\n")
    out, job = tmp_path / "out", tmp_path / "out.job"
    assert main(words(first, out, model)) == 0
    before = everything(out)
    job.mkdir()
    assert main(words(second, out, model, "--resume")) == 2
    assert "found it made of" in capsys.readouterr().err and everything(out) == before
    assert not job.exists()
    job.mkdir()
    (job / "notes.txt").write_text("mine", encoding="utf-8")
    assert main(["verify", str(first), str(out)]) == 0
    assert main(words(first, out, model, "--resume")) == 0
    assert [path.name for path in job.iterdir()] == ["notes.txt"]


def one_file(folder: Path, text: str) -> Path:
    folder.mkdir()
    (folder / "x.txt").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize("single", [True, False])
def test_outputs_of_another_file_of_the_same_name_stay(
    tmp_path: Path, model: Path, single: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = one_file(tmp_path / "first", "نص\n"), one_file(tmp_path / "second", "غير\n")
    if single:
        first, second = first / "x.txt", second / "x.txt"
    out = tmp_path / ("out.jsonl" if single else "out")
    assert main(words(first, out, model)) == 0
    before = everything(out)
    capsys.readouterr()
    for more in ((), ("--resume",)):
        assert main(words(second, out, model, *more)) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: expected ") and error.endswith("write over everything with --restart\n")
        assert str(tmp_path / "first" / "x.txt") in error and everything(out) == before
    assert main(words(second, out, model, "--restart")) == 0
    assert main(["verify", str(second), str(out)]) == 0


def test_a_changed_or_moved_input_is_no_other(tmp_path: Path, model: Path, read: list[str]) -> None:
    folder, out = one_file(tmp_path / "in", "نص\n"), tmp_path / "out"
    assert main(words(folder, out, model)) == 0
    moved = folder.rename(tmp_path / "moved")
    read.clear()
    assert main(words(moved, out, model, "--resume")) == 0
    assert not read
    os.utime(moved / "x.txt", (0, 0))  # as a copy has it
    assert main(words(moved, out, model)) == 0
    (moved / "x.txt").write_text("غير\n", encoding="utf-8")
    assert main(words(moved, out, model)) == 0
    assert main(["verify", str(moved), str(out)]) == 0


def test_the_receipt_names_the_model_that_info_names(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(one_file(tmp_path / "in", "نص\n"), tmp_path / "out", model)) == 0
    noted = json.loads((tmp_path / "out.receipt.json").read_text(encoding="utf-8"))
    capsys.readouterr()
    assert main(["info", "--model", str(model)]) == 0
    assert f"sha256   {noted['made_with']['model']}\n" in capsys.readouterr().out
    assert [noted["outputs"]["x.jsonl"][name] for name in ("rows_in", "rows_out", "quarantined")] == [1, 1, 0]


def test_where_the_lines_of_each_input_stand(tmp_path: Path) -> None:
    lines = [
        b'{"input": "a"}\n',
        b'{"input": "a", "line": 2}\n',
        b'{"input": "b"}\n',
        b'{"input": "c"}\n',
        b"[" * 9_999,
    ]
    path = tmp_path / "q.jsonl"
    path.write_bytes(b"".join([*lines[:4], lines[2], lines[4]]))
    found = set_aside(path)
    assert set(found) == {"a", "c"}  # those of b lie scattered, the last line is none and not whole
    assert path.read_bytes()[found["a"].begin : found["a"].end] == lines[0] + lines[1]
    assert path.read_bytes()[found["c"].begin : found["c"].end] == lines[3]
    assert found["a"].sha256 == hashlib.sha256(lines[0] + lines[1]).hexdigest()
    assert set_aside(tmp_path / "none") == {}


def test_a_place_whose_name_is_no_text_can_be_noted(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch, read: list[str]
) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    folder.mkdir()
    monkeypatch.chdir(folder)
    Path("x.txt").write_text("نص\n", encoding="utf-8")
    assert main(words(Path("x.txt"), Path("out.jsonl"), model)) == 0
    read.clear()
    assert main(words(Path("x.txt"), Path("out.jsonl"), model, "--resume")) == 0
    assert not read and "caf\\xe9" in Path("out.jsonl.receipt.json").read_text(encoding="utf-8").replace("\\\\", "\\")
