"""Jobs under kill -9, signals, a full disk and changed inputs; the children are real processes."""

from __future__ import annotations

import errno
import gzip
import json
import multiprocessing
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.common import measured
from wijha.chunks import Chunk, Options, chunks
from wijha.cli import main
from wijha.ledger import Entry, Ledger
from wijha.manifest import write_manifest
from wijha.predict import computed
from wijha.records import read_rows
from wijha.writing import write_rows

ROWS, CHUNK = 160, 8
SERVER = multiprocessing.get_context("forkserver")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Good rows and, as lines 5, 70 and 71, bad ones."""
    path = tmp_path / "in.jsonl"
    write_source(path, ROWS)
    return path


def write_source(path: Path, count: int) -> None:
    texts = ["أكد الوزير دعمه للحل السياسي", "رفضت الفصائل الهدنة في حلب", "=1+1 القدس"]
    lines = [json.dumps({"id": n, "text": f"{texts[n % 3]} {n} " * (1 + n % 3)}) for n in range(count)]
    for number, line in ((5, '{"text": "بتر'), (70, '{"text": 3}'), (71, "{}")):
        lines.insert(number - 1, line)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def words(source: Path, out: Path, model: Path, *more: str) -> list[str]:
    return ["predict", str(source), str(out), "--model", str(model), "--chunk-rows", str(CHUNK), *more]


def _child(arguments: list[str], errors: str, bytes_a_file: int, chunks_to_live: int) -> None:
    """A process of its own: the command under a limit of the size of its files, stderr in a file; killed after so many
    chunks where there are any."""
    import torch

    add = Ledger.add

    def adding(ledger: Ledger, entry: Entry, *data: bytes) -> None:
        add(ledger, entry, *data)
        if entry.chunk + 1 == chunks_to_live:
            os.kill(os.getpid(), signal.SIGKILL)

    Ledger.add = adding  # type: ignore[assignment,method-assign]
    torch.set_num_threads(1)
    sys.stderr = open(errors, "a", encoding="utf-8")  # noqa: SIM115
    if bytes_a_file:
        resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_a_file, bytes_a_file))
    code = main(arguments)
    sys.stderr.close()
    sys.exit(code)


def start(arguments: list[str], folder: Path, bytes_a_file: int = 0, chunks_to_live: int = 0) -> ForkServerProcess:
    child = SERVER.Process(target=_child, args=(arguments, str(folder / "stderr"), bytes_a_file, chunks_to_live))
    child.start()
    return child


def finish(child: ForkServerProcess) -> int | None:
    child.join(600)
    return child.exitcode


def outcome(out: Path) -> dict[str, bytes]:
    """Output and quarantine of a finished job, of which nothing else is left but its receipt."""
    assert not out.with_name(f"{out.name}.job").exists()
    assert not list(out.parent.glob(".*"))
    found = {path.name: path.read_bytes() for path in out.parent.glob(f"{out.name}*")}
    assert found.pop(f"{out.name}.receipt.json")
    return found


def events(out: Path) -> int:
    """How far a job is: names that its folder has seen so far, roughly two a chunk."""
    ledger = out.with_name(f"{out.name}.job") / "ledger.jsonl"
    parts = len(list(ledger.parent.glob("*.part*"))) if ledger.parent.exists() else 0
    return parts + (len(ledger.read_bytes().splitlines()) if ledger.exists() else 0)


def kill_at(child: ForkServerProcess, out: Path, wanted: int, delay: float) -> None:
    while child.is_alive() and events(out) < wanted:
        time.sleep(0.001)
    time.sleep(delay)
    child.kill()
    child.join()


@pytest.mark.parametrize(
    ("suffix", "more"), [(".jsonl", ()), (".csv", ()), (".parquet", ()), (".jsonl", ("--articles",))]
)
def test_killed_three_times_the_bytes_are_the_same(
    tmp_path: Path, source: Path, model: Path, suffix: str, more: tuple[str, ...]
) -> None:
    killed(tmp_path, source, model, suffix, more, 3)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_killed_fifty_times_the_bytes_are_the_same(tmp_path: Path, source: Path, model: Path, suffix: str) -> None:
    killed(tmp_path, source, model, suffix, (), 50)


def killed(folder: Path, source: Path, model: Path, suffix: str, more: tuple[str, ...], kills: int) -> None:
    calm, out, dice = folder / "calm" / f"out{suffix}", folder / "hard" / f"out{suffix}", random.Random(kills)
    assert main(words(source, calm, model, *more)) == 0
    out.parent.mkdir()
    out.write_text("earlier")
    job = out.with_name(f"{out.name}.job") / "job.json"
    chunk_count = (ROWS + 3 + CHUNK - 1) // CHUNK
    points = sorted(dice.randrange(2 * chunk_count + 1) for _ in range(kills))
    for point in points:
        choice = "--resume" if job.exists() else "--restart"
        kill_at(start(words(source, out, model, choice, *more), folder), out, point, dice.random() / 50)
        whole = out.read_bytes()
        assert whole in (b"earlier", calm.read_bytes())
    choice = "--resume" if job.exists() or out.read_bytes() != b"earlier" else "--restart"
    assert finish(start(words(source, out, model, choice, *more), folder)) == 0
    assert outcome(out) == outcome(calm)
    assert main(["verify", str(source), str(out), *more]) == 0


def unfinished(folder: Path, source: Path, model: Path) -> Path:
    """An output whose job was killed in the middle."""
    out = folder / "job" / "out.jsonl"
    start(words(source, out, model), folder, chunks_to_live=ROWS // CHUNK // 2).join()
    assert 1 < len((folder / "job" / "out.jsonl.job" / "ledger.jsonl").read_bytes().splitlines()) <= 21
    return out


@pytest.mark.parametrize("torn", ["half a line", "a lost part", "a changed part", "all of it"])
def test_a_torn_ledger_and_torn_parts(tmp_path: Path, source: Path, model: Path, torn: str) -> None:
    out = unfinished(tmp_path, source, model)
    job = out.with_name("out.jsonl.job")
    ledger = (job / "ledger.jsonl").read_bytes()
    if torn == "half a line":
        (job / "ledger.jsonl").write_bytes(ledger[:-40])
    elif torn == "a lost part":
        (job / "00000001.part").unlink()
    elif torn == "a changed part":
        (job / "00000000.part").write_bytes(b"{}\n")
    else:
        (job / "ledger.jsonl").write_bytes(b"\0" * len(ledger))
    assert main(words(source, out, model, "--resume")) == 0
    assert main(words(source, tmp_path / "calm.jsonl", model)) == 0
    assert out.read_bytes() == (tmp_path / "calm.jsonl").read_bytes()


def test_a_leftover_needs_a_choice(
    tmp_path: Path, source: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = unfinished(tmp_path, source, model)
    assert main(words(source, out, model)) == 2
    error = capsys.readouterr().err
    assert "--resume" in error and "--restart" in error and not out.exists()
    assert main(words(source, out, model, "--restart")) == 0
    outcome(out)


@pytest.mark.parametrize("change", ["inputs", "options", "model"])
def test_resume_with_something_else_is_refused(
    tmp_path: Path, source: Path, model: Path, change: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = unfinished(tmp_path, source, model)
    more = ["--articles"] if change == "options" else []
    if change == "inputs":
        with open(source, "a", encoding="utf-8") as file:
            file.write('{"text": "سطر جديد"}\n')
    if change == "model":
        other = tmp_path / "model"
        other.mkdir()
        for path in model.iterdir():
            (other / path.name).write_bytes(path.read_bytes())
        config = json.loads((other / "config.json").read_text(encoding="utf-8"))
        config["wijha"]["temperatures"] = {}
        (other / "config.json").write_text(json.dumps(config), encoding="utf-8")
        write_manifest(other)
        model = other
    assert main(words(source, out, model, "--resume", *more)) == 2
    error = capsys.readouterr().err
    assert f"error: expected the {change} that the job in" in error
    assert ("began with, found articles True instead of False; go back" in error) == (change == "options")
    assert main(words(source, out, model, "--restart", *more)) == 0


def test_chunks_stay_whichever_other_inputs_come_and_go(
    tmp_path: Path,
    source: Path,
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    before_chunk: dict[int, Callable[[], object]],
) -> None:
    folder, out = tmp_path / "in", tmp_path / "job" / "out"
    folder.mkdir()
    source.rename(folder / "b.jsonl")
    for name in ("a.jsonl", "c.jsonl"):
        shutil.copy(folder / "b.jsonl", folder / name)
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr("wijha.jobs.join", lambda *_: sys.exit())
        main(words(folder, out, model))
    assert main(words(folder, out, model, "--resume", "--format", "csv")) == 2
    assert "began with, found outputs .csv instead of .jsonl; go back" in capsys.readouterr().err
    (folder / "a.jsonl").unlink()
    os.utime(folder / "c.jsonl", (0, 0))
    write_rows([{"text": "نص"}], folder / "aa.csv")
    before_chunk.clear()
    assert main(words(folder, out, model, "--resume")) == 0
    assert len(before_chunk) == 22  # one of aa.csv and those of c.jsonl
    assert main(["verify", str(folder), str(out)]) == 0
    assert main(words(folder, tmp_path / "calm" / "out", model)) == 0
    assert contents(out.parent) == contents(tmp_path / "calm")


def test_a_job_of_other_inputs_alone_is_refused(
    tmp_path: Path, source: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    source.rename(folder / "a.jsonl")
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr("wijha.jobs.join", lambda *_: sys.exit())
        main(words(folder, out, model))
    (folder / "a.jsonl").rename(folder / "b.jsonl")
    assert main(words(folder, out, model, "--resume")) == 2
    assert f"expected the inputs that the job in {out}.job began with, found b.jsonl, which" in capsys.readouterr().err
    (folder / "b.jsonl").rename(folder / "a.jsonl")
    changed, whole = os.stat(folder / "a.jsonl").st_mtime_ns, (folder / "a.jsonl").read_bytes()
    (folder / "a.jsonl").write_bytes(whole + b"\n")
    assert main(words(folder, out, model, "--resume")) == 2
    assert "began with, found another content in a.jsonl; go back to them" in capsys.readouterr().err
    (folder / "a.jsonl").write_bytes(whole)
    assert main(words(folder, out, model, "--resume")) == 2
    said = capsys.readouterr().err
    assert "found another time of a.jsonl, else the same (if it is, touch -d " in said
    subprocess.run(["touch", "-d", said.split("touch -d ")[1].split(")")[0], folder / "a.jsonl"], check=True)
    assert os.stat(folder / "a.jsonl").st_mtime_ns == changed
    assert main(words(folder, out, model, "--resume")) == 0


@pytest.mark.parametrize("again", [False, True])
def test_a_job_whose_folder_is_taken_away_ends(
    tmp_path: Path,
    source: Path,
    model: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    again: bool,
) -> None:
    out, other, add = tmp_path / "out.jsonl", tmp_path / "out.jsonl.job", Ledger.add

    def adding(ledger: Ledger, entry: Entry, *data: bytes) -> None:
        if entry.chunk == 3:
            shutil.rmtree(other)
            if again:
                other.mkdir()
                (other / "lock").touch()
                (other / "job.json").write_text("{}", encoding="utf-8")
        add(ledger, entry, *data)

    monkeypatch.setattr(Ledger, "add", adding)
    assert main(words(source, out, model)) == 2
    assert f"expected {other} as this job made it, found it removed meanwhile; run it again" in capsys.readouterr().err
    assert not out.exists() and other.exists() == again
    assert not again or {path.name for path in other.iterdir()} == {"lock", "job.json"}


@pytest.mark.parametrize("choice", ["--resume", "--restart"])
def test_files_of_others_stay_in_the_folder_of_a_job(tmp_path: Path, source: Path, model: Path, choice: str) -> None:
    out, others = tmp_path / "out.jsonl", ["2020.csv", "00000001", "7.part", "00000001.part.txt", "notes.txt"]
    folder = tmp_path / "out.jsonl.job"
    folder.mkdir()
    for name in others:
        (folder / name).write_text(name, encoding="utf-8")
    (folder / "00000001.part.tmp").write_text("ours", encoding="utf-8")
    assert main(words(source, out, model, choice)) == 0
    assert {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()} == {each: each for each in others}


def test_two_processes_on_one_job(
    tmp_path: Path, source: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "job" / "out.jsonl"
    child = start(words(source, out, model), tmp_path)
    while child.is_alive() and events(out) < 2:
        time.sleep(0.001)
    os.kill(child.pid or 0, signal.SIGSTOP)
    assert main(words(source, out, model, "--resume")) == 2
    assert "another process works on it" in capsys.readouterr().err
    os.kill(child.pid or 0, signal.SIGCONT)
    assert finish(child) == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signals_end_with_a_sentence(tmp_path: Path, model: Path, number: int, code: int) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "job" / "out.jsonl"
    write_source(source, 4_000)
    child = subprocess.Popen(
        [sys.executable, "-m", "wijha.cli", *words(source, out, model)],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    while child.poll() is None and events(out) < 4:
        time.sleep(0.001)
    child.send_signal(number)
    error = child.communicate(timeout=60)[1]
    assert child.returncode == code
    assert re.fullmatch(r"stopped: [1-9][\d,]* rows are safe in .*out.jsonl.job; go on with --resume\n", error)
    assert not out.exists() and events(out) >= 4


def test_a_bar_counts_to_the_end_on_a_terminal_only(
    tmp_path: Path, source: Path, model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = tmp_path / "in.jsonl.gz"
    packed.write_bytes(gzip.compress(source.read_bytes()))
    assert main(words(packed, tmp_path / "quiet.jsonl", model)) == 0
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert main(words(packed, tmp_path / "out.jsonl", model)) == 0
    assert re.search(rf"100%.* {ROWS + 3}/{ROWS + 3} .*rows/s", capsys.readouterr().err)


@pytest.fixture
def before_chunk(monkeypatch: pytest.MonkeyPatch) -> dict[int, Callable[[], object]]:
    """What is done before chunks are computed, by how many were before; afterwards all of them are keys."""
    acts: dict[int, Callable[[], object]] = {}
    places = iter(range(10_000))

    def acting(*arguments: Any) -> Any:
        acts.setdefault(next(places), lambda: None)()
        return computed(*arguments)

    monkeypatch.setattr("wijha.jobs.computed", acting)
    return acts


def contents(folder: Path) -> dict[str, bytes]:
    """Outputs and quarantines below a folder."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(".receipt.json"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_a_file_that_breaks_off_keeps_what_is_finished_and_once_mended_what_came_before_it(
    tmp_path: Path,
    source: Path,
    model: Path,
    capsys: pytest.CaptureFixture[str],
    before_chunk: dict[int, Callable[[], object]],
) -> None:
    folder, out = tmp_path / "in", tmp_path / "job" / "out"
    folder.mkdir()
    packed = gzip.compress(source.read_bytes())
    source.rename(folder / "a.jsonl")
    (folder / "b.jsonl.gz").write_bytes(packed[:-9])
    for more in ((), ("--resume",)):
        assert main(words(folder, out, model, *more)) == 2
        error = capsys.readouterr().err
        assert re.fullmatch(
            r"error: expected a whole \.jsonl\.gz file at .*; write it again; [\d,]+ finished rows stay in .*out\.job: "
            r"--resume keeps those of all but a mended one, --restart or another output begins again\n",
            error,
        )
        assert not out.exists()
    (folder / "b.jsonl.gz").write_bytes(packed)
    before_chunk.clear()
    assert main(words(folder, out, model, "--resume")) == 0
    assert len(before_chunk) == 21  # those of b.jsonl.gz
    assert main(["verify", str(folder), str(out)]) == 0
    assert main(words(folder, tmp_path / "calm" / "out", model)) == 0
    assert contents(out.parent) == contents(tmp_path / "calm")


