"""Every single file operation of a job fails once; the same command with --resume then gives the undisturbed bytes."""

from __future__ import annotations

import builtins
import errno
import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wijha import Classifier
from wijha.cli import main

ROWS, CHUNK = 10, 4


class Faults:
    """Counts what writes below a folder and lets the operation of one number fail, before or after it is done."""

    def __init__(self, patch: pytest.MonkeyPatch, folder: Path, code: int, late: bool) -> None:
        self.folder, self.fails_at, self.count, self.code, self.late = str(folder), 0, 0, code, late
        opened = self._wrapped(builtins.open, lambda file, mode="r", *_, **__: set(mode) & set("wax+"))
        patch.setattr(builtins, "open", lambda *arguments, **named: self._file(opened(*arguments, **named)))
        for name in ("replace", "truncate", "unlink", "mkdir", "rmdir"):
            patch.setattr(os, name, self._wrapped(getattr(os, name), lambda *_, **__: True))
        patch.setattr(os, "open", self._wrapped(os.open, lambda path, flags, *_, **__: flags & os.O_CREAT))
        patch.setattr(os, "fsync", self._wrapped(os.fsync, lambda *_: True))

    def _wrapped(self, function: Callable[..., Any], counts: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            ours = isinstance(arguments[0], int) or self.folder in str(arguments[0])
            if not (ours and counts(*arguments, **named)):
                return function(*arguments, **named)
            return self._done(function, *arguments, **named)

        return call

    def _done(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        self.count += 1
        fails, fault = self.count == self.fails_at, OSError(self.code, os.strerror(self.code))
        if fails and not self.late:
            raise fault
        result = function(*arguments, **named)
        if fails:
            if hasattr(result, "close"):
                result.close()
            raise fault
        return result

    def _file(self, file: Any) -> Any:
        return Fallible(file, self._done) if self.folder in str(file.name) and file.writable() else file


class Fallible:
    """An open file of which the first two writes, the truncation and the closing count as operations."""

    def __init__(self, file: Any, done: Callable[..., Any]) -> None:
        self._file, self._done, self._writes = file, done, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def write(self, data: Any) -> Any:
        self._writes += 1
        return self._done(self._file.write, data) if self._writes <= 2 else self._file.write(data)

    def truncate(self, size: int) -> Any:
        return self._done(self._file.truncate, size)

    def close(self) -> None:
        try:
            self._done(lambda: None)
        finally:
            self._file.close()

    def __enter__(self) -> Fallible:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def contents(folder: Path) -> dict[str, bytes]:
    """What a job leaves; of its receipt, which notes when outputs were written, the name."""
    return {path.name: b"" if path.suffix == ".json" else path.read_bytes() for path in folder.iterdir()}


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")  # a user would see it behind the sentence
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO], ids=errno.errorcode.get)
@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_whichever_file_operation_fails_nothing_is_lost(
    tmp_path: Path,
    model: Path,
    suffix: str,
    late: bool,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source, calm = tmp_path / "in.jsonl", tmp_path / "calm" / f"out{suffix}"
    source.write_text("".join(f'{{"text": "هدنة في حلب {n}"}}\n' for n in range(ROWS)) + "{}\n", encoding="utf-8")
    words = ["--model", str(model), "--chunk-rows", str(CHUNK)]
    loaded = Classifier.load(model, runtime="torch")  # once: the model is not what fails here
    monkeypatch.setattr(Classifier, "load", lambda *_, **__: loaded)
    calm.parent.mkdir()
    assert main(["predict", str(source), str(calm), *words]) == 0
    expected = contents(calm.parent)

    faults = Faults(monkeypatch, tmp_path / "hard", code, late)
    for number in itertools.count(1):
        out = tmp_path / "hard" / str(number) / f"out{suffix}"
        faults.count, faults.fails_at = 0, number
        ended = main(["predict", str(source), str(out), *words])
        faults.fails_at, error = 0, capsys.readouterr().err
        if faults.count < number:
            assert ended == 0
            break
        if ended:
            assert ended == 2 and error.startswith("error: expected ") and error.count("\n") == 1, (number, error)
        assert not out.exists() or out.read_bytes() == expected[out.name], number
        assert main(["predict", str(source), str(out), *words, "--resume"]) == 0, number
        assert contents(out.parent) == expected, number
    assert number > 60
