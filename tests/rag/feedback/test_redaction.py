from rag.feedback.redaction import redact
from storage.tables import InteractionRow

GONE, STAYS = "a" * 16, "b" * 16


def interaction(cited=(), found=(GONE, STAYS)):
    return InteractionRow(
        id="i",
        collection="docs",
        release_id=1,
        question="How far?",
        answer="At ten [1].",
        history="[]",
        retrieved=[{"chunk_id": f"{doc_id}:0", "rank": 1, "score": 1.0} for doc_id in found],
        citations=[{"number": 1, "chunk_id": f"{doc_id}:0", "doc_id": doc_id} for doc_id in cited],
    )


def kept(row):
    return row.question, row.answer, row.history, [each["chunk_id"][:1] for each in row.retrieved], len(row.citations)


def test_an_answer_that_cites_the_document_goes_with_its_question():
    row = interaction(cited=(GONE, STAYS))
    assert redact(row, {GONE})
    assert kept(row) == ("", None, None, ["b"], 1)


def test_an_answer_that_cites_another_stays_though_the_document_was_found():
    row = interaction(cited=(STAYS,))
    assert redact(row, {GONE})
    assert kept(row) == ("How far?", "At ten [1].", "[]", ["b"], 1)


def test_an_answer_that_cites_nothing_goes_if_the_document_was_found():
    row = interaction()
    assert redact(row, {GONE})
    assert kept(row) == ("How far?", None, "[]", ["b"], 0)


def test_an_answer_that_quotes_the_document_goes_whatever_it_cites():
    row = interaction(cited=(STAYS,), found=(STAYS,))
    assert redact(row, {GONE}, quoted=True)
    assert kept(row) == ("", None, None, ["b"], 1)


def test_an_interaction_without_the_document_is_not_touched():
    row = interaction(cited=(STAYS,), found=(STAYS,))
    assert not redact(row, {GONE})
    assert kept(row) == ("How far?", "At ten [1].", "[]", ["b"], 1)