@pytest.mark.parametrize("gone", [False, True])
def test_an_input_that_is_changed_meanwhile(
    tmp_path: Path,
    source: Path,
    model: Path,
    capsys: pytest.CaptureFixture[str],
    before_chunk: dict[int, Callable[[], object]],
    gone: bool,
) -> None:
    """No chunk of the changed input is kept: put back, it gives the bytes of a job that nothing disturbed."""
    out, content = tmp_path / "job" / "out.jsonl", source.read_bytes()
    before_chunk[2] = source.unlink if gone else lambda: source.write_bytes(content + b'{"text": "later"}\n')
    assert main(words(source, out, model)) == 2
    error = capsys.readouterr().err
    assert "in.jsonl changed meanwhile; put it back as it was" in error and error.count("\n") == 1
    assert "finished rows stay in" in error and "--resume goes on if the input is as it was" in error
    assert main(words(source, out, model, "--resume")) == 2
    source.write_bytes(content)
    subprocess.run(["touch", "-d", re.findall(r"touch -d (\S+Z)", error)[0], str(source)], check=True)
    assert main(words(source, out, model, "--resume")) == 0
    assert main(words(source, tmp_path / "calm.jsonl", model)) == 0
    assert out.read_bytes() == (tmp_path / "calm.jsonl").read_bytes()


