"""What README shows of a command: all that it left on the terminal, and nothing when it failed."""

from __future__ import annotations

import pytest

from train.transcript import shown, transcript
from wijha import InputError


def test_a_bar_stands_once_as_it_ended() -> None:
    assert shown("data: 3\n 0%|\r 50%|\r100%|##\x1b[32m|\nmodel: m\n\n") == ["data: 3", "100%|##|", "model: m"]


def test_commands_stand_with_both_streams() -> None:
    block = transcript(["echo one; echo two >&2", "printf 'a\\rb\\n'"])
    assert block == "```text\n$ echo one; echo two >&2\none\ntwo\n\n$ printf 'a\\rb\\n'\nb\n```"


def test_a_failing_command_is_said() -> None:
    with pytest.raises(InputError, match=r"expected 'echo no; exit 3' to work, it ended with 3: no"):
        transcript(["echo no; exit 3"])
