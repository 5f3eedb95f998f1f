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

from wijha.cli import main

ROWS, CHUNK = 10, 4


class Faults:
    """Counts what writes below a folder and lets the operation of one number fail for want of room, before or after."""

    def __init__(self, patch: pytest.MonkeyPatch, folder: Path) -> None:
        self.folder, self.fails_at, self.count, self.late = str(folder), 0, 0, False
        patch.setattr(
            builtins, "open", self._wrapped(builtins.open, lambda file, mode="r", *_, **__: set(mode) & set("wax+"))
        )
        for name in ("replace", "truncate", "unlink", "mkdir", "rmdir"):
            patch.setattr(os, name, self._wrapped(getattr(os, name), lambda *_, **__: True))
        patch.setattr(os, "open", self._wrapped(os.open, lambda path, flags, *_, **__: flags & os.O_CREAT))
        patch.setattr(os, "fsync", self._wrapped(os.fsync, lambda *_: True))

    def _wrapped(self, function: Callable[..., Any], counts: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            ours = isinstance(arguments[0], int) or self.folder in str(arguments[0])
            if not (ours and counts(*arguments, **named)):
                return function(*arguments, **named)
            self.count += 1
            fault = OSError(errno.ENOSPC, "No space left on device")
            if self.count == self.fails_at and not self.late:
                raise fault
            result = function(*arguments, **named)
            if self.count == self.fails_at:
                if hasattr(result, "close"):
                    result.close()
                raise fault
            return result

        return call


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_whichever_file_operation_fails_nothing_is_lost(
    tmp_path: Path,
    model: Path,
    suffix: str,
    late: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source, calm = tmp_path / "in.jsonl", tmp_path / "calm" / f"out{suffix}"
    source.write_text("".join(f'{{"text": "هدنة في حلب {n}"}}\n' for n in range(ROWS)) + "{}\n", encoding="utf-8")
    words = ["--model", str(model), "--chunk-rows", str(CHUNK)]
    calm.parent.mkdir()
    assert main(["predict", str(source), str(calm), *words]) == 0
    expected = {path.name: path.read_bytes() for path in calm.parent.iterdir()}

    faults = Faults(monkeypatch, tmp_path / "hard")
    faults.late = late
    for number in itertools.count(1):
        out = tmp_path / "hard" / str(number) / f"out{suffix}"
        faults.count, faults.fails_at = 0, number
        code = main(["predict", str(source), str(out), *words])
        faults.fails_at, error = 0, capsys.readouterr().err
        if faults.count < number:
            assert code == 0
            break
        if code:
            assert code == 2 and error.startswith("error: expected ") and error.count("\n") == 1, (number, error)
        assert not out.exists() or out.read_bytes() == expected[out.name], number
        assert main(["predict", str(source), str(out), *words, "--resume"]) == 0, number
        assert {path.name: path.read_bytes() for path in out.parent.iterdir()} == expected, number
    assert number > 30