MIXED: dict[str, tuple[Any, Any]] = {
    "several types": (1, "أ"),
    "truth and numbers": (True, 2),
    "lists of several": ([1], ["أ"]),
    "objects of several": ({"a": 1}, {"a": "أ"}),
    "no field": ({}, {}),
    "huge": (2**70, 1),
    "large beside fractions": (2**53 + 1, 0.5),
}


@pytest.mark.parametrize("values", MIXED.values(), ids=MIXED)
@pytest.mark.parametrize("together", [True, False], ids=["in one chunk", "chunk by chunk"])
def test_a_parquet_column_without_a_type_is_text(
    tmp_path: Path, model: Path, values: tuple[Any, Any], together: bool
) -> None:
    """A night's work does not end at the join because one row says "12" where the others say 12."""
    source, out = tmp_path / "in.jsonl", tmp_path / "out.parquet"
    given = [values[n % 2 if together else n // CHUNK] for n in range(2 * CHUNK)]
    write_rows(({"id": value, "whole": n, "text": f"حلب {n}"} for n, value in enumerate(given)), source)
    assert main(words(source, out, model)) == 0
    found = pq.read_table(out)
    assert found["id"].to_pylist() == [v if isinstance(v, str) else json.dumps(v, ensure_ascii=False) for v in given]
    assert found["whole"].to_pylist() == list(range(2 * CHUNK)) and len(found) == 2 * CHUNK
    assert main(["verify", str(source), str(out)]) == 0


def test_numbers_widen_and_missing_values_stay(tmp_path: Path, model: Path) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.parquet"
    given: list[float] = [1 if n < CHUNK else 0.5 for n in range(2 * CHUNK)]
    late = [None if n < CHUNK else "أ" for n in range(2 * CHUNK)]
    rows = [{"id": given[n], "score": given[n], "late": late[n], "text": f"حلب {n}"} for n in range(2 * CHUNK)]
    write_rows(rows, source)
    assert main(words(source, out, model)) == 0
    assert main(["verify", str(source), str(out)]) == 0
    found = pq.read_table(out)
    assert found["score"].to_pylist() == given and found["late"].to_pylist() == late
    assert str(found["score"].type) == "double" and str(found["late"].type) == "string"


@pytest.mark.parametrize("gone", [(), ("*.part",), ("*.part", "*.quarantine"), ("*.part", "*.quarantine", "*.jsonl")])
def test_a_kill_while_a_finished_job_is_cleared(
    tmp_path: Path,
    source: Path,
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    before_chunk: dict[int, Callable[[], object]],
    gone: tuple[str, ...],
) -> None:
    """What was counted is said again and nothing is computed again, whatever of the folder is gone."""
    out = tmp_path / "job" / "out.jsonl"
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(Ledger, "remove", lambda ledger: sys.exit())
        main(words(source, out, model))
    for pattern in gone:
        for path in out.with_name("out.jsonl.job").glob(pattern):
            path.unlink()
    before_chunk.clear()
    assert main(words(source, out, model, "--resume")) == 0
    assert not before_chunk
    said = capsys.readouterr().out
    assert said.startswith(f"{ROWS} rows -> ") and f"3 of {ROWS + 3} input rows set aside" in said
    assert main(["verify", str(source), str(out)]) == 0
    outcome(out)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        (".out.jsonl.part", 0),
        (".out.jsonl.quarantine.jsonl.part", 0),
        ("out.jsonl.job/.job.json.part", 0),
        ("out.jsonl.job/00000020.part.tmp", 0),
        ("out.jsonl.job/ledger.jsonl", 0),
        ("out.jsonl.job/.ledger.jsonl.part", 0),
        ("out.jsonl.receipt.json", 0),
        ("out.jsonl.job/lock", 2),
    ],
)
def test_nothing_is_written_through_a_planted_link(
    tmp_path: Path, source: Path, model: Path, monkeypatch: pytest.MonkeyPatch, name: str, code: int
) -> None:
    out, other = tmp_path / "job" / "out.jsonl", tmp_path / "other"

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("wijha.jobs.join", full)
        assert main(words(source, out, model)) == 2
    (out.with_name("out.jsonl.job") / "00000020.part").unlink()
    link = out.parent / name
    content = link.read_bytes() if link.exists() else b"stays"
    other.write_bytes(content)
    link.unlink(missing_ok=True)
    link.symlink_to(other)
    assert main(words(source, out, model, "--resume")) == code
    assert other.read_bytes() == content
    if code:
        link.unlink()
        assert main(words(source, out, model, "--resume")) == 0
    outcome(out)


