"""The demo as a user meets it: a real server, a real browser."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from train.report.screenshots import show

pytest.importorskip("gradio", reason='the demo needs gradio: pip install "wijha[demo]"')
ROOT = Path(__file__).resolve().parents[2]
HOSTILE = "<img src=x onerror=\"document.title='run'\">"
_SERVE = (
    "import argparse, sys; from wijha import demo; parser = argparse.ArgumentParser(); "
    "demo.add_parser(parser.add_subparsers()); arguments = parser.parse_args(); arguments.command(arguments)"
)


@pytest.fixture
def address(browser: Any, until: Any, model: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", _SERVE, "demo", "--model", str(model), "--port", str(port)]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: server.poll() is not None or urlopen(f"http://127.0.0.1:{port}").status == 200)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(20)


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
