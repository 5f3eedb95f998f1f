"""A headless Chromium, where there is one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from train.report.screenshots import chromium, wait_for
from wijha import InputError

Until = Callable[[Callable[[], Any]], Any]


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    try:
        context = chromium()
        driver = context.__enter__()
    except InputError as error:
        pytest.skip(str(error))
    yield driver
    context.__exit__(None, None, None)


@pytest.fixture
def until() -> Until:
    """Calls something until it gives a true value."""
    return wait_for
