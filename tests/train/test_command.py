"""What every command line does with errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from train.command import one_sentence_errors


def test_a_path_that_cannot_be_written_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file.csv").touch()
    for path in (tmp_path / "file.csv", tmp_path / "file.csv" / "x", Path("/proc/x")):
        with pytest.raises(SystemExit) as caught, one_sentence_errors():
            path.mkdir(parents=True, exist_ok=True)
        assert caught.value.code == 2
        said = capsys.readouterr().err
        assert said.startswith(f"error: expected to read or write {path}, got: ") and said.count("\n") == 1


def test_errors_of_no_path_keep_their_trace() -> None:
    for error in (OSError("broken"), KeyError("x")):
        with pytest.raises(type(error)), one_sentence_errors():
            raise error
