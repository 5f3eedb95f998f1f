"""The demo as a user meets it: a real server, a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from train.report.screenshots import served_demo, show

pytest.importorskip("gradio", reason="the demo needs gradio: pip install -e '.[demo]'")
HOSTILE = "<img src=x onerror=\"document.title='run'\">"


@pytest.fixture
def address(browser: Any, model: Path) -> Iterator[str]:
    with served_demo(model) as where:
        yield where


def test_a_pasted_article_is_classified(browser: Any, until: Any, address: str) -> None:
    browser.get_log("browser")
    show(browser, address)
    box = until(lambda: browser.find_element("css selector", "#article textarea"))
    box.clear()
    box.send_keys(f"رفضت الفصائل الهدنة في حلب.\n{HOSTILE} ${{1+1}} {{{{value}}}}\n=1+1 قال الوزير")
    browser.execute_script("arguments[0].click()", browser.find_element("id", "classify"))
    marked = until(lambda: browser.find_elements("css selector", "#marked p bdi"))
    texts = [each.text for each in marked]
    assert texts == ["رفضت الفصائل الهدنة في حلب.", f"{HOSTILE} ${{1+1}} {{{{value}}}}", "=1+1 قال الوزير"]
    assert browser.execute_script("return getComputedStyle(arguments[0]).direction", marked[0]) == "rtl"
    assert browser.title == "wijha" and not browser.find_elements("css selector", "#marked img, #table img")
    assert len(browser.find_elements("css selector", "#table tr")) == 4
    assert until(lambda: browser.find_element("css selector", "#download").get_attribute("disabled") is None)
    fetched = browser.execute_script("return performance.getEntriesByType('resource').map(each => each.name)")
    assert [name for name in fetched if not name.startswith((address, "data:", "blob:"))] == []
