"""The audit tells a clean bill from no answer."""

from __future__ import annotations

import pytest

from train.audit import judge

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
