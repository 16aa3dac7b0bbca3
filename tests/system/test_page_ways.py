"""Ways to answer, in a real browser: each answer stands once, and side by side there is room for each."""

import pytest
from playwright.sync_api import expect

from tests.app.api.conftest import documents  # noqa: F401
from tests.app.api.test_chat_model import WEATHERCOCK, town  # noqa: F401
from tests.e2e.conftest import Ragloop
from tests.system.pages import NARROW, WIDE, Person
from tests.system.test_page import started

pytestmark = pytest.mark.system

HALF = {"width": 800, "height": 900}


@pytest.fixture(scope="module")
def reader(browser, town, tmp_path_factory):  # noqa: F811
    ragloop = Ragloop(tmp_path_factory.mktemp("ways"))
    with started(ragloop, "page", "--port", "0", "--api", town.url) as url:
        someone = Person(browser, url)
        someone.sign_in(town.key("reader"))
        yield someone
        someone.leave()


@pytest.mark.parametrize(
    ("way", "count"), [("Automatic", 1), ("Fine-tuned memory", 1), ("Hybrid", 1), ("Side by side", 3)]
)
def test_each_answer_stands_once(reader, way, count):
    new = reader.window.get_by_role("button", name="New conversation")
    if new.is_enabled():
        new.click()
        expect(new).to_be_disabled()
    reader.window.get_by_role("combobox", name="Way to answer").click()
    reader.window.get_by_role("option", name=way).click()
    reader.settle()
    reader.begin(WEATHERCOCK)
    reader.answers(count)
    reader.settle()
    answers = reader.window.locator('#stMain [data-testid="stText"]').filter(has_text="gilded pike")
    expect(answers).to_have_count(count)
    reader.window.get_by_role("radio", name="Thumbs up").first.click()
    expect(reader.window.get_by_text("Thank you")).to_be_visible()
    reader.settle()
    expect(answers).to_have_count(count)


@pytest.mark.parametrize("size", [WIDE, HALF, NARROW], ids=["wide", "half", "narrow"])
def test_answers_side_by_side_have_room(reader, size):
    reader.window.set_viewport_size(size)
    for more in reader.window.get_by_text("Say more").all():
        more.scroll_into_view_if_needed()
    assert reader.misplaced() == []
