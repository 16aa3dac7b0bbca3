import pytest

from rag.corpus.document import Chunk
from rag.pairs.dropped import DropReason
from rag.pairs.pair import Origin, Split
from rag.pairs.round_trip import drop_inconsistent
from tests.chunks import chunk_of
from tests.query_pairs import real_pair

SENTENCES = (
    "The lung of the Skarn stands outside the house.",
    "The hearth of the Skarn stands inside the house.",
    "Salt in the air eats the coil of the machine.",
    "The almonry sends a bill each quarter of the year.",
)


def chunk(index: int, text: str, doc_id: str = "d1") -> Chunk:
    return chunk_of(text, doc_id, index, 100 * index, document=f"{doc_id}.txt")


@pytest.fixture
def chunks():
    return {Split.TRAIN: [chunk(n, text) for n, text in enumerate(SENTENCES)], Split.EVALUATION: []}


@pytest.fixture
def synthetic():
    def make(question, index, **fields):
        start = 100 * index
        return real_pair(question, origin=Origin.SYNTHETIC, answer_start=start, answer_end=start + 40, **fields)

    return make


def test_a_question_that_brings_its_chunk_back_is_kept(chunks, synthetic):
    pairs = [synthetic("what eats the coil", 2)]
    assert drop_inconsistent(pairs, chunks, depth=1) == (pairs, [])


def test_a_question_that_finds_others_first_is_dropped_with_its_rank(chunks, synthetic):
    vague = synthetic("the house with the Skarn and its hearth", 0)
    kept, dropped = drop_inconsistent([vague], chunks, depth=1)
    assert not kept and dropped[0].reason is DropReason.ROUND_TRIP and dropped[0].detail == "rank 2 of 4"
    assert drop_inconsistent([vague], chunks, depth=2).kept == [vague]


def test_a_question_without_a_word_of_its_chunk_is_dropped_at_any_depth(chunks, synthetic):
    _, dropped = drop_inconsistent([synthetic("what is it", 3)], chunks, depth=100)
    assert dropped[0].detail == "no word of it is in its chunk"


def test_real_questions_are_not_asked_to_find_their_chunk(chunks):
    pairs = [real_pair("what is it", answer_start=300, answer_end=340)]
    assert drop_inconsistent(pairs, chunks, depth=1).kept == pairs


def test_only_the_chunks_of_its_own_split_are_searched(chunks, synthetic):
    rival = "salt eats the coil, the coil, salt in the air"
    chunks[Split.EVALUATION] = [chunk(n, rival, "d2") for n in range(3)]
    pairs = [synthetic("salt eats the coil", 2)]
    assert drop_inconsistent(pairs, chunks, depth=1).kept == pairs


def test_a_comparison_may_bring_back_the_chunk_of_either_half(chunks, synthetic):
    compared = synthetic("what eats the coil", 3, second=("d1", 200, 240))
    assert drop_inconsistent([compared], chunks, depth=1).kept == [compared]
