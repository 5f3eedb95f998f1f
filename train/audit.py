"""Licences and known vulnerabilities of everything that is installed: what `make audit` prints.

Asks the registry's advisory service about the packages of this environment and sends it nothing else. Where that
service cannot be reached, or does not know the packages, it says that nothing was audited: that is no failure, but no
clean bill either. Exit code 1 for a known vulnerability, 2 where the audit itself fails.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

from train.command import command_line, one_sentence_errors
from wijha.errors import InputError

_UNREACHED = re.compile(
    r"Could not connect to|requests\.exceptions\.(ConnectionError|ConnectTimeout|ProxyError|ReadTimeout)"
)
"""What pip_audit prints where it finds no way to the service."""


def main() -> None:
    """Command line."""
    command_line(__doc__).parse_args()
    with one_sentence_errors():
        for package in json.loads(run("piplicenses", "--from", "mixed", "--format", "json", "--order", "license")):
            print(package["Name"], package["Version"], package["License"].splitlines()[0], sep="\t")
        installed = run("pip", "freeze", "--exclude-editable")
        sys.exit(judge(ask(installed)))


def ask(requirements: str) -> list[dict[str, Any]] | None:
    """What the advisory service says of each package; None where it cannot be reached.

    Raises InputError for any other failure.
    """
    words = ["--format", "json", "--disable-pip", "--no-deps", "--progress-spinner", "off", "--requirement"]
    done = subprocess.run(
        [sys.executable, "-m", "pip_audit", *words, "/dev/stdin"],
        input=requirements, capture_output=True, text=True, check=False,
    )  # fmt: skip
    try:
        return list(json.loads(done.stdout)["dependencies"])
    except (ValueError, KeyError, TypeError) as error:
        if _UNREACHED.search(done.stderr):
            return None
        reason = _last_line(done.stderr)
        raise InputError(f"expected an answer from pip_audit, got: {reason}; mend that and run make audit") from error


def judge(answers: list[dict[str, Any]] | None) -> int:
    """Print what is known to be vulnerable and how much was asked; the exit code."""
    known = [one for one in answers or [] if "skip_reason" not in one]
    if not known:
        print("not audited: the registry's advisories cannot be reached from here; run it where they can")
        return 0
    found = [(one, flaw) for one in known for flaw in one["vulns"]]
    for one, flaw in found:
        print(one["name"], one["version"], flaw["id"], f"fixed in {', '.join(flaw['fix_versions']) or 'no version'}")
    unknown = len(answers or []) - len(known)
    print(f"{len(found)} known vulnerabilities in {len(known)} packages, {unknown} not known there")
    return 1 if found else 0


def run(module: str, *words: str) -> str:
    """What a tool of this environment prints. Raises InputError when it is missing or fails."""
    done = subprocess.run([sys.executable, "-m", module, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        reason = _last_line(done.stderr)
        raise InputError(f"expected {module} to list what is installed, got: {reason}; run make audit with a network")
    return done.stdout


def _last_line(said: str) -> str:
    return (said.strip().splitlines() or ["no reason"])[-1]


if __name__ == "__main__":
    main()
