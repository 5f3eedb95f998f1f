"""The report on an archive in a real browser."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from train.report.screenshots import show
from wijha.archive import archive_report

pytest.importorskip("duckdb", reason="wijha report needs duckdb: pip install -e '.[report]'")
HOSTILE = "</script><img src=x onerror=\"document.title='run'\"> رفض"


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Any:
    rows = [
        {"text": text, "date": f"2013-0{number + 1}-01", "outlet": "الجزيرة", "zones_stance": stance}
        for number, (text, stance) in enumerate([(HOSTILE, "against"), ("=1+1 أيد", "favor"), ("طقس", "absent")])
    ]
    source = tmp_path / "archive.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    archive_report(source, tmp_path / "page.html")
    browser.get_log("browser")
    show(browser, (tmp_path / "page.html").as_uri())
    return browser


def test_every_point_opens_its_sentences_as_text(opened: Any) -> None:
    panel = opened.find_element("id", "sentences")
    assert not panel.is_displayed()
    seen, click = [], "arguments[0].dispatchEvent(new MouseEvent('click', {bubbles: true, cancelable: true}))"
    for link in opened.find_elements("css selector", "[data-point]"):
        opened.execute_script(click, link)
        assert panel.is_displayed() and panel.find_element("tag name", "h3").text
        seen += [each.text for each in panel.find_elements("css selector", "li bdi")]
    assert set(seen) == {HOSTILE, "=1+1 أيد"}
    assert opened.title == "What archive.jsonl says" and not opened.find_elements("tag name", "img")
    assert opened.get_log("browser") == []


def test_the_keyboard_opens_and_closes(opened: Any) -> None:
    link = opened.find_element("css selector", ".outlets [data-point]")
    link.send_keys("\ue007")
    panel = opened.find_element("id", "sentences")
    assert panel.is_displayed() and opened.switch_to.active_element == panel
    panel.send_keys("\ue00c")  # Escape
    assert not panel.is_displayed() and opened.switch_to.active_element == link


def test_arabic_runs_from_right_to_left(opened: Any) -> None:
    name = opened.find_element("css selector", ".outlets tbody bdi")
    assert name.text == "الجزيرة"
    assert opened.execute_script("return getComputedStyle(arguments[0]).direction", name) == "rtl"
