"""Packages that only some commands need: asked for when they are, named with their command when they are missing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from wijha.errors import InputError

_TELEMETRY = "openvino_telemetry"


def need(package: str, extra: str = "") -> Any:
    """Import `package`, which `wijha[extra]` installs, or `wijha` itself.

    Raises InputError with the command where it is missing or broken.
    """
    what = f"--editable '.[{extra}]' in the clone of wijha" if extra else package
    command = f"python -m pip install {what}"
    try:
        with untold():
            return import_module(package)
    except ModuleNotFoundError as error:
        raise InputError(f"expected the package {error.name}, found it missing; run: {command}") from error
    except ImportError as error:
        raise InputError(
            f"expected the package {package} to load, got: {error}; install it again: {command}"
        ) from error


@contextmanager
def untold() -> Iterator[None]:
    """While it lasts, openvino and nncf are imported as where the package is missing by which they tell their maker of
    every start, with an identity that they keep in the user's home folder."""
    modules: dict[str, Any] = sys.modules
    hidden = _TELEMETRY not in modules
    if hidden:
        modules[_TELEMETRY] = None
    try:
        yield
    finally:
        if hidden:
            del modules[_TELEMETRY]
