"""What a job was begun with, so that it goes on with nothing else."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wijha.files import file_sha256
from wijha.manifest import FIRST
from wijha.paths import Pair

_HEAD_BYTES = 1 << 20
_MODEL = ("*.safetensors", "*.bin", "*.xml", "config.json", "tokenizer.json", "tokenizer_config.json")
_FOLDERS = ("", "openvino", FIRST, f"{FIRST}/openvino")


def input_states(pairs: Sequence[Pair]) -> list[dict[str, Any]]:
    """Name and state of every input."""
    return [{"name": pair.name, **file_state(pair.source)} for pair in pairs]


def file_state(path: Path) -> dict[str, Any]:
    """Size, time of change and sha256 of the first MiB of a file."""
    with open(path, "rb") as file:
        state, digest = os.fstat(file.fileno()), hashlib.sha256(file.read(_HEAD_BYTES))
    return {"bytes": state.st_size, "changed": state.st_mtime_ns, "sha256": digest.hexdigest()}


def time_to_touch(nanoseconds: int) -> str:
    """The time of change in a file's state as `touch -d` takes it."""
    seconds, rest = divmod(nanoseconds, 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09}Z"


def model_state(folder: Path) -> str:
    """sha256 over settings, tokenizer and weights of a model folder, of what other runtimes read and of `first/`."""
    digest = hashlib.sha256()
    for path in sorted(path for name in _FOLDERS for kind in _MODEL for path in (folder / name).glob(kind)):
        digest.update(str(path.relative_to(folder)).encode() + bytes.fromhex(file_sha256(path)))
    return digest.hexdigest()
