"""The one error that users are meant to read."""

from __future__ import annotations

import errno
from pathlib import Path


class InputError(ValueError):
    """Something given from outside is not as expected; the message says what to do. Exit code 2."""


def told(error: BaseException | None) -> InputError | None:
    """An error as a user is meant to read it, and what the system says of a path as such a one; None for any other."""
    if isinstance(error, OSError) and (isinstance(error.filename, str | Path) or error.errno == errno.ENOSPC):
        reason = f"expected to read or write {error.filename or 'what is printed'}, got: {error.strerror}"
        return InputError(f"{reason}; name another path, or mend this one and run the command again")
    return error if isinstance(error, InputError) else None
