"""Takes the pictures of the page that the README shows: `python docs/screenshots.py [FOLDER]`.

A home of its own is made in a temporary folder with the example's documents and questions, and retrained once, which
takes some minutes; the HTTP API and the page run on free ports of the loopback. Needs the extra `system` and Chromium.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples"
QUESTION = "How do I reset it?"
WIDTHS = (1400, 420)
SLOW_S = 180
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--hide-scrollbars"]


def main(folder: Path) -> None:
    """Write page-ask-1400.png and its like into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        home = Path(temporary)
        environment = os.environ | {"RAGLOOP_HOME": str(home / "home"), "RAGLOOP_KEY_FILE": str(home / "keyring.json")}
        ragloop = [sys.executable, "-m", "app.cli"]
        learn = (["ingest", EXAMPLE / "corpus"], ["pairs", "import", EXAMPLE / "chat_log.jsonl"], ["retrain"])
        for command in learn:
            subprocess.run([*ragloop, *map(str, command)], cwd=ROOT, env=environment, check=True)
        create = [*ragloop, "keys", "create", "--role", "admin", "--quiet"]
        key = subprocess.run(create, cwd=ROOT, env=environment, check=True, capture_output=True, text=True).stdout
        (home / "key").write_text(key)
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        api = running([*ragloop, "serve", "--port", "0"], environment, home / "serve.log")
        with api as url:
            ask = [*ragloop, "page", "--port", "0", "--api", url, "--api-key-file", str(home / "key")]
            with running(ask, environment, home / "page.log") as address:
                for width in WIDTHS:
                    page = browser.new_page(viewport={"width": width, "height": 1000})
                    page.set_default_timeout(SLOW_S * 1000)
                    page.goto(address)
                    shoot(page, folder, width)
                    page.close()
        browser.close()


@contextmanager
def running(command: list[str], environment: dict[str, str], log: Path) -> Iterator[str]:
    """Run a server; yields its address once it is ready, and ends it."""
    with log.open("wb") as file:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=file, stderr=file)
    try:
        end = time.monotonic() + SLOW_S
        while not (ready := re.search(r"^ready (\S+)$", log.read_text(), re.MULTILINE)):
            if process.poll() is not None or time.monotonic() > end:
                sys.exit(f"{' '.join(command)} is not ready:\n{log.read_text()}")
            time.sleep(0.2)
        yield ready.group(1)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def shoot(page: Page, folder: Path, width: int) -> None:
    """Ask, open the source, and take a picture of each page."""
    expect.set_options(timeout=SLOW_S * 1000)
    page.get_by_placeholder("Ask about the documents").fill(QUESTION)
    page.keyboard.press("Enter")
    page.get_by_test_id("stButtonGroup").get_by_text("page").first.click()
    expect(page.locator("[class*=st-key-marked]").first).to_be_visible()
    page.get_by_role("radio", name="Thumbs up").click()
    expect(page.get_by_text("Thank you")).to_be_visible()
    picture(page, folder / f"page-ask-{width}.png")
    for link in ("Documents", "Learning"):
        if width < 800:
            page.get_by_test_id("stExpandSidebarButton").click()
        page.get_by_role("link", name=link).click()
        if width < 800:  # where it would cover the page
            page.get_by_test_id("stSidebarCollapseButton").get_by_role("button").click()
        expect(page.get_by_role("heading", name=link, exact=True)).to_be_visible()
        picture(page, folder / f"page-{link.lower()}-{width}.png")


def picture(page: Page, path: Path) -> None:
    """Take a picture once nothing moves any more.

    :raises SystemExit: if something is wider than the window.
    """
    page.wait_for_timeout(3000)
    if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
        sys.exit(f"{path.name}: something is wider than the window")
    page.screenshot(path=path)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs")
