"""Files that are whole or not there."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import yaml

from wijha.errors import InputError

DISK_IS_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # EFBIG: a limit on the size of files


def create(path: Path) -> BinaryIO:
    """A new file to write to; what stood there goes, so that nothing is ever written through a link."""
    try:
        return open(path, "xb")
    except FileExistsError:
        path.unlink()
        return open(path, "xb")


def without_link(path: Path | str, flags: int) -> int:
    """A descriptor of a file that is no link to another: what is written stays where it is."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)


def locked(path: Path) -> int:
    """A descriptor of a file that no other process has locked; closing it lets go. Raises OSError where one has."""
    descriptor = without_link(path, os.O_WRONLY | os.O_CREAT)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def sync(folder: Path) -> None:
    """Bring the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def file_sha256(path: Path) -> str:
    """Checksum of a file of any size."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def temporary(path: Path) -> Path:
    """Where a file is written before it takes its place."""
    return path.with_name(f".{path.name}.part")


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, which takes the place of `path` once it is on the disk; after an error it is gone.

    A kill or a loss of power leaves the old file or the new one, never half of one.
    """
    unfinished = temporary(path)
    try:
        with create(unfinished) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
        sync(path.parent)
    except OSError as error:
        if error.errno and not error.filename:
            error.filename = str(path)  # a write that fails names no file
        raise
    finally:
        unfinished.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8; the file is whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        file.write(text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """What a JSON file holds. Raises OSError where it cannot be read, ValueError for what is no JSON in UTF-8."""
    return json.loads(path.read_text(encoding="utf-8"))


class _Unique(yaml.SafeLoader):
    """Refuses a name that stands twice in a mapping, where YAML takes the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = set()
        for key, _ in node.value:
            name = self.construct_object(key, deep=True)
            if name in names:
                raise yaml.constructor.ConstructorError(problem=f"{name!r} a second time", problem_mark=key.start_mark)
            names.add(name)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> Any:
    """What a YAML file holds. Raises OSError where it cannot be read, InputError for what is no YAML in UTF-8."""
    try:
        return yaml.load(path.read_text(encoding="utf-8"), _Unique)
    except UnicodeDecodeError as error:
        raise InputError(f"expected YAML in UTF-8 in {path}, found another encoding; convert it") from error
    except yaml.MarkedYAMLError as error:
        line = f" line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise InputError(f"expected YAML in {path}{line}, found {error.problem}; mend the file") from error
    except (yaml.YAMLError, ValueError, TypeError) as error:  # a character or a date that is none, a list as a name
        raise InputError(f"expected YAML in {path}, got {str(error).splitlines()[0]}; mend the file") from error
