"""What README shows of a command: all that it left on the terminal, nothing when it failed; and what its tables say."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

import train.transcript
from train import audit, documents, reliability
from train.tables import filled
from train.transcript import shown, transcript
from wijha import InputError

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("module", [audit, documents, reliability, train.transcript])
def test_help_is_all_that_is_asked_for(
    module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["command", "--help"])
    with pytest.raises(SystemExit) as ended:
        module.main()
    assert ended.value.code == 0 and module.__doc__.splitlines()[0][:40] in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_documents_say_what_the_files_say_that_runs_wrote(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    made = documents.contents()
    assert {"shipped", "stances", "bare", "archive", "asked", "speed"} <= set(made[Path("README.md")])
    for path, blocks in made.items():
        assert filled(path, blocks) == path.read_text(encoding="utf-8"), f"run python -m train.documents for {path}"


def test_a_bar_stands_once_as_it_ended() -> None:
    assert shown("data: 3\n 0%|\r 50%|\r100%|##\x1b[32m|\nmodel: m\n\n") == ["data: 3", "100%|##|", "model: m"]


def test_commands_stand_with_both_streams() -> None:
    block = transcript(["echo one; echo two >&2", "printf 'a\\rb\\n'"], "# here")
    assert block == "```text\n# here\n\n$ echo one; echo two >&2\none\ntwo\n\n$ printf 'a\\rb\\n'\nb\n```"


def test_a_failing_command_is_said() -> None:
    with pytest.raises(InputError, match=r"expected 'echo no; exit 3' to work, it ended with 3: no"):
        transcript(["echo no; exit 3"], "# here")
