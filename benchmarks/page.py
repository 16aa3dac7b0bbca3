"""How long people wait at the page, two at once, while nothing else runs and while a retraining does.

    python benchmarks/page.py [--questions 20] [--json OUT.json]

`ragloop up` with the example's documents and questions in a temporary home. Two windows of Chromium send a question at
the same moment, and the next once both are answered; a question is asked once a window. The time is taken in the
browser: from Enter to the first words, and to the end of the answer with its sources. First with nothing beside them,
then, in the same run, while `ragloop retrain --remote` trains on the same machine. Nothing else is to run meanwhile.
Needs the extra `system` and Chromium.
"""

import argparse
import json
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
from typing import Any

import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright
from quality.results import markdown

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
SLOW_MS = 180_000
TARGET_MS = 2_000
MOMENTS = {"first": "first words", "done": "whole answer"}

# Notes when Enter is pressed, when the question that was asked has the first words of its answer, and when it has all.
WATCH = """
window.times = {};
addEventListener('keydown', event => {
    if (event.key === 'Enter') window.times = {begun: performance.now(), asked: event.target.value};
}, true);
new MutationObserver(() => {
    const times = window.times;
    const [question, answer] = [...document.querySelectorAll('[data-testid="stChatMessage"]')].slice(-2);
    if (times.begun === undefined || times.done !== undefined || !answer) return;
    if (!question.innerText.includes(times.asked)) return;
    if (times.first === undefined && answer.querySelector('[data-testid="stText"]')?.innerText)
        times.first = performance.now();
    if (answer.querySelector('details')) times.done = performance.now();
}).observe(document, {childList: true, subtree: true, characterData: true});
"""


def main() -> None:
    """Measure; print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=20, help="a window, and without and with a retraining")
    parser.add_argument("--json", type=Path, help="write all times")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        with running(Path(folder)) as (page_url, key, ragloop):
            measured = measure(browser, page_url, key, ragloop, options.questions)
        browser.close()
    if options.json:
        options.json.write_text(json.dumps(measured))
    print(table(measured))


@contextmanager
def running(folder: Path) -> Iterator[tuple[str, str, Any]]:
    """Run `ragloop up`; yields the page's address, a key, and what runs a command in the same home."""
    environment = os.environ | {"RAGLOOP_HOME": str(folder / "home"), "RAGLOOP_KEY_FILE": str(folder / "keyring.json")}
    command = [sys.executable, "-m", "app.cli"]

    def ragloop(*arguments: str) -> str:
        done = subprocess.run([*command, *arguments], cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE)
        return done.stdout.decode()

    ragloop("ingest", str(EXAMPLE / "corpus"))
    ragloop("pairs", "import", str(EXAMPLE / "chat_log.jsonl"))
    key = ragloop("keys", "create", "--role", "admin", "--quiet").strip()
    log = folder / "up.log"
    with log.open("wb") as file:
        process = subprocess.Popen([*command, "up"], cwd=ROOT, env=environment, stdout=file, stderr=file)
    try:
        while "\nready\n" not in log.read_text():
            if process.poll() is not None:
                sys.exit(f"`ragloop up` ended:\n{log.read_text()}")
            time.sleep(0.5)
        yield re.findall(r"^page +(\S+)$", log.read_text(), re.MULTILINE)[0], key, ragloop
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(120)


def measure(browser: Browser, url: str, key: str, ragloop: Any, n: int) -> dict[str, list[dict[str, float]]]:
    """Ask without and with a retraining beside; returns the times of each question in ms."""
    with (EXAMPLE / "chat_log.jsonl").open() as lines:
        questions = [json.loads(line)["question"] for line in lines]
    windows = [window(browser, url, key) for _ in range(2)]
    ask(windows, questions[-1])  # whoever comes first waits for models to be read
    found = {"alone": [each for q in questions[:n] for each in ask(windows, q)]}
    ragloop("retrain", "--remote")
    while not trains(ragloop):
        time.sleep(1)
    found["retraining"] = [each for q in questions[n : 2 * n] for each in ask(windows, q)]
    if not trains(ragloop):
        sys.exit("the training ended before the questions did: ask fewer")
    return found


def trains(ragloop: Any) -> bool:
    """Say whether a process of the retraining has the device."""
    return str(json.loads(ragloop("status", "--json"))["device"]).startswith("taken")


def window(browser: Browser, url: str, key: str) -> Page:
    """Open a window of somebody's own, and sign in."""
    page = browser.new_context().new_page()
    page.set_default_timeout(SLOW_MS)
    page.add_init_script(WATCH)
    page.goto(url)
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_placeholder("Ask about the documents").wait_for()
    page.wait_for_timeout(3000)  # what is typed while the page is drawn is lost
    return page


def ask(windows: list[Page], question: str) -> list[dict[str, float]]:
    """Ask in all windows at once."""
    for page in windows:
        page.get_by_placeholder("Ask about the documents").fill(question)
    for page in windows:
        page.keyboard.press("Enter")
    for page in windows:
        page.wait_for_function("window.times.done !== undefined")
    times = [page.evaluate("window.times") for page in windows]
    return [{name: t[name] - t["begun"] for name in MOMENTS} for t in times]


def table(measured: dict[str, list[dict[str, float]]]) -> str:
    """Return median and 95th percentile of both moments, and how much longer they take beside a retraining."""
    rows = []
    for moment, name in MOMENTS.items():
        alone, beside = (np.percentile([each[moment] for each in measured[of]], [50, 95]) for of in measured)
        cells = [f"{ms:,.0f}" for ms in (*alone, *beside)] + [f"{ratio:.2f}" for ratio in beside / alone]
        rows.append([name, *cells, "yes" if beside[1] < TARGET_MS else "no"])
    header = ["ms", "alone p50", "p95", "retraining p50", "p95", "ratio p50", "p95", f"p95 under {TARGET_MS:,}"]
    return markdown(header, rows)


if __name__ == "__main__":
    main()
