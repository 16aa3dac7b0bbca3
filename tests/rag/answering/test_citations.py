"""What an answer's sentences are tied to, over documents of a real home."""

import random
import time

import pytest

from rag.answering.citations import Citing, marked_numbers
from rag.answering.generator import Passage
from rag.answering.rarity import Rarity
from rag.answering.spans import Origins
from rag.answering.support import Support
from rag.config import IndexConfig
from rag.corpus.artifact import active_documents, corpus_artifact, load_chunks, load_text
from rag.corpus.cleaning import clean_text
from rag.corpus.ingestion import ingest_uploads, seal_uploads
from rag.profiles import Profile, load_config
from rag.retrieval.index import build_index
from rag.retrieval.retriever import Hit
from rag.settings import Settings
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef

SMOKE = load_config(Profile.SMOKE)
HEADER = "Alder heat pumps \u2014 handbook"
PAGES = [
    f"{HEADER}\n\nThe Alder stands at least 35 centi-\nmetres from any wall (11). It weighs 90 kilograms.\nSo be it.",
    f"{HEADER}\n\nThe e\ufb03ciency of the Alder is 4.2 in\tspring [12], and lower in winter.\nCall us any time.",
    f"{HEADER}\n\nFounder's cover runs for 24 months from delivery. Nobody at the workshop may extend it.",
]


@pytest.fixture(scope="module")
def handbook(tmp_path_factory):
    """A PDF with running headers, ligatures and words cut at line ends; its passages, and what cites them."""
    from reportlab.pdfgen.canvas import Canvas

    folder = tmp_path_factory.mktemp("handbook")
    space = Workspace.open(Settings(home=folder / "home", key_file=folder / "keyring.json"), create=True)
    (folder / "in").mkdir()
    (folder / "in" / "handbook.md").write_text("\n\n".join(PAGES))
    canvas = Canvas(str(folder / "in" / "paged.pdf"))
    for page in PAGES:
        text = canvas.beginText(50, 800)
        for line in page.replace("\u2014", "-").replace("\ufb03", "ffi").replace("\t", " ").split("\n"):
            text.textLine(line)
        canvas.drawText(text)
        canvas.showPage()
    canvas.save()
    uploads = seal_uploads(space.artifacts, space.database, "default", [str(folder / "in")]).uploads
    ingest_uploads(space.artifacts, space.database, "default", uploads, SMOKE.chunking)
    return space


@pytest.fixture(scope="module")
def cited(handbook, encoder):
    space = handbook
    chunks = load_chunks(space.artifacts, corpus_artifact(space.artifacts, space.database, "default"))
    vectors = encoder.encode_passages([chunk.text for chunk in chunks])
    index = build_index(chunks, [[(0, len(chunk.text))] for chunk in chunks], vectors, IndexConfig())
    hits = [Hit(rank=i, score=1, chunk=chunk, passage=chunk.text) for i, chunk in enumerate(chunks, 1)]
    passages = [Passage(number=hit.rank, hit=hit) for hit in hits]
    support, origins = Support(Rarity(index)), Origins(space.artifacts, space.database, SMOKE.chunking)

    def cited(text, question=""):
        """Cite an answer at once and in pieces of one to three characters, which must come to the same."""
        whole = Citing(question, passages, support, origins)
        at_once = whole.add(text)
        rest, found = whole.end()
        assert at_once + rest == found.text
        for size in (1, 3):
            slowly = Citing(question, passages, support, origins)
            given = "".join(slowly.add(text[at : at + size]) for at in range(0, len(text), size))
            rest, again = slowly.end()
            assert (given + rest, again) == (found.text, found)
        return found

    return cited


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("So it is [1].", [1]),
        ("So it is.[2][1]", [2, 1]),
        ("So it is [1, 3; 2].", [1, 3, 2]),
        ("So it is [2-4].", [2, 3, 4]),
        ("So it is\u30103\u3011, or \u30105\u2020source\u3011.", [3, 5]),
        ("No mark in (11), [a] or [2024 report].", []),
    ],
)
def test_marks_of_several_forms_are_read(text, numbers):
    assert marked_numbers(text) == numbers


def test_a_citation_is_the_sentence_of_its_passage_that_says_the_same(cited):
    found = cited("It costs nothing to call: the Alder weighs 90 kilograms [1].")
    assert "It weighs 90 kilograms." in found.citations[0].quote
    assert "efficiency" not in found.citations[0].quote
    assert found.citations[0].document == "handbook.md"


