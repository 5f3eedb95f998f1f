"""What is installed is pinned, with hashes, and in one version."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_PIN = re.compile(r"^([\w.-]+)==(\S+)((?: \\\n +--hash=sha256:[0-9a-f]{64})*)", re.MULTILINE)


def name(requirement: str) -> str:
    found = re.match(r"[\w.-]+", requirement)
    assert found
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def pins(file: str) -> dict[str, tuple[str, str]]:
    """Package -> version and hashes."""
    return {name(package): (version, hashes) for package, version, hashes in _PIN.findall((ROOT / file).read_text())}


def test_every_package_of_setup_has_hashes_and_the_version_of_the_constraints() -> None:
    locked, tested = pins("requirements.lock"), pins("constraints.txt")
    assert all(hashes for _, hashes in locked.values())
    for package in set(locked) & set(tested):
        assert locked[package][0] == tested[package][0], package


def test_setup_installs_nothing_but_torch_and_this_package_without_hashes() -> None:
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\n.venv/ready:")[2].partition("\n\n")[0]
    installs = [line.partition("$(PIP) ")[2] for line in recipe.splitlines() if "$(PIP)" in line]
    by_hash = [words for words in installs if "--require-hashes" in words]
    assert by_hash == installs[:1]  # first, so that torch finds what it needs
    assert by_hash[0].endswith("--requirement requirements.lock")
    assert [words for words in installs if words not in by_hash] == [
        "torch==2.13.0",
        "--no-deps --no-build-isolation --editable .",  # built by the setuptools of the lock, not one fetched for it
    ]
    assert "setuptools" in pins("requirements.lock")


def test_every_dependency_that_is_named_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    locked, tested = set(pins("requirements.lock")), set(pins("constraints.txt"))
    needed = {name(one) for one in [*project["dependencies"], *extras["train"], *extras["dev"]]}
    assert needed - {"torch"} <= locked
    assert {name(one) for extra in extras.values() for one in extra} | {"torch"} <= locked | tested
