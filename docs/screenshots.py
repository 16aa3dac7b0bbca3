"""Takes the pictures of the page and of Prefect's UI that the README shows: `python docs/screenshots.py [FOLDER]`.

`ragloop up` runs in a temporary folder with the example's documents and questions, and a retraining is started on the
page, which takes some minutes. Of this shell's variables of ragloop and Prefect only RAGLOOP_PROFILE counts. Needs the
extra `system` and Chromium.
"""

import math
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

import yaml
from playwright.sync_api import Locator, Page, expect, sync_playwright

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples"
QUESTION = "Why can't the Tarn 300 just go into a normal wall socket?"
ANSWER = "a plug is not permitted"
WIDTHS = (1400, 420)
TALLEST, MARGIN = 3000, 180
"""Pixels: of a window before it is fitted to what it shows, and below that, where the field for questions lies."""
SETTLED_MS = 3000
SLOW_S = 180
TRAINING_S = 3600
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--hide-scrollbars"]
CUT = """[...document.querySelectorAll('html, #stMain, #stMain *')].some(e => e.scrollWidth > e.clientWidth
    && (e === document.documentElement || ['auto', 'scroll'].includes(getComputedStyle(e).overflowX)))"""


def main(folder: Path) -> None:
    """Write page-ask-1400.png and its like, and deployments.png, into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    expect.set_options(timeout=SLOW_S * 1000)
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        home = Path(temporary)
        run_ragloop(home, "ingest", EXAMPLE / "corpus")
        run_ragloop(home, "pairs", "import", EXAMPLE / "chat_log.jsonl")
        key = run_ragloop(home, "keys", "create", "--role", "admin", "--quiet").strip()
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        with running(home) as addresses:
            retrain(signed_in(browser.new_page(), addresses["page"], key))
            for width in WIDTHS:
                page = browser.new_page(viewport={"width": width, "height": TALLEST})
                shoot(signed_in(page, addresses["page"], key), folder, width)
                page.close()
            page = browser.new_page(viewport={"width": WIDTHS[0], "height": TALLEST})
            shoot_deployments(page, addresses["ui"], folder)
        browser.close()


def command(*arguments: object) -> list[str]:
    """Return what runs ragloop."""
    return [sys.executable, "-m", "app.cli", *map(str, arguments)]


def environment(home: Path) -> dict[str, str]:
    """Return the variables of a home that shares nothing with another."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("RAGLOOP_", "PREFECT_")) or k == "RAGLOOP_PROFILE"}
    return kept | {"RAGLOOP_HOME": str(home / "home"), "RAGLOOP_KEY_FILE": str(home / "keyring.json")}


