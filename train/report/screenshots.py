"""Pictures of a page in light, dark and on a phone, by headless Chromium.

python -m train.report.screenshots runs/default/model/report.html runs/screenshots
python -m train.report.screenshots http://127.0.0.1:7860 runs/screenshots        # a running `wijha demo`
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from train.command import one_sentence_errors
from wijha.errors import InputError

VIEWS = {"light": ("light", 1280, 900), "dark": ("dark", 1280, 900), "phone": ("light", 390, 844)}
_LONGEST = 16_000  # pixels; Chromium draws no taller picture


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", help="an .html file or an address")
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    with one_sentence_errors():
        for path in screenshots(arguments.page, arguments.folder):
            print(path)


def screenshots(page: str, folder: Path) -> list[Path]:
    """Write a PNG of the whole page for each of VIEWS. Raises InputError without the page or Chromium."""
    address, name = page, "page"
    if "://" not in page:
        path = Path(page).resolve()
        if not path.is_file():
            raise InputError(f"expected a page at {page}, found none; write it with python -m train.report MODEL")
        address, name = path.as_uri(), path.stem
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    with chromium() as browser:
        for view, (scheme, width, height) in VIEWS.items():
            show(browser, address, scheme, width, height)
            whole = browser.execute_script("return document.documentElement.scrollHeight")
            resize(browser, width, max(height, min(whole, _LONGEST)))
            written.append(folder / f"{name}-{view}.png")
            browser.save_screenshot(str(written[-1]))
    return written


@contextmanager
def chromium() -> Iterator[Any]:
    """A headless Chromium that reaches no network but this machine; Debian's packages chromium and chromium-driver.

    Raises InputError that says what is missing.
    """
    programs = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    try:
        from selenium import webdriver
    except ModuleNotFoundError:
        raise InputError("expected the package selenium, found it missing; run: pip install selenium") from None
    if missing := [name for name, path in programs.items() if not path]:
        raise InputError(f"expected {' and '.join(missing)}, found none; run: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = str(programs["chromium"])
    for word in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "hide-scrollbars"):
        options.add_argument(f"--{word}")
    options.add_argument("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options, webdriver.ChromeService(programs["chromedriver"]))
    try:
        yield browser
    finally:
        browser.quit()


def show(browser: Any, address: str, scheme: str = "light", width: int = 1280, height: int = 900) -> None:
    """Open a page with a colour scheme and a size of the window, in CSS pixels."""
    resize(browser, width, height)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.get(address)


def resize(browser: Any, width: int, height: int) -> None:
    """Set the size of what the page sees, in CSS pixels."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


if __name__ == "__main__":
    main()
