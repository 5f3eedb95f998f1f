"""The audit tells a clean bill from no answer."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from train.audit import ask, judge
from wijha import InputError

CLEAN = {"name": "a", "version": "1", "vulns": []}
FLAWED = {"name": "b", "version": "2", "vulns": [{"id": "CVE-1", "fix_versions": ["3"]}]}
UNKNOWN = {"name": "c", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("answers", "code", "line"),
    [
        ([CLEAN, UNKNOWN], 0, "0 known vulnerabilities in 1 packages, 1 not known there"),
        ([CLEAN, FLAWED], 1, "b 2 CVE-1 fixed in 3"),
        ([UNKNOWN], 0, "not audited"),
        (None, 0, "not audited"),
    ],
)
def test_answers(
    answers: list[dict[str, object]] | None, code: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert judge(answers) == code
    assert line in capsys.readouterr().out


@pytest.fixture
def pip_audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module of that name, found before the real one."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ["PYTHONPATH"]]))
    return tmp_path / "pip_audit.py"


def test_the_service_is_asked_about_the_packages(pip_audit: Path) -> None:
    pip_audit.write_text(
        "import json, sys\n"
        "lines = open(sys.argv[-1]).read().split()\n"
        "print(json.dumps({'dependencies': [{'name': line} for line in lines]}))\n"
        "sys.exit(1)\n",  # as with a vulnerability
        encoding="utf-8",
    )
    assert ask("a==1\nb==2\n") == [{"name": "a==1"}, {"name": "b==2"}]


UNREACHED = [
    "ERROR:pip_audit._cli:Could not connect to PyPI's vulnerability feed\nERROR:pip_audit._cli:Tip: your network",
    "Traceback (most recent call last):\nrequests.exceptions.ProxyError: HTTPSConnectionPool(host='pypi.org')",
    "Traceback (most recent call last):\nrequests.exceptions.ConnectionError: HTTPSConnectionPool: [Errno 111]",
]


@pytest.mark.parametrize("said", UNREACHED)
def test_no_way_to_the_service_is_no_answer(pip_audit: Path, said: str) -> None:
    pip_audit.write_text(f"import sys\nsys.exit({said!r})\n", encoding="utf-8")
    assert ask("a==1\n") is None


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("sys.exit('usage: pip-audit\\npip-audit: error: unrecognized arguments')", "unrecognized arguments"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("sys.exit(f'{sys.executable}: No module named pip_audit')", "No module named pip_audit"),
        ("print('{}')", "no reason"),
        ("print('[]')", "no reason"),
    ],
)
def test_any_other_failure_is_said(pip_audit: Path, code: str, reason: str) -> None:
    pip_audit.write_text(f"import sys\n{code}\n", encoding="utf-8")
    with pytest.raises(InputError, match=f"expected an answer from pip_audit, got: .*{reason}; mend that"):
        ask("a==1\n")