def test_a_quote_is_the_cleaned_text_of_its_span_in_the_document(cited, handbook):
    rows = active_documents(handbook.database, "default")
    refs = {row.id: ArtifactRef(kind="document", digest=row.artifact_digest, uri=row.artifact_uri) for row in rows}
    texts = {doc_id: load_text(handbook.artifacts, ref).text for doc_id, ref in refs.items()}
    said = (
        "The Alder stands at least 35 centimetres from any wall [1]. The efficiency of the Alder is 4.2 in spring [1]. "
        "The Alder stands at least 35 centimetres from any wall [2]. Founder's cover runs for 24 months [2]."
    )
    found = cited(said)
    assert len(found.citations) == 4
    for citation in found.citations:
        assert clean_text(texts[citation.doc_id], [(citation.char_start, citation.char_end)]) == citation.quote
    assert "ffi" in found.citations[1].quote and "\ufb03" not in found.citations[1].quote
    assert [c.page_no for c in found.citations if c.document == "paged.pdf"] == [1, 3]


def test_a_sentence_that_sums_up_several_is_led_to_all_of_them(cited):
    found = cited("The efficiency is 4.2 in spring, and founder's cover runs for 24 months [1].")
    assert len(found.citations) == 2
    assert found.statements[0].support == 1.0
    assert "4.2" in found.citations[0].quote + found.citations[1].quote
    assert cited("The efficiency is 4.3 in spring, and founder's cover runs for 24 months [1].").citations == ()


def test_a_mere_yes_is_led_to_what_the_question_is_about(cited):
    found = cited("Yes [1].", "May I call at any time?")
    assert "Call us any time" in found.citations[0].quote


def test_numbers_count_from_one_in_order_and_the_same_span_keeps_its_number(cited):
    found = cited(
        "Founder's cover runs for 24 months [2]. It weighs 90 kilograms [1]. Cover: 24 months from delivery [2]."
    )
    assert [s.citations for s in found.statements] == [(1,), (2,), (1,)]
    assert found.text.count("[1]") == 2 and "[2]" in found.text
    assert [c.number for c in found.citations] == [1, 2]


def test_marks_of_no_passage_go_and_so_do_those_that_their_passage_does_not_bear_out(cited):
    found = cited("Founder's cover runs for 24 months [2][9]. The workshop sits on the moon since 1969 [1].")
    assert found.text == "Founder's cover runs for 24 months [1]. The workshop sits on the moon since 1969."
    assert [s.support > 0.9 for s in found.statements] == [True, False]


def test_a_sentence_without_a_mark_is_led_to_what_says_the_same_if_it_says_enough(cited):
    found = cited("Founder's cover runs for 24 months from delivery. The weather is fine.")
    assert [s.citations for s in found.statements] == [(1,), ()]
    assert found.text.startswith("Founder's cover runs for 24 months from delivery [1].")


def test_references_of_the_papers_quoted_are_neither_marks_nor_figures(cited):
    found = cited("The Alder stands at least 35 centimetres from any wall (11) [1].")
    assert found.statements[0].support == 1.0
    assert [c.number for c in found.citations] == [1]


@pytest.mark.parametrize(
    "text",
    [
        "#" * 60 + "x",
        "1" * 60 + " is a number.",
        "So it is. " + "[" * 60 + "] x",
        "It" + ". " * 200 + "weighs 90 kilograms.",
        "So" + " " * 600 + "be it.",
    ],
)
def test_what_looks_like_marks_takes_no_longer_than_other_text(cited, text):
    began = time.perf_counter()
    cited(text)
    assert time.perf_counter() - began < 20  # read in all possible ways, the first would take years


PARTS = [
    *("It weighs 90 kilograms", "Founder's cover runs for 24 months", "Dr", "e.g", "3.5", "10", "Yes", "a", "et al."),
    *("[1]", "[2, 3]", "[1-3]", "[", "]", "1", "\u30101\u2020L3\u3011", "\u3010", "\u3011", "(11)", "[x]", "|"),
    *("- ", "* ", "#", "1. ", "(1) ", "> ", "(", ")", '"', "\u2019", "*", "**", "_", ".", "!", "?", "\u2026", ":", ","),
    *(" ", "  ", "\n", "\n\n", "\t", "\r", "\u00a0", "\u2028", "\x85", "\u200b", "\u4e2d\u6587\u3002", "\U0001f642"),
]


def test_what_was_given_out_never_changes(cited):
    chance = random.Random(5)
    for _ in range(100):
        cited("".join(chance.choice(PARTS) for _ in range(chance.randint(1, 12))))


def test_lists_keep_their_form(cited):
    found = cited("You need:\n1. Founder's cover runs for 24 months [2].\n- The Alder weighs 90 kilograms [1].")
    lines = found.text.split("\n")
    assert lines[1] == "1. Founder's cover runs for 24 months [1]."
    assert lines[2] == "- The Alder weighs 90 kilograms [2]."
    assert len(found.statements) == 3
