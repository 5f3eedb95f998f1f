"""A headless Chromium, where there is one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from train.report.screenshots import chromium
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
    """Calls something until it gives a true value, for three minutes at most; an error is a false value until then."""

    def wait(ask: Callable[[], Any]) -> Any:
        from selenium.common.exceptions import WebDriverException

        last: object = None
        for _ in range(900):
            try:
                if value := ask():
                    return value
            except (WebDriverException, OSError) as error:
                last = error
            time.sleep(0.2)
        raise AssertionError(f"it never came: {last}")

    return wait
