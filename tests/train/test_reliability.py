"""The table of promises: a failure stands as one and hides no other, and each figure says when and of what it is."""

from __future__ import annotations

import json
import subprocess
from datetime import date
from pathlib import Path

import pytest

from train import reliability
from train.provenance import commit_now
from train.tables import fill
from wijha import InputError

ROOT = Path(__file__).resolve().parents[2]
PROMISES = {"fails": "test_a.py", "lacks its tests": "test_b.py", "holds": f"test_c.py {reliability.SLOW}"}


@pytest.fixture
def commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The commit of a repository, gone into, that keeps the last of three promises."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(reliability, "PROMISES", PROMISES)
    for name, true in {"a": False, "c": True}.items():
        Path(f"test_{name}.py").write_text(f"def test():\n    assert {true}\n", encoding="utf-8")
    Path("README.md").write_text("before\n<!-- reliability -->\n<!-- /reliability -->\n", encoding="utf-8")
    git("init", "--quiet")
    git("add", ".")
    git("-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "--quiet", "--message", "tests")
    return git("rev-parse", "--short", "HEAD")


def git(*words: str) -> str:
    return subprocess.run(["git", *words], capture_output=True, text=True, check=True).stdout.strip()


def test_a_broken_promise_stands_as_failed_and_the_others_are_proved(commit: str) -> None:
    reliability.RESULTS.parent.mkdir()
    reliability.RESULTS.write_text(json.dumps({"test_a.py": "7 passed", "gone.py": "1 passed"}), encoding="utf-8")
    with pytest.raises(InputError, match=r"got failures of pytest test_a\.py; pytest test_b\.py; see why"):
        reliability.prove()
    figures = json.loads(reliability.RESULTS.read_text(encoding="utf-8"))
    said = {"test_a.py": "failed", "test_b.py": "failed", PROMISES["holds"]: "1 passed"}
    now = {"date": date.today().isoformat(), "commit": commit}
    assert figures == {words: {"said": figure, **now} for words, figure in said.items()}
    assert f"| fails | `test_a.py` | failed ({now['date']}, {commit}) |\n" in Path("README.md").read_text()


def test_only_what_is_named_is_proved(commit: str) -> None:
    reliability.RESULTS.parent.mkdir()
    reliability.prove("test_c")
    assert list(json.loads(reliability.RESULTS.read_text(encoding="utf-8"))) == [PROMISES["holds"]]
    with pytest.raises(InputError, match=r"expected a part of a command .* got test_d; see README"):
        reliability.prove("test_d")


def test_a_commit_whose_files_were_changed_says_so(commit: str) -> None:
    git("tag", "v1")
    assert commit_now() == commit
    Path("test_a.py").unlink()
    assert commit_now() == f"{commit}-dirty"


def test_what_no_test_has_said_is_not_run_yet(commit: str) -> None:
    assert "| fails | `test_a.py` | not run yet |" in reliability.table()


def test_readme_holds_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (tmp_path / "README.md").write_text(readme, encoding="utf-8")
    fill(tmp_path / "README.md", {"reliability": reliability.table()})
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == readme
