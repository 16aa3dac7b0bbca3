from rag.pairs.relatedness import related_pairs
from tests.chunks import chunk_of


def chunk(doc_id, text, index=0):
    return chunk_of(text, doc_id, index)


BRINE = chunk("a", "The brine valve of the Skarn closes at nine bars of pressure")
VALVE = chunk("b", "Its brine valve opens by hand when the Fjell has lost pressure")
OTHER = chunk("c", "Holidays are asked for in writing before the summer begins")
FILLER = [chunk(f"f{i}", f"Nothing of note number {i} happened in the {i} th chapter") for i in range(8)]


def test_chunks_that_share_rare_words_come_first():
    assert related_pairs([OTHER, *FILLER, BRINE, VALVE])[0] == (BRINE, VALVE)


def test_chunks_that_share_nothing_make_no_pair():
    assert related_pairs([OTHER, BRINE]) == []
    assert related_pairs([]) == []


def test_the_same_text_twice_makes_no_pair():
    assert related_pairs([BRINE, BRINE.model_copy(update={"doc_id": "z"})]) == []


def test_overlapping_neighbours_make_no_pair_though_distant_chunks_of_a_document_do():
    near, far = (
        VALVE.model_copy(update={"doc_id": "a", "chunk_index": 1}),
        VALVE.model_copy(update={"doc_id": "a", "chunk_index": 5}),
    )
    assert related_pairs([BRINE, near]) == []
    assert related_pairs([BRINE, far]) == [(BRINE, far)]


def test_no_chunk_is_in_many_pairs():
    chunks = [chunk(f"d{i}", f"The brine valve has a wheel and the colour {i * 'x'}xx") for i in range(12)]
    pairs = related_pairs(chunks)
    assert pairs
    assert max(sum(one in pair for pair in pairs) for one in chunks) <= 3
