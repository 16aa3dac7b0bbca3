"""The page about a release in a real browser: opened from the disk, without a network."""

import io
import re
import shutil
import socket
import subprocess
import threading

import numpy as np
import pytest
from PIL import Image
from pypdf import PdfReader

from rag.report.facts import release_report
from rag.report.html import release_page
from rag.report.texts import load_texts
from tests.rag.report.page import Page
from tests.rag.report.parts import HOSTILE_FACT, judged_parts

pytestmark = pytest.mark.system

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --hide-scrollbars --window-size=1100,6000 --no-pdf-header-footer"
).split()
DARK = "--blink-settings=preferredColorScheme=0"


class Proxy:
    """Stands between the browser and all others, lets nothing through, and notes what was asked for."""

    def __init__(self):
        self.asked = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while True:
            try:
                connection = self._socket.accept()[0]
            except OSError:
                return
            with connection:
                connection.settimeout(5)
                self.asked.append(connection.recv(2000).decode(errors="replace"))

    def close(self):
        self._socket.close()


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    return judged_parts(tmp_path_factory.mktemp("parts"))


@pytest.fixture(scope="module")
def page(parts, tmp_path_factory):
    """The file, with all that is folded open."""
    path = tmp_path_factory.mktemp("page") / "release.html"
    path.write_text(release_page(parts.space, parts.better), encoding="utf-8")
    return path


@pytest.fixture
def browser(tmp_path):
    """Open a file in Chromium; returns what it prints."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert found, "no browser: install the Debian package chromium"
    proxy = Proxy()

    def open_file(path, *options):
        command = [found, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", f"--proxy-server={proxy.address}"]
        return subprocess.run(
            [*command, *options, path.as_uri()], capture_output=True, timeout=180, check=True
        ).stdout.decode()

    open_file.asked_for = lambda: [line for line in proxy.asked if ".example" in line]
    yield open_file
    proxy.close()


def looked_at(path):
    return np.asarray(Image.open(io.BytesIO(path.read_bytes())).convert("RGB")).astype(int)


def test_it_opens_and_is_no_blank_page_in_light_and_in_dark(page, browser, tmp_path):
    brightness = []
    for name, options in (("light", []), ("dark", [DARK])):
        shot = tmp_path / f"{name}.png"
        browser(page, *options, f"--screenshot={shot}")
        image = looked_at(shot)
        assert image.shape[:2] == (6000, 1100)
        bands = image.reshape(6, 1000, 1100, 3)
        assert (bands.std(axis=(1, 2, 3)) > 8).all(), "a part of the page is blank"
        brightness.append(image.mean())
    assert brightness[0] > 200 > 80 > brightness[1]


def test_it_fetches_nothing_whatever_is_quoted_in_it(page, browser, tmp_path):
    browser(page, "--dump-dom")
    assert browser.asked_for() == []
    # A page that quotes carelessly would be seen here.
    careless = tmp_path / "careless.html"
    careless.write_text(HOSTILE_FACT.format(code="BCD1234", n=1), encoding="utf-8")
    browser(careless, "--dump-dom")
    assert any("evil.example/x.js" in each for each in browser.asked_for())


def test_the_browser_sees_the_tables_and_pictures_that_were_written(page, browser):
    written, seen = Page(page.read_text()), Page(browser(page, "--dump-dom"))
    for tag in ("table", "caption", "th", "td", "img", "details", "h2"):
        assert len(seen.all(tag)) == len(written.all(tag)) > 0
    assert not seen.all("script") and len(seen.all("style")) == 1
    assert seen.said == written.said


def test_it_prints_with_what_is_folded(page, parts, browser, tmp_path):
    pdf = tmp_path / "release.pdf"
    browser(page, f"--print-to-pdf={pdf}")
    printed = squeezed("".join(sheet.extract_text() for sheet in PdfReader(pdf).pages))
    report = release_report(parts.space, parts.better)
    assert squeezed(report.verdict.reason) in printed
    evidence = load_texts(parts.space, report).passages(report.reports[0].questions[0].relevant)
    assert squeezed(evidence[0].text)[:60] in printed


def squeezed(text):
    return re.sub(r"\s+", "", text)
