"""Pictures of a page in light, dark and on a phone, by headless Chromium.

python -m train.report.screenshots runs/default/model/report.html runs/screenshots
python -m train.report.screenshots http://127.0.0.1:7860 runs/screenshots        # a running `wijha demo`
python -m train.report.screenshots --readme     # docs/report.png, docs/demo.png: the shipped model on the challenge
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from train.command import command_line, one_sentence_errors
from train.data import CHALLENGE
from train.release import SHIPPED
from train.report.__main__ import report
from wijha.errors import InputError

VIEWS = {"light": ("light", 1280, 900), "dark": ("dark", 1280, 900), "phone": ("light", 390, 844)}
_LONGEST = 16_000  # pixels; Chromium draws no taller picture


def main() -> None:
    """Command line."""
    parser = command_line(__doc__)
    parser.add_argument("page", nargs="?", help="an .html file or an address")
    parser.add_argument("folder", type=Path, nargs="?", default=Path("runs/screenshots"))
    parser.add_argument("--readme", action="store_true", help="the pictures of README instead")
    arguments = parser.parse_args()
    with one_sentence_errors():
        if not (arguments.page or arguments.readme):
            raise InputError("expected a page or --readme, found neither; name one")
        for path in readme_pictures() if arguments.readme else screenshots(arguments.page, arguments.folder):
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


def readme_pictures() -> list[Path]:
    """The first window of the report on the challenge set, whose sentences may be shown, and of the demo at work."""
    written = [Path("docs/report.png"), Path("docs/demo.png")]
    page = report(SHIPPED, data=CHALLENGE).resolve().as_uri()
    with chromium() as browser:
        show(browser, page)
        browser.save_screenshot(str(written[0]))
    with served_demo(SHIPPED) as address, chromium() as browser:
        show(browser, address)
        wait_for(lambda: browser.find_element("id", "classify").is_displayed())
        browser.execute_script("arguments[0].click()", browser.find_element("id", "classify"))
        wait_for(lambda: browser.find_elements("css selector", "#marked p") and is_idle(browser))
        browser.save_screenshot(str(written[1]))
    return written


@contextmanager
def served_demo(model: Path) -> Iterator[str]:
    """A running `wijha demo` of the model on a free port of this machine; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "wijha.cli", "demo", "--model", str(model), "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        wait_for(lambda: server.poll() is not None or urlopen(address).status == 200)
        yield address
    finally:
        server.terminate()
        server.wait(20)


def is_idle(browser: Any) -> bool:
    """Whether the demo has drawn all that it has to say."""
    return not browser.find_elements("css selector", ".generating, .progress-text")


def wait_for(ask: Callable[[], Any]) -> Any:
    """What `ask` gives once it is true; an error is a false value until then. Raises InputError after three minutes."""
    from selenium.common.exceptions import WebDriverException

    last: object = None
    for _ in range(900):
        try:
            if value := ask():
                return value
        except (WebDriverException, OSError) as error:
            last = error
        time.sleep(0.2)
    raise InputError(f"expected the page within three minutes, it never came: {last}; try again")


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
