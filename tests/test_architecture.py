"""The arrow between the packages, and what must not come in."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FORBIDDEN = {"train", "datasets", "evaluate", "accelerate", "sklearn"}


def _imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("path", sorted((ROOT / "wijha").rglob("*.py")), ids=lambda path: path.name)
def test_the_library_never_imports_the_recipes(path: Path) -> None:
    assert not _imports(path) & FORBIDDEN


def test_only_the_metric_module_is_loaded_by_path() -> None:
    for line in (ROOT / "train/metrics/topic_stance/topic_stance.py").read_text(encoding="utf-8").splitlines():
        assert (not line.startswith("from ") and "," not in line.split("import ")[-1]) or not line.startswith("import ")


def test_binary_files_stay_small() -> None:
    sizes = [path.stat().st_size for path in (ROOT / "models").rglob("*") if path.is_file()]
    assert 0 < sum(sizes) < 120e6
