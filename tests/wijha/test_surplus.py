"""What other inputs gave stays: a job neither mixes with it nor writes over it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from wijha import InputError
from wijha.cli import main
from wijha.paths import Places, pair_up
from wijha.surplus import check_free, check_outputs


def test_a_quarantine_of_other_inputs_stays(tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, words = str(tmp_path / "cl"), ["--model", str(model)]
    for year in ("2019", "2020"):
        (tmp_path / year).mkdir()
        (tmp_path / year / f"{year}.txt").write_text("نص\n", encoding="utf-8")
    (tmp_path / "2019" / "bad.jsonl").write_text('{"text": "نص"}\n{}\n', encoding="utf-8")
    (tmp_path / "cl").mkdir()
    for _ in range(2):
        assert main(["predict", str(tmp_path / "2019"), out, *words]) == 0
    before = {path: path.read_bytes() for path in tmp_path.glob("cl*/*")} | {
        tmp_path / "cl.quarantine.jsonl": (tmp_path / "cl.quarantine.jsonl").read_bytes()
    }
    capsys.readouterr()
    for more in ((), ("--resume",), ("--restart",)):
        assert main(["predict", str(tmp_path / "2020"), out, *words, *more]) == 2
        assert capsys.readouterr().err == (
            f"error: expected only outputs of IN in {out}, found {out}/2019.jsonl; name another OUT or remove it\n"
        )
    assert main(["predict", str(tmp_path / "2020" / "2020.txt"), f"{out}.jsonl", *words]) == 0
    assert {path: path.read_bytes() for path in before} == before
    assert main(["verify", str(tmp_path / "2019"), out]) == 0
    (tmp_path / "2019" / "more.txt").write_text("نص\n", encoding="utf-8")
    assert main(["predict", str(tmp_path / "2019"), out, *words]) == 0


@pytest.mark.parametrize("more", [[], ["--resume"]])
@pytest.mark.parametrize("folder", [False, True])
def test_a_file_that_no_job_wrote_stays(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str], folder: bool, more: list[str]
) -> None:
    """As with `predict in/*.csv` whose OUT is forgotten: the last input would be written over."""
    for name in ("in/a.csv", "in/b.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("text\nنص\n", encoding="utf-8")
    source, out = tmp_path / "in" / "a.csv", tmp_path / "in" / "b.csv"
    if folder:
        source, out = tmp_path / "in", tmp_path / "out"
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "b.csv").write_text("mine", encoding="utf-8")
    mine = (out / "b.csv" if folder else out).read_bytes()
    words = ["predict", str(source), str(out), "--model", str(model)]
    assert main([*words, *more]) == 2
    target = out / "b.csv" if folder else out
    assert capsys.readouterr().err == (
        f"error: expected {target} to be free or named in {out}.receipt.json, found another file there; "
        "name another OUT, or write over it with --restart\n"
    )
    assert target.read_bytes() == mine and not (tmp_path / "out" / "a.csv").exists()
    assert main([*words, "--restart"]) == 0
    assert main(words) == 0


def test_a_file_that_comes_into_an_unfinished_job_stays(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    (folder / "a.csv").write_text("text\nنص\n", encoding="utf-8")
    words = ["predict", str(folder), str(out), "--model", str(model)]
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr("wijha.receipt.write_json", lambda *_: sys.exit())
        main(words)
    (folder / "b.csv").write_text("text\nنص\n", encoding="utf-8")
    (out / "b.csv").write_text("mine", encoding="utf-8")
    assert main([*words, "--resume"]) == 2
    assert f"expected {out}/b.csv to be free" in capsys.readouterr().err
    (out / "b.csv").unlink()
    assert main([*words, "--resume"]) == 0


@pytest.mark.parametrize("more", [[], ["--resume"], ["--restart"]])
@pytest.mark.parametrize("there", [True, False])
def test_no_link_is_written_over(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str], there: bool, more: list[str]
) -> None:
    (tmp_path / "in.txt").write_text("نص\n", encoding="utf-8")
    other, out = tmp_path / "other.jsonl", tmp_path / "out.jsonl"
    if there:
        other.write_text("mine", encoding="utf-8")
    out.symlink_to(other)
    assert main(["predict", str(tmp_path / "in.txt"), str(out), "--model", str(model), *more]) == 2
    assert f"expected a file of its own at {out}, found a link; name what it leads to" in capsys.readouterr().err
    assert out.is_symlink() and other.exists() == there


@pytest.mark.parametrize("line", ['{"input": "b.txt", "line": 1}', '{"input": 3}', "{", "[]"])
def test_an_entry_of_another_input_refuses_a_job(tmp_path: Path, line: str) -> None:
    (tmp_path / "a.txt").write_text("نص\n", encoding="utf-8")
    out = tmp_path / "out.jsonl"
    places = Places(out)
    places.quarantine.write_text('{"input": "a.txt", "line": 1}\n', encoding="utf-8")
    check_free(pair_up([str(tmp_path / "a.txt")], out), places)
    places.quarantine.write_text(f'{{"input": "a.txt", "line": 1}}\n{line}\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"quarantine.jsonl, found (b.txt|line 2); name another OUT or remove it"):
        check_free(pair_up([str(tmp_path / "a.txt")], out), places)


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("below/gone.csv", True),
        ("GONE.PARQUET", True),
        ("a.jsonl", False),
        ("a.txt", False),
        ("notes.md", False),
        (".hidden/gone.csv", False),
        ("other.job/gone.csv", False),
        ("other.quarantine.jsonl", False),
        ("gone.csv.gz", False),
    ],
)
def test_what_report_would_count_is_found(tmp_path: Path, name: str, counts: bool) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("نص\n", encoding="utf-8")
    out = tmp_path / "out"
    (out / name).parent.mkdir(parents=True)
    (out / name).write_text("", encoding="utf-8")
    pairs = pair_up([str(tmp_path / "in")], out)
    if not counts:
        check_outputs(pairs, Places(out))
        return
    with pytest.raises(InputError, match=f"found {out / name}; name another OUT or remove it"):
        check_outputs(pairs, Places(out))
