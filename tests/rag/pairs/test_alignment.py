import pytest

from rag.pairs.alignment import AlignableDocument, Evidence, Refusal, align
from rag.pairs.questions_file import RealQuestion

GUIDE = (
    "The lung stands outside. A breath melts the ice from its coil and lasts about four minutes.\n\n"
    "The hush band runs from 22:00 to 06:00. In winter a breath comes every 80 minutes.\n"
    "The limit is 45 dB for the lung. The limit is 45 dB for the hearth in the kitchen."
)
DOCUMENTS = {
    "d1": AlignableDocument("d1", "guides/skarn-6-guide.pdf", GUIDE),
    "d2": AlignableDocument("d2", "fees.md", "A late payment costs a tithe of 90 kr. The almonry sends the sheet."),
}


def ask(answer: str, **fields: object) -> RealQuestion:
    return RealQuestion.model_validate({"id": "q1", "question": "what?", "answer": answer, "line": 3, **fields})


def quoted(found: Evidence | Refusal) -> str:
    assert isinstance(found, Evidence), found
    return DOCUMENTS[found.doc_id].text[found.answer_start : found.answer_end]


def test_the_offset_wins_over_an_earlier_place_of_the_same_words():
    start = GUIDE.rindex("45 dB")
    found = align(
        ask("45 DB ", document="guides/skarn-6-guide.pdf", answer_start=start, answer_end=start + 6), DOCUMENTS
    )
    assert quoted(found) == "45 dB" and found.answer_start == start and found.method == "offset"


def test_a_wrong_offset_falls_back_to_the_nearest_place_of_the_answer():
    found = align(ask("45 dB", document="skarn-6-guide", answer_start=GUIDE.rindex("45 dB") - 4), DOCUMENTS)
    assert found.answer_start == GUIDE.rindex("45 dB") and found.method == "exact"


@pytest.mark.parametrize(
    "name", ["guides/skarn-6-guide.pdf", "guides/skarn-6-guide", "skarn-6-guide.pdf", "skarn-6-guide"]
)
def test_a_document_is_known_by_full_name_base_name_and_stem(name):
    assert quoted(align(ask("about four minutes", document=name), DOCUMENTS)) == "about four minutes"


def test_an_ambiguous_name_and_an_unknown_one_are_refused():
    twins = {"a": AlignableDocument("a", "x/guide.pdf", "text"), "b": AlignableDocument("b", "y/guide.pdf", "text")}
    assert "give the full name" in str(align(ask("text", document="guide"), twins))
    assert "no document is named" in str(align(ask("text", document="novel"), twins))


def test_other_case_spaces_and_punctuation_are_folded():
    found = align(ask("A breath melts the\nICE, from its coil", document="skarn-6-guide"), DOCUMENTS)
    assert quoted(found) == "A breath melts the ice from its coil" and found.method == "folded"


def test_a_long_answer_in_nearly_the_words_is_found():
    found = align(ask("A breath melts ice from the coil and lasts about four minutes"), DOCUMENTS)
    assert found.method == "fuzzy" and "melts the ice from its coil" in quoted(found)


def test_without_a_document_all_are_searched():
    assert align(ask("The almonry sends the sheet."), DOCUMENTS).doc_id == "d2"


def test_a_short_answer_with_several_places_is_refused_by_name():
    found = align(ask("45 dB"), DOCUMENTS)
    assert isinstance(found, Refusal) and "question q1" in str(found) and "name the document" in str(found)


def test_the_question_tells_which_place_of_a_short_answer_is_meant():
    text = "The fee is 90 kr. " + "Nothing here. " * 60 + "Delivery by wayfarer costs 90 kr."
    documents = {"d": AlignableDocument("d", "fees.txt", text)}
    found = align(ask("90 kr", document="fees.txt", question="what does delivery by wayfarer cost?"), documents)
    assert found.answer_start == text.rindex("90 kr")


def test_an_answer_that_is_nowhere_is_refused_with_the_line_when_there_is_no_id():
    refusal = align(ask("Penguins live at the south pole of the earth", id=None, document="fees"), DOCUMENTS)
    assert isinstance(refusal, Refusal) and "line 3" in str(refusal) and "fees.md" in str(refusal)


def test_an_answer_goes_over_a_page_end_past_the_running_lines():
    text = "The lung stands at least\nHandbook - page 3\nforty centimetres from the wall.\n"
    start = text.index("Handbook")
    kept = ((0, start), (start + len("Handbook - page 3"), len(text)))
    answer = "The lung stands at least forty centimetres from the wall."
    document = AlignableDocument(doc_id="d", name="d.pdf", text=text, kept=kept)
    found = align(RealQuestion(question="How far?", answer=answer, document="d.pdf"), {"d": document})
    assert isinstance(found, Evidence)
    assert (found.answer_start, found.answer_end, found.method) == (0, len(text) - 1, "folded")
