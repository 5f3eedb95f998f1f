"""The report on a model in a real browser."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from train.report.__main__ import report
from train.report.screenshots import screenshots, show
from wijha import Schema

ROOT = Path(__file__).resolve().parents[2]
TOPICS = Schema.from_yaml(ROOT / "configs" / "schema.yaml").topic_names
HOSTILE = "<img src=x onerror=\"document.title='run'\"> رفضت الفصائل الهدنة"


@pytest.fixture(scope="module")
def page(model: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report whose first rows are all wrong: markup, a formula, and a sentence with diacritics."""
    folder = tmp_path_factory.mktemp("page")
    rows = [json.loads(line) for line in data.read_text(encoding="utf-8").splitlines()][:30]
    for row, text in zip(rows, (HOSTILE, "=1+1 بحث الوزيران", "أَكَّدَ الإرهابَ"), strict=False):
        row |= {"text": text} | dict.fromkeys(TOPICS, "against")
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return report(Path(shutil.copytree(model, folder / "model")), model, path)


@pytest.fixture
def opened(browser: Any, page: Path) -> Any:
    browser.get_log("browser")
    show(browser, page.as_uri())
    return browser


def _shown(browser: Any) -> list[Any]:
    return [row for row in browser.find_elements("css selector", "#errors-table tbody tr") if row.is_displayed()]


def _count(browser: Any) -> int:
    return int(browser.find_element("id", "count").text.split()[0])


def test_it_opens_without_a_word_on_the_console_and_fetches_nothing(opened: Any) -> None:
    assert opened.get_log("browser") == []
    assert opened.execute_script("return performance.getEntriesByType('resource').length") == 0


def test_what_looks_like_markup_or_a_formula_is_text(opened: Any) -> None:
    texts = [cell.text for cell in opened.find_elements("css selector", "#errors-table td.text")]
    assert HOSTILE in texts and "=1+1 بحث الوزيران" in texts
    assert opened.title.startswith("Report on") and not opened.find_elements("tag name", "img")


def test_arabic_runs_from_right_to_left(opened: Any) -> None:
    direction = "return getComputedStyle(arguments[0]).direction"
    cells = opened.find_elements("css selector", "#errors-table td.text bdi")
    arabic = next(cell for cell in cells if "الإرهابَ" in cell.text)
    assert opened.execute_script(direction, arabic) == "rtl"
    assert opened.execute_script(direction, opened.find_element("tag name", "body")) == "ltr"


def test_filters_narrow_and_reset_shows_all(opened: Any) -> None:
    whole = _count(opened)
    assert whole == len(_shown(opened)) >= 12
    search = opened.find_element("name", "text")
    search.send_keys("اكد الارهاب")  # without hamza and diacritics
    assert 0 < _count(opened) == len(_shown(opened)) <= 4
    opened.find_element("name", "topic").send_keys("Status of Jerusalem")
    assert all(row.get_attribute("data-topic") == "jerusalem_status" for row in _shown(opened)) and _count(opened) <= 1
    opened.execute_script("arguments[0].click()", opened.find_element("css selector", "#filters button"))
    assert opened.execute_async_script("setTimeout(arguments[0])") is None and _count(opened) == whole


def test_a_confusion_leads_to_its_errors(opened: Any) -> None:
    button = opened.find_element("css selector", "button[data-predicted]")
    opened.execute_script("arguments[0].click()", button)
    opened.execute_async_script("setTimeout(arguments[0], 50)")
    assert _count(opened) == int(button.get_attribute("textContent"))


def test_a_heading_sorts_with_the_keyboard(opened: Any) -> None:
    def values() -> list[float]:
        return [float(row.find_element("css selector", "td.number").text) for row in _shown(opened)]

    assert values() == sorted(values(), reverse=True)
    heading = opened.find_element("xpath", "//table[@id='errors-table']//button[text()='probability']")
    heading.send_keys("\ue007")  # Enter
    assert values() == sorted(values())
    assert opened.find_elements("css selector", "#errors-table th[aria-sort=ascending]")


def test_a_phone_scrolls_in_one_direction_and_dark_is_dark(browser: Any, page: Path) -> None:
    show(browser, page.as_uri(), "dark", 390, 844)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
    ground = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert sum(map(int, ground[4:-1].split(","))) < 150


def test_screenshots_are_written(browser: Any, page: Path, tmp_path: Path) -> None:
    written = screenshots(str(page), tmp_path / "shots")
    assert [path.name for path in written] == [f"{page.stem}-{look}.png" for look in ("light", "dark", "phone")]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written)
