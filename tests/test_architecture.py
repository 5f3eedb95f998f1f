"""The arrow between the packages, and what must not come in."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FORBIDDEN = {"train", "datasets", "evaluate", "accelerate", "sklearn"}
_BY_PATH = re.compile(
    r"\b(spec_from_file_location|\w*FileLoader|exec_module|run_path|exec)$|^evaluate\.load$|^sys\.path\b"
)


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
    loaded = set()
    for path in [path for folder in ("wijha", "train", "benchmarks") for path in (ROOT / folder).rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and _BY_PATH.search(ast.unparse(node.func)):
                loaded.add((path.relative_to(ROOT).as_posix(), ast.unparse(node)))
    assert loaded == {("train/evaluation.py", "evaluate.load(str(METRIC))")}


def test_the_metric_module_imports_as_evaluate_reads_it() -> None:
    source = (ROOT / "train/metrics/topic_stance/topic_stance.py").read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(source)):
        assert not isinstance(node, ast.Import) or len(node.names) == 1  # of several it takes the comma along
        assert not isinstance(node, ast.ImportFrom) or node.level == 0  # it copies the file elsewhere


def test_binary_files_stay_small() -> None:
    ignored = {ROOT / line for line in (ROOT / ".gitignore").read_text(encoding="utf-8").split()}
    files = {path for path in (ROOT / "models").rglob("*") if path.is_file()} - ignored
    sizes = [path.stat().st_size for path in files]
    assert 0 < sum(sizes) < 120e6
