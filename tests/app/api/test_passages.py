"""A citation's source over HTTP: the page with the passage marked, and the text around it."""

import asyncio
import io

import httpx
import pytest
from PIL import Image
from reportlab.pdfgen.canvas import Canvas

from tests.app.api.conftest import add_documents, client

LINES = ("The ferry to Skarn leaves at noon.", "It carries sheep on Thursdays.", "Nobody swims there.")
NOTE = "The lighthouse keeper has a cat. Its name is Barnacle. It sleeps on the stove."


@pytest.fixture(scope="module")
def ferry(server, tmp_path_factory):
    """The documents of a collection of its own, by name: a PDF of two pages, and a text."""
    folder = tmp_path_factory.mktemp("ferry")
    canvas = Canvas(str(folder / "ferry.pdf"), pagesize=(300, 400))
    for page in (1, 2):
        for place, line in enumerate(LINES):
            canvas.drawString(50, 300 - 30 * place, f"{line} {page}")
        canvas.showPage()
    canvas.save()
    (folder / "keeper.txt").write_text(NOTE)
    add_documents(server.space, "ferry", folder, server.service.config)
    with client(server) as reader:
        return {row["name"]: row["id"] for row in reader.get("/collections/ferry/documents").json()}


@pytest.fixture
def reader(server):
    with client(server, "reader", "ferry") as opened:
        yield opened


def pages_of(doc_id, page_no=1, collection="ferry"):
    return f"/collections/{collection}/documents/{doc_id}/pages/{page_no}.png"


def picture(answer):
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png"), answer.text
    assert answer.headers["cache-control"] == "no-store"
    return Image.open(io.BytesIO(answer.content))


def test_a_citations_page_is_drawn_with_its_passage_marked(server, ferry, reader):
    asked = {"question": "What does the ferry carry on Thursdays?", "collection": "ferry"}
    answer = reader.post("/ask", json=asked | {"documents": ["ferry.pdf"], "boxes": True}).json()
    cited = answer["citations"][0]
    span = {"start": cited["char_start"], "end": cited["char_end"]}
    plain = picture(reader.get(pages_of(cited["doc_id"], cited["page_no"]), params={"scale": 1}))
    marked = picture(reader.get(pages_of(cited["doc_id"], cited["page_no"]), params={"scale": 1} | span))
    assert plain.size == marked.size == (300, 400)
    for box in cited["boxes"]:
        middle = int((box["x0"] + box["x1"]) / 2), int((box["y0"] + box["y1"]) / 2)
        assert plain.getpixel(middle) != marked.getpixel(middle)
    assert plain.getpixel((150, 380)) == marked.getpixel((150, 380)) == (255, 255, 255)


def test_it_is_told_where_a_passage_is_marked_and_on_which_pages_it_stands(ferry, reader):
    path = f"/collections/ferry/documents/{ferry['ferry.pdf']}/text"
    everything = reader.get(path, params={"start": 0, "end": 5000}).json()["passage"]
    first, over, last = (everything.index(each) for each in ("noon. 1", "swims there. 1", "noon. 2"))
    for page_no, start, end, marked, pages in (
        (1, first, first + 4, "true", "1"),
        (2, first, first + 4, "false", "1"),
        (1, over, last, "true", "1,2"),
        (2, over, last, "true", "1,2"),
    ):
        answer = reader.get(pages_of(ferry["ferry.pdf"], page_no), params={"start": start, "end": end})
        assert (answer.headers["x-passage-marked"], answer.headers["x-passage-pages"]) == (marked, pages)
    assert "x-passage-marked" not in reader.get(pages_of(ferry["ferry.pdf"])).headers


def test_more_pages_than_can_wait_are_refused_at_once(server, ferry):
    async def draw_many():
        headers = {"Authorization": f"Bearer {server.key('reader', 'ferry')}"}
        async with httpx.AsyncClient(base_url=server.url, headers=headers, timeout=600) as reader:
            return await asyncio.gather(*(reader.get(pages_of(ferry["ferry.pdf"])) for _ in range(24)))

    drawn = asyncio.run(draw_many())
    refused = [each for each in drawn if each.status_code == 503]
    assert refused
    assert refused[0].headers["retry-after"] == "1"
    assert "too many pages" in refused[0].json()["error"]["message"]
    assert {each.status_code for each in drawn} == {200, 503}


