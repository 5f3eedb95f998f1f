"""The one error that users are meant to read."""


class InputError(ValueError):
    """Something given from outside is not as expected; the message says what to do. Exit code 2."""
