"""Which file goes where, and what is refused before anything is done."""

from __future__ import annotations

from pathlib import Path

import pytest

from wijha import InputError
from wijha.paths import left_out, pair_up


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("نص\n", encoding="utf-8")


def names(*sources: str, out: str = "out") -> list[str]:
    return [pair.name for pair in pair_up(sources, Path(out))]


@pytest.mark.parametrize("name", ["news.jsonl.quarantine.jsonl", "news.jsonl.job/a.txt"])
def test_what_a_job_writes_is_no_input_of_it(home: Path, name: str) -> None:
    put(name)
    with pytest.raises(InputError, match=r"expected other inputs than what a job writes, found .*; name another OUT"):
        names(name, out="news.jsonl")


def test_linked_folders_are_followed_once(home: Path) -> None:
    put("in/2019/a.txt", "far/b.txt", "far/below/c.txt", "out/old.jsonl", "in/.git/d.txt")
    for link, target in {
        "in/0": "2019",
        "in/far": "../far",
        "in/out": "../out",
        "far/up": "..",
        "far/self": ".",
    }.items():
        Path(link).symlink_to(target, target_is_directory=True)
    put("more.txt")
    assert names("in") == ["2019/a.txt", "far/b.txt", "far/below/c.txt", "far/up/more.txt"]


def test_linked_files_count_once(home: Path) -> None:
    put("in/2013.jsonl", "in/below/2014.jsonl", "far/2015.jsonl")
    for link, target in {
        "in/0.jsonl": "2013.jsonl",
        "in/latest.jsonl": "below/2014.jsonl",
        "in/loop": ".",
        "in/far.jsonl": "../far/2015.jsonl",
        "in/far2.jsonl": "far.jsonl",
    }.items():
        Path(link).symlink_to(target)
    Path("link").symlink_to("in")
    wanted = {"2013.jsonl", "below/2014.jsonl", "far.jsonl"}
    for sources in (["in"], ["in/**"], ["in/**/*.jsonl"], ["in/*.jsonl", "in/below", "in/loop/**/*.jsonl"], ["link"]):
        assert len(names(*sources)) == 3 and set(names(*sources)) == wanted


@pytest.mark.parametrize("source", ["in", "in/*", "in/a.txt"])
def test_a_link_to_nothing_is_named(home: Path, source: str) -> None:
    put("in/b.txt", "in/out/c.txt")
    for link in ("in/notes", "in/.a.txt", "in/out/a.txt"):
        Path(link).symlink_to("missing")
    assert names("in", out="in/out") == ["b.txt"]
    for target in ("missing", "a.txt"):
        Path("in/a.txt").symlink_to(target)
        with pytest.raises(InputError, match=r"(behind the link .*|at )in/a.txt, found none; (mend|check)"):
            names(source, out="in/out")
        Path("in/a.txt").unlink()


def test_names_that_are_too_long_are_told_before_any_work(home: Path) -> None:
    put("more.txt", "in/a.txt", f"in/{'ق' * 122}.txt")
    with pytest.raises(
        InputError, match=r"names of at most 255 bytes, found 256 for what is written to out/ق+.jsonl; s"
    ):
        names("in")
    with pytest.raises(InputError, match=r"found 256 for what is written to o+; shorten it"):
        names("in/a.txt", "more.txt", out="o" * 233)
    with pytest.raises(InputError, match=r"found 323 for what is written to o+; shorten it"):
        names("in", out="o" * 300)


def test_links_that_lead_in_a_circle_are_named(home: Path) -> None:
    put("in/a.txt", "more.txt")
    for link in ("circle", "out.jsonl", "free.jsonl.job"):
        Path(link).symlink_to(link)
    for source, out, found in (
        ("more.txt", "out.jsonl", "out.jsonl"),
        ("in", "circle", "circle"),
        ("more.txt", "circle/out.jsonl", "circle/out.jsonl"),
        ("more.txt", "free.jsonl", "free.jsonl.job"),
        ("circle/*", "out", f"{home}/circle"),
    ):
        with pytest.raises(InputError, match=f"^expected links that lead somewhere, found a circle at {found}; remove"):
            names(source, out=out)


def test_messages_about_paths_say_what_is_there(home: Path) -> None:
    put("archive/a.txt", "archive/2019/b.txt")
    for source, out, sentence in (
        ("missing", "out", "expected a file or a folder at missing, found none; check the path"),
        ("missing.pdf", "out", "expected a file or a folder at missing.pdf, found none; check the path"),
        ("n" * 300, "out", "expected a file or a folder at n+, found none; check the path"),
        ("archive", ".", r"expected inputs outside of OUT, found archive in \.; name another OUT"),
        ("archive", "archive", "expected inputs outside of OUT, found archive in archive; name another OUT"),
        ("archive/2019/*", "archive", "expected inputs outside of OUT, found archive/2019/.* in archive; name another"),
        ("archive/*.csv", "out", "files in archive/.*.csv, found none; check the path"),
    ):
        with pytest.raises(InputError, match=sentence):
            names(source, out=out)


def test_folders_whose_names_look_like_patterns(home: Path) -> None:
    put("أرشيف/يناير [1]/a.txt", "أرشيف/يناير [1]/b.txt", "أرشيف/يناير 1/c.txt", "أرشيف/فبراير/d.txt")
    assert names("أرشيف/يناير [1]/*.txt") == ["a.txt", "b.txt"]
    assert names("أرشيف/يناير [12]/*.txt") == ["يناير 1/c.txt"]
    with pytest.raises(InputError, match=r"a folder at أرشيف/يناير \[1\]/c.txt, found none; check the path"):
        names("أرشيف/يناير [1]/c.txt")


def test_files_of_other_formats_are_counted(home: Path) -> None:
    put("in/a.txt", "in/b.CSV.GZ", "in/out/c.json", "in/.hidden")
    Path("in/out.receipt.json").write_text("{}", encoding="utf-8")
    assert left_out(["in", "in/a.txt", "in/*"], Path("in/out")) == ""
    put("in/d.JSON", "in/below/e.json.gz", "in/f.tsv", "in/g.jsonl.bz2")
    assert left_out(["in"], Path("in/out")) == "; files of other formats left out: 4 (.json, .tsv, .bz2)"
    put("in/README", "in/f.gz")
    assert left_out(["in"], Path("in/out")) == "; files of other formats left out: 6 (.json, no suffix, .gz, ...)"
    assert left_out(["in", "in/*"], Path("in/out")) == left_out(["in"], Path("in/out"))


def test_what_a_glob_matches_and_passes_over_is_counted(home: Path) -> None:
    put("in/a.txt", "in/b.pdf", "in/c/d.txt", "in/e/f.pdf", "in/out/g.json")
    Path("in/empty").mkdir()
    said, folders = "; files of other formats left out: ", "; folders left out, as a pattern takes files: "
    assert left_out(["in/*"], Path("in/out")) == f"{said}1 (.pdf){folders}3"
    assert left_out(["in/*", "in/c", "in/e"], Path("in/out")) == f"{said}2 (.pdf){folders}1"
    assert left_out(["in/**"], Path("in/out")) == f"{said}2 (.pdf){folders}1"
    assert left_out(["in/*.txt"], Path("in/out")) == ""