@pytest.mark.parametrize("room", [2_000, 30_000])
def test_a_file_that_cannot_grow(tmp_path: Path, source: Path, model: Path, room: int) -> None:
    """At 2,000 bytes no part can be written, at 30,000 the parts but not the output."""
    out = tmp_path / "job" / "out.jsonl"
    assert finish(start(words(source, out, model), tmp_path, room)) == 2
    error = (tmp_path / "stderr").read_text(encoding="utf-8")
    assert error.startswith("error: expected room on the disk for") and "--resume" in error
    assert not out.exists() and not list(out.parent.glob(".*"))
    assert main(words(source, out, model, "--resume")) == 0
    assert main(words(source, tmp_path / "calm.jsonl", model)) == 0
    assert out.read_bytes() == (tmp_path / "calm.jsonl").read_bytes()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a tmpfs needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk(
    tmp_path: Path, small_disk: Path, source: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = small_disk / "out.jsonl"
    assert main(words(source, out, model)) == 2
    assert "error: expected room on the disk for" in capsys.readouterr().err
    assert subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=False).returncode == 0
    assert main(words(source, out, model, "--resume")) == 0
    assert main(["verify", str(source), str(out)]) == 0


def test_quarantine_says_where_and_why_but_not_what(
    tmp_path: Path, source: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.jsonl"
    assert main(words(source, out, model)) == 0
    assert f"3 of {ROWS + 3} input rows set aside in {out}.quarantine.jsonl" in capsys.readouterr().out
    text = Path(f"{out}.quarantine.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    assert [(row["input"], row["line"]) for row in rows] == [("in.jsonl", 5), ("in.jsonl", 70), ("in.jsonl", 71)]
    assert rows[2]["reason"] == "expected a column 'text', found none; pass --text-column NAME" and "بتر" not in text
    source.write_text('{"text": "نص"}\n', encoding="utf-8")
    assert main(words(source, out, model)) == 0
    assert not Path(f"{out}.quarantine.jsonl").exists()


def test_long_rows_and_texts_are_told_whatever_is_killed_or_done_before(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A stray quote in line 4 and one in line 155; the model reads 32 tokens."""
    folder, out, short = tmp_path / "in", tmp_path / "out", "نص"
    folder.mkdir()
    lines = ["id,text", *(f"{n},{short}" for n in range(300))]
    lines[3], lines[154] = f'2,"{short}', f'{short}"'
    (folder / "a.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    texts = [short, "حلب " * 29, "حلب " * 30 + "\n", "حلب " * 31, "ـ" * 100_001]
    write_rows(({"text": text} for text in texts * 5), folder / "b.jsonl")
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr("wijha.jobs.join", lambda *_: sys.exit())
        main(words(folder, out, model))
    for more in (("--resume",), ("--resume",), ("--restart",)):
        assert main(words(folder, out, model, *more)) == 0
        assert capsys.readouterr().out.splitlines()[1:] == [
            f"1 rows reach over more than 100 lines each, the first {folder}/a.csv line 4; check the quotes",
            "11 texts are longer than the model reads (32 tokens); --articles splits them",
        ]
    assert main(words(folder, out, model, "--restart", "--articles")) == 0
    assert capsys.readouterr().out.endswith(" texts are longer than the model reads (32 tokens)\n")


def test_a_kill_of_a_restarted_job_leaves_no_half_of_an_output(
    tmp_path: Path, source: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.jsonl"
    assert main(words(source, out, model)) == 0
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr("wijha.jobs.join", lambda *_: (out.with_name(f".{out.name}.part").touch(), sys.exit()))
        main(words(source, out, model, "--restart"))
    assert main(words(source, out, model, "--resume")) == 0
    outcome(out)


def test_a_ledger_and_a_receipt_of_before_are_good(
    tmp_path: Path,
    source: Path,
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
    before_chunk: dict[int, Callable[[], object]],
) -> None:
    """Neither of them noted how many texts are longer than the model reads."""
    out, newer = tmp_path / "out.jsonl", ("cut", "spanning", "spanning_at")
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr("wijha.jobs.join", lambda *_: sys.exit())
        main(words(source, out, model))
    assert not any(name in (tmp_path / "out.jsonl.job" / "ledger.jsonl").read_text() for name in newer)
    before_chunk.clear()
    assert main(words(source, out, model, "--resume")) == 0 and not before_chunk
    receipt = tmp_path / "out.jsonl.receipt.json"
    noted = json.loads(receipt.read_text(encoding="utf-8"))
    for name in newer:
        assert noted["outputs"]["."].pop(name) == 0
    receipt.write_text(json.dumps(noted), encoding="utf-8")
    assert main(words(source, out, model, "--resume")) == 0 and not before_chunk


def test_strict_stops_at_the_first_bad_row(
    tmp_path: Path, source: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(source, tmp_path / "out.jsonl", model, "--strict")) == 2
    assert "in.jsonl line 5, found" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [source]


def test_types_of_parquet_columns_stay(tmp_path: Path, model: Path) -> None:
    columns = {
        "text": pa.array(["نص"] * 20 + [None], pa.large_string()),
        "n": pa.array([None] * 20 + [1], pa.int8()),
        "day": pa.array([19_000] * 21, pa.date32()),
        "tags": pa.array([["a"], []] * 10 + [None], pa.list_(pa.string())),
    }
    pq.write_table(pa.table(columns), tmp_path / "in.parquet")
    assert main(words(tmp_path / "in.parquet", tmp_path / "out.parquet", model)) == 0
    before, after = pq.read_table(tmp_path / "in.parquet"), pq.read_table(tmp_path / "out.parquet")
    assert after.select(before.column_names).equals(before.slice(0, 20))


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_inputs_without_rows_have_outputs_without_rows(
    tmp_path: Path, model: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    write_rows([], folder / "d.jsonl")
    (folder / "a.txt").write_text("\n", encoding="utf-8")
    (folder / "b.csv").write_text("id,text\n", encoding="utf-8")
    pq.write_table(pa.table({"text": pa.array([], pa.string()), "n": pa.array([], pa.int8())}), folder / "c.parquet")
    more = ("--format", form)
    for given in (folder, folder / "d.jsonl"):
        assert (
            main(words(given, out / "d.jsonl" if given.suffix else out, model, *more[: 0 if given.suffix else 2])) == 2
        )
        assert "expected rows with text in" in capsys.readouterr().err and not out.exists()
    write_rows([{"text": "نص"}], folder / "e.jsonl")
    assert main(words(folder, out, model, *more)) == 0
    assert capsys.readouterr().out.startswith("1 rows of 5 files -> ")
    assert sorted(path.name for path in out.iterdir()) == [f"{name}.{form}" for name in "abcde"]
    assert [len(list(read_rows(path))) for path in sorted(out.iterdir())] == [0, 0, 0, 0, 1]
    assert main(["verify", str(folder), str(out), *more]) == 0
    if form == "parquet":
        assert str(pq.read_schema(out / "c.parquet").field("n").type) == "int8"
        assert len({str(pq.read_schema(out / f"{name}.parquet")) for name in "abde"}) == 1
    (folder / "b.csv").write_text("id,text\n1,\n", encoding="utf-8")
    assert main(words(folder, out, model, *more)) == 2
    assert "expected a text in" in capsys.readouterr().err


def test_a_kill_can_lose_three_chunks_as_help_says(
    tmp_path: Path, source: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that is read, one that is computed and one on its way to the disk."""
    read, safe, under_way, three = 0, 0, list[int](), threading.Event()

    def reading(path: Path, options: Options) -> Iterator[Chunk]:
        nonlocal read
        for chunk in chunks(path, options):
            read += 1
            under_way.append(read - safe)
            if read == 3:
                three.set()
            yield chunk

    def adding(*arguments: Any) -> None:
        nonlocal safe
        assert three.wait(60)
        add(*arguments)
        safe += 1

    add = Ledger.add
    monkeypatch.setattr("wijha.jobs.chunks", reading)
    monkeypatch.setattr(Ledger, "add", adding)
    assert main(words(source, tmp_path / "out.jsonl", model)) == 0
    assert read == safe == ROWS // CHUNK + 1 and max(under_way) == 3
    with pytest.raises(SystemExit):
        main(["predict", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "rows of a chunk, of which a kill can lose three (default: 4096)" in said


def test_only_a_few_chunks_are_in_memory(tmp_path: Path) -> None:
    write_rows(({"text": f"{n} " * 100} for n in range(20_000)), tmp_path / "in.jsonl")
    tracemalloc.start()
    total = sum(chunk.rows_in for chunk in chunks(tmp_path / "in.jsonl", Options(chunk_rows=100)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == 20_000 and peak < 1e6 < (tmp_path / "in.jsonl").stat().st_size / 8


@pytest.mark.slow
def test_memory_does_not_grow_with_rows(tmp_path: Path, model: Path) -> None:
    """Peak memory of a process at 100,000 and at 1,000,000 rows."""
    peaks = []
    for count in (100_000, 1_000_000):
        source = tmp_path / f"{count}.jsonl"
        write_source(source, count)
        command = ["predict", str(source), str(tmp_path / f"{count}.out.jsonl"), "--model", str(model)]
        peaks.append(measured("-m", "wijha.cli", *command)[2])
    assert peaks[1] - peaks[0] < 40, f"{peaks[0]:.0f} MB at 100,000 rows, {peaks[1]:.0f} MB at 1,000,000"


def test_an_input_that_is_changed_after_it_was_read_to_its_end(
    tmp_path: Path, source: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out, content = tmp_path / "in", tmp_path / "job" / "out", source.read_bytes()
    folder.mkdir()
    source.rename(folder / "a.jsonl")
    shutil.copy(folder / "a.jsonl", folder / "b.jsonl")

    def reading(path: Path, options: Options) -> Iterator[Chunk]:
        yield from chunks(path, options)
        if path.name == "b.jsonl":
            (folder / "a.jsonl").write_bytes(content + b'{"text": "later"}\n')

    monkeypatch.setattr("wijha.jobs.chunks", reading)
    assert main(words(folder, out, model)) == 2
    assert "a.jsonl changed meanwhile; put it back as it was" in capsys.readouterr().err
    assert [path.name for path in out.parent.iterdir()] == ["out.job"]