def run_ragloop(home: Path, *arguments: object) -> str:
    """Run a command to its end, in a folder without a `.env`; returns what it prints."""
    done = subprocess.run(
        command(*arguments), cwd=home, env=environment(home), check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout


@contextmanager
def running(home: Path) -> Iterator[dict[str, str]]:
    """Run `ragloop up`; yields its addresses by name once it is ready, and ends it."""
    log = home / "up.log"
    with log.open("wb") as file:
        process = subprocess.Popen(command("up"), cwd=home, env=environment(home), stdout=file, stderr=file)
    try:
        end = time.monotonic() + SLOW_S
        while not re.search(r"^ready$", log.read_text(), re.MULTILINE):
            if process.poll() is not None or time.monotonic() > end:
                sys.exit(f"`ragloop up` is not ready:\n{log.read_text()}")
            time.sleep(0.2)
        yield dict(re.findall(r"^(\w+) +(http\S+)$", log.read_text(), re.MULTILINE))
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(120)


def signed_in(page: Page, address: str, key: str) -> Page:
    """Open the page and enter with a key."""
    page.set_default_timeout(SLOW_S * 1000)
    page.goto(address)
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Ask your documents")).to_be_visible()
    return page


def retrain(page: Page) -> None:
    """Start a retraining on the page, and wait until it has ended.

    :raises SystemExit: if it is not done then.
    """
    page.get_by_role("link", name="Learning").click()
    page.get_by_role("button", name="Start a retraining").click()
    ended = page.get_by_text(re.compile("^The last retraining"))
    expect(ended).to_be_visible(timeout=TRAINING_S * 1000)
    if "is done" not in (said := ended.inner_text()):
        sys.exit(said)
    page.close()


def shoot(page: Page, folder: Path, width: int) -> None:
    """Ask, open the source, and take a picture of each page."""
    page.get_by_placeholder("Ask about the documents").fill(QUESTION)
    page.keyboard.press("Enter")
    messages = page.get_by_test_id("stChatMessage")
    page.get_by_test_id("stButtonGroup").get_by_text("page").first.click()
    page.get_by_role("radio", name="Thumbs up").click()
    expect(page.get_by_text("Thank you")).to_be_visible()
    parts = {
        "the question": messages.get_by_text(QUESTION),
        "the answer": messages.get_by_test_id("stText").filter(has_text=ANSWER).first,
        "the page of the source": page.get_by_role("img", name="with the passage marked"),
        "a marked passage that answers": page.locator("[class*=st-key-marked]").filter(has_text=ANSWER).first,
        "the end of the answer": page.get_by_text("Why this answer?"),
    }
    picture(page, folder / f"page-ask-{width}.png", parts)
    go(page, "Documents", width)
    parts = {"the table of documents": page.get_by_test_id("stTable")}
    picture(page, folder / f"page-documents-{width}.png", parts)
    go(page, "Learning", width)
    parts = {
        "feedback": page.get_by_text("reactions are new"),
        "the last retraining": page.get_by_text("The last retraining is done"),
        "what serves": page.get_by_text(re.compile(r"^Release \d+, production$")),
        "a release's paired gain": page.get_by_text(re.compile(r"gain in .+ \[.+\]", re.IGNORECASE)).first,
    }
    picture(page, folder / f"page-learning-{width}.png", parts)


def go(page: Page, name: str, width: int) -> None:
    """Open a page by its link."""
    if width < 800:
        page.get_by_test_id("stExpandSidebarButton").click()
    page.get_by_role("link", name=name).click()
    if width < 800:  # where it would cover the page
        page.get_by_test_id("stSidebarCollapseButton").get_by_role("button").click()
    expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()


def shoot_deployments(page: Page, address: str, folder: Path) -> None:
    """Take a picture of all deployments in Prefect's UI."""
    page.goto(f"{address}/deployments?limit=50")
    declared = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
    names = [each["name"] for each in declared]
    picture(page, folder / "deployments.png", {name: page.get_by_role("link", name=name).first for name in names})


def picture(page: Page, path: Path, parts: dict[str, Locator]) -> None:
    """Take a picture that is as high as the parts that it is to show need, once nothing moves any more.

    :raises SystemExit: if one of them is not to be seen, or something is cut off at its side.
    """
    assert page.viewport_size
    width = page.viewport_size["width"]
    page.set_viewport_size({"width": width, "height": TALLEST})
    for what, part in parts.items():
        try:
            expect(part).to_be_visible()
        except AssertionError:
            sys.exit(f"{path.name}: {what} is missing")
    page.wait_for_timeout(SETTLED_MS)
    boxes = [box for part in parts.values() if (box := part.bounding_box())]
    bottom = max(box["y"] + box["height"] for box in boxes)
    page.set_viewport_size({"width": width, "height": math.ceil(bottom) + MARGIN})
    page.wait_for_timeout(SETTLED_MS)
    for what, part in parts.items():
        try:
            expect(part).to_be_in_viewport(ratio=1)
        except AssertionError:
            sys.exit(f"{path.name}: {what} is not wholly in the picture")
    if page.evaluate(CUT):
        sys.exit(f"{path.name}: something is cut off at its side")
    page.screenshot(path=path)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs")
