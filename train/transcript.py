"""Show what README's commands print: run them here and put their output into README.md, between its marks.

    python -m train.transcript

A line that a progress bar wrote over and over stands once, as it ended. Takes as long as the commands: some minutes.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from train.command import command_line, one_sentence_errors
from train.provenance import commit_now
from train.tables import fill
from wijha.errors import InputError
from wijha.runtime import processor, threads

README = Path("README.md")
COMMANDS = (
    "make train",
    "make evaluate MODEL=runs/default/model",
    ".venv/bin/wijha predict data/example.txt runs/predictions.jsonl --model runs/default/model --restart",
    "head -n 1 runs/predictions.jsonl",
    "make test > runs/test.log && tail -n 1 runs/test.log",
)
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def main() -> None:
    """Command line."""
    command_line(__doc__).parse_args()
    with one_sentence_errors():
        cores = f"{threads()} core{'s' * (threads() > 1)}"
        where = f"# {commit_now()}, {date.today()}, {cores} of {processor()}"
        fill(README, {"transcript": transcript(COMMANDS, where)})


def transcript(commands: Sequence[str], where: str) -> str:
    """The commands and all that they print below the line `where`, as a Markdown block.

    Raises InputError when one of them fails.
    """
    lines = [where, ""]
    for command in commands:
        print(f"$ {command}", flush=True)
        done = subprocess.run(command, shell=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        output = done.stdout.decode(errors="replace")
        if done.returncode:
            raise InputError(f"expected {command!r} to work, it ended with {done.returncode}: {output[-500:].strip()}")
        lines += [f"$ {command}", *shown(output), ""]
    return "```text\n" + "\n".join(lines).rstrip() + "\n```"


def shown(output: str) -> list[str]:
    """What is left on a terminal: of a line written over several times the last state, no colours, no empty ends."""
    lines = [_CONTROL.sub("", line).rstrip("\r").rpartition("\r")[2].rstrip() for line in output.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines


if __name__ == "__main__":
    main()