def test_a_page_is_as_large_as_wanted_and_never_lies_on_the_disk(server, ferry, reader):
    assert picture(reader.get(pages_of(ferry["ferry.pdf"], 2))).size == (600, 800)
    assert picture(reader.get(pages_of(ferry["ferry.pdf"], 2), params={"scale": 0.5})).size == (150, 200)
    kept = [path for path in server.space.home.rglob("*") if path.is_file() and path.read_bytes()[:4] == b"\x89PNG"]
    assert kept == []


@pytest.mark.parametrize(
    ("name", "page_no", "parameters", "status", "word"),
    [
        ("ferry.pdf", 3, {}, 404, "ferry.pdf has no page 3: give one from 1 to 2"),
        ("keeper.txt", 1, {}, 404, "keeper.txt has no pages to show, since it is no PDF"),
        ("ferry.pdf", 0, {}, 422, "page_no"),
        ("ferry.pdf", 1, {"scale": 4.1}, 422, "scale"),
        ("ferry.pdf", 1, {"scale": 0.1}, 422, "scale"),
        ("ferry.pdf", 1, {"scale": "nan"}, 422, "scale"),
        ("ferry.pdf", 1, {"start": 4}, 422, "both start and end"),
        ("ferry.pdf", 1, {"start": 9, "end": 4}, 422, "begins at 9"),
    ],
)
def test_what_cannot_be_drawn_says_why(reader, ferry, name, page_no, parameters, status, word):
    answer = reader.get(pages_of(ferry[name], page_no), params=parameters)
    assert answer.status_code == status
    assert word in answer.json()["error"]["message"]


def test_text_is_shown_around_its_passage(reader, ferry):
    path = f"/collections/ferry/documents/{ferry['keeper.txt']}/text"
    start = NOTE.index("Its name")
    span = {"start": start, "end": start + len("Its name is Barnacle.")}
    shown = reader.get(path, params=span | {"around": 5}).json()
    assert (shown["before"], shown["passage"], shown["after"]) == ("cat. ", "Its name is Barnacle.", " It s")
    assert (shown["document"], shown["page_no"], shown["n_chars"]) == ("keeper.txt", 1, len(NOTE))
    whole = reader.get(path, params=span | {"end": 10_000}).json()
    assert whole["before"] + whole["passage"] + whole["after"] == NOTE
    assert (whole["char_end"], whole["after"]) == (len(NOTE), "")


def test_text_of_a_pdf_says_its_page(reader, ferry):
    path = f"/collections/ferry/documents/{ferry['ferry.pdf']}/text"
    everything = reader.get(path, params={"start": 0, "end": 5000}).json()["passage"]
    start = everything.index("sheep on Thursdays. 2")
    shown = reader.get(path, params={"start": start, "end": start + 5, "around": 0}).json()
    assert (shown["passage"], shown["page_no"], shown["before"]) == ("sheep", 2, "")


@pytest.mark.parametrize(
    ("parameters", "status", "word"),
    [
        ({"start": 5000, "end": 5001}, 404, "nothing stands at 5000 to 5001"),
        ({"start": 3, "end": 3}, 422, "ends at 3 and begins at 3"),
        ({"start": 0, "end": 20_001}, 422, "at most 20,000 characters"),
        ({"start": 0, "end": 9, "around": 20_001}, 422, "around"),
        ({"start": 0}, 422, "end"),
    ],
)
def test_text_that_cannot_be_shown_says_why(reader, ferry, parameters, status, word):
    answer = reader.get(f"/collections/ferry/documents/{ferry['keeper.txt']}/text", params=parameters)
    assert answer.status_code == status
    assert word in answer.json()["error"]["message"]


def test_another_collections_documents_are_not_there(server, ferry, reader):
    with client(server, "reader", "town") as elsewhere:
        assert elsewhere.get(pages_of(ferry["ferry.pdf"])).status_code == 403
        for path in (pages_of(ferry["ferry.pdf"], collection="town"), pages_of("0" * 16, collection="town")):
            answer = elsewhere.get(path)
            assert answer.status_code == 404
            assert answer.json()["error"]["type"] == "document_not_found"
        text = f"/collections/town/documents/{ferry['keeper.txt']}/text"
        assert elsewhere.get(text, params={"start": 0, "end": 9}).status_code == 404
