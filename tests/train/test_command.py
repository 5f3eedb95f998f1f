"""What every command line does with errors."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from benchmarks import cascade, depth, inference, scaling, startup, stopping, tokenizer, training
from train import adopt, leave_out, robustness, tune
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


COUNTS = [
    (tune, "--trials"),
    (leave_out, "--groups"),
    (robustness, "--rows"),
    (adopt, "--vocabulary"),
    (adopt, "--layers"),
    (tokenizer, "--rows"),
    (scaling, "--rows"),
    (startup, "--repeats"),
    (stopping, "--repeats"),
    (inference, "--rows"),
    (inference, "--stock-rows"),
    (training, "--steps"),
    (depth, "--steps"),
    (depth, "--rows"),
    (cascade, "--rows"),
]


@pytest.mark.parametrize(("recipe", "option"), COUNTS, ids=lambda value: getattr(value, "__name__", value))
@pytest.mark.parametrize("count", ["0", "-1", "many"])
def test_a_count_below_one_is_refused(
    recipe: ModuleType,
    option: str,
    count: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["recipe", "somewhere", f"{option}={count}"])
    with pytest.raises(SystemExit) as ended:
        recipe.main()
    said = f"argument {option}: expected a whole number above 0, got {count!r}"
    assert ended.value.code == 2 and said in capsys.readouterr().err and not [*tmp_path.iterdir()]
