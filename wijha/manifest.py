"""manifest.json of a model folder: size and sha256 of every file that loading or `wijha info --check` reads.

The card, metrics and evaluations are not in it: they may be written later and change nothing that the model says.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from wijha.errors import InputError
from wijha.files import file_sha256, read_json, write_json

MANIFEST = "manifest.json"
FIRST = "first"
"""A subfolder with another model, which reads before the folder's own; its manifest stands for its files."""
GOLDEN = "golden.json"
_FILES = (
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    GOLDEN,
    "export.json",
    f"{FIRST}/{MANIFEST}",
)
_RUNTIME = (".xml", ".bin")


class State(NamedTuple):
    """Size and checksum of a file."""

    bytes: int
    sha256: str


def write_manifest(folder: Path) -> None:
    """List the files of `folder` as they are now; wijha.golden.seal is what a recipe calls. The manifest of the folder
    that holds a `first/` takes note of its new one. Weights, which safetensors keeps to their owner, are opened to whom
    config.json is.
    """
    for weights in folder.glob("*.safetensors"):
        weights.chmod((folder / "config.json").stat().st_mode)
    _write(folder, states(folder))
    if folder.name == FIRST and (folder.parent / MANIFEST).exists():
        _write(folder.parent, _listed(folder.parent / MANIFEST) | {f"{FIRST}/{MANIFEST}": _state(folder / MANIFEST)})


def _write(folder: Path, files: Mapping[str, State]) -> None:
    write_json(folder / MANIFEST, {"files": {name: state._asdict() for name, state in files.items()}})


def states(folder: Path) -> dict[str, State]:
    """The files in `folder` that belong in a manifest, by name."""
    paths = [folder / name for name in _FILES if (folder / name).exists()]
    paths += sorted(path for path in (folder / "openvino").glob("*") if path.suffix in _RUNTIME)
    return {path.relative_to(folder).as_posix(): _state(path) for path in paths}


def _state(path: Path) -> State:
    return State(path.stat().st_size, file_sha256(path))


def check_manifest(folder: Path) -> dict[str, State] | None:
    """Compare the files of `folder` with its manifest; returns what it lists, or None where there is no manifest.

    Raises InputError that names the first file which is missing, changed or not listed.
    """
    if not (folder / MANIFEST).exists():
        return None
    listed, found = _listed(folder / MANIFEST), states(folder)
    if (folder / FIRST).is_dir() and f"{FIRST}/{MANIFEST}" not in {*listed, *found}:
        raise InputError(
            f"expected {MANIFEST} in {folder / FIRST}, as {folder} has one, found none; copy or release the model again"
        )
    for name in sorted({*listed, *found}):
        if found.get(name) != listed.get(name):
            raise InputError(
                f"expected {folder / name} as {MANIFEST} lists it, got "
                f"{_difference(found.get(name), listed.get(name))}; copy or train the model again"
            )
    return listed


def _listed(path: Path) -> dict[str, State]:
    try:
        files = read_json(path)["files"]
        return {name: State(int(state["bytes"]), str(state["sha256"])) for name, state in files.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"expected names, sizes and checksums in {path}, got a broken file; copy or train the model again"
        ) from error


def _difference(found: State | None, listed: State | None) -> str:
    if found is None:
        return "no such file"
    if listed is None:
        return "a file that it does not list"
    if found.bytes != listed.bytes:
        return f"{found.bytes:,} bytes instead of {listed.bytes:,}"
    return f"other content (sha256 {found.sha256[:12]} instead of {listed.sha256[:12]})"
