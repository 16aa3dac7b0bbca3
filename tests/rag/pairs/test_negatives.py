import pytest

from rag.config import IndexConfig, NegativesConfig, RetrievalConfig
from rag.errors import ConfigError
from rag.pairs.negatives import Miner, evidence_chunks
from rag.pairs.words import normalize
from rag.profiles import load_config
from rag.retrieval.index import build_index
from tests.chunks import chunk_of
from tests.query_pairs import real_pair

WARRANTY = "The heat pump is under warranty for 24 months from the day of delivery."
QUESTION = "How long is the warranty of the heat pump?"
CATALOGUE = {
    "heat-pump.md": [
        WARRANTY,
        "The heat pump makes less noise at night when its quiet mode is on.",
        "The outdoor unit of the heat pump stands half a metre from any wall.",
        "Clean the filter of the heat pump every spring.",
        "A service of the heat pump takes an engineer about an hour.",
    ],
    "boiler.md": [
        "The warranty of the boiler covers its tank and its burner.",
        "The boiler is drained once a year by an engineer.",
        "The boiler heats the water of a house of four people.",
    ],
    "returns.md": ["To send a product back costs ten crowns.", "Money is paid back within a week."],
    "sealed.md": ["What the warranty of the heat pump leaves out is listed in its annex."],
}
TRAINING = frozenset(CATALOGUE) - {"sealed.md"}
FOUR = NegativesConfig(per_pair=4, relative_margin=0)
HEAT_PUMP = {"doc_id": "heat-pump.md", "document": "heat-pump.md"}


def chunks_of(catalogue):
    chunks = []
    for name, texts in catalogue.items():
        start = 0
        for place, text in enumerate(texts):
            end = start + len(text)
            chunks.append(chunk_of(text, name, place, start))
            start = end
    return chunks


@pytest.fixture(scope="module")
def index_of(encoder):
    """Index a catalogue, each sentence a chunk of one window."""

    def build(catalogue):
        chunks = chunks_of(catalogue)
        vectors = encoder.encode_passages([chunk.text for chunk in chunks])
        return build_index(chunks, [[(0, len(chunk.text))] for chunk in chunks], vectors, IndexConfig())

    return build


@pytest.fixture
def pair():
    return real_pair(QUESTION, answer="24 months", positive=WARRANTY, answer_end=len(WARRANTY), **HEAT_PUMP)


@pytest.fixture
def mine(encoder, index_of):
    def run(pairs, config=FOUR, catalogue=CATALOGUE, skipped=None, rescore=None, documents=None):
        index = index_of(catalogue)
        score = None if rescore is None else rescore(index)
        names = frozenset(catalogue) - {"sealed.md"} if documents is None else documents
        return Miner(index, encoder, RetrievalConfig(), names, config, score).mine(pairs, skipped or {})

    return run


def with_passage(text):
    """The catalogue with one more document that says this."""
    return {**CATALOGUE, "more.md": [text]}


ALL = NegativesConfig(per_pair=16, relative_margin=0)


def test_a_pair_gets_the_passages_that_rank_high_beside_its_answer(mine, pair):
    mined = mine([pair], NegativesConfig(per_pair=3, pool=3, relative_margin=0))
    [negatives] = mined.passages.values()
    assert CATALOGUE["boiler.md"][0] in negatives
    assert not set(negatives) & set(CATALOGUE["returns.md"])
    assert mined.counts["mined"] == 3


def test_no_passage_of_a_document_outside_training_is_a_negative(mine, pair):
    assert CATALOGUE["sealed.md"][0] in mine([pair], ALL, documents=set(CATALOGUE)).passages[pair.id]
    assert CATALOGUE["sealed.md"][0] not in mine([pair], ALL).passages[pair.id]


def test_no_chunk_that_overlaps_the_evidence_is_a_negative(mine):
    first, second = CATALOGUE["heat-pump.md"][:2]
    across = real_pair(QUESTION, answer="unanswered", positive="x", answer_start=5, answer_end=len(WARRANTY) + 5,
                       **HEAT_PUMP)  # fmt: skip
    negatives = mine([across], ALL).passages[across.id]
    assert first not in negatives
    assert second not in negatives
    assert CATALOGUE["heat-pump.md"][2] in negatives


def test_what_answers_the_same_question_elsewhere_is_no_negative(mine, pair):
    boiler = CATALOGUE["boiler.md"][0]
    assert boiler in mine([pair], ALL).passages[pair.id]
    again = real_pair(QUESTION.lower(), id="b", doc_id="boiler.md", document="boiler.md", answer_end=len(boiler))
    assert boiler not in mine([pair, again], ALL).passages[pair.id]


def test_every_mined_negative_falls_short_of_the_positive_by_the_margin(mine, pair, encoder):
    config = ALL.model_copy(update={"relative_margin": 0.4})
    mined = mine([pair], config)
    question, positive, *others = encoder.encode_queries([QUESTION, WARRANTY, *mined.passages[pair.id]])
    assert others
    assert max(other @ question for other in others) <= 0.6 * (positive @ question) + 0.01
    left_out = set(mine([pair], ALL).passages[pair.id]) - set(mined.passages[pair.id])
    assert CATALOGUE["boiler.md"][0] in left_out
    assert mined.counts["too_near"] >= len(left_out)


def test_a_passage_with_all_words_of_the_answer_is_no_negative(mine, pair):
    both = with_passage("Every oil burner comes with a cover of 24 months.")
    number = with_passage("Every oil burner comes with a cover of 24 weeks.")
    refused = mine([pair], ALL, both)
    assert both["more.md"][0] not in refused.passages[pair.id]
    assert refused.counts["holds_answer"] == 1
    assert number["more.md"][0] in mine([pair], ALL, number).passages[pair.id]


def test_the_positive_over_again_is_no_negative(mine, pair):
    said_otherwise = pair.model_copy(update={"answer": "two years"})
    alike = with_passage("Norway, Sweden: under warranty for 24 months from the day of delivery is the heat pump.")
    mined = mine([said_otherwise], ALL, alike)
    assert alike["more.md"][0] not in mined.passages[pair.id]
    assert mined.counts["near_duplicate"] == 1


def test_what_the_reranker_puts_above_the_evidence_is_no_negative(mine, pair):
    words = with_passage("How the heat of a long summer made the beer pump fail, and a warranty claim, how long ago!")
    kept, refused = (
        mine([pair], ALL, words, rescore=rescore)
        for rescore in (None, lambda index: lambda query, chunks: index.words.scores(query)[chunks])
    )
    assert words["more.md"][0] in kept.passages[pair.id]
    assert words["more.md"][0] not in refused.passages[pair.id]
    assert refused.counts["reranked"] >= 1


def test_the_first_ranks_can_be_left_out(mine, pair):
    first, second = (
        mine([pair], NegativesConfig(per_pair=1, pool=1, relative_margin=0, range_min=skip)).passages[pair.id]
        for skip in (0, 1)
    )
    assert first != second
    assert second[0] in mine([pair], NegativesConfig(per_pair=2, pool=2, relative_margin=0)).passages[pair.id]


def test_the_draw_hangs_on_what_a_pair_says_and_not_on_its_id_or_place(mine, pair):
    config = NegativesConfig(per_pair=2, pool=8, relative_margin=0)
    other = real_pair("Who drains the boiler?", doc_id="boiler.md", document="boiler.md", answer_end=5)
    once = mine([pair, other], config).passages
    again = mine([other, pair.model_copy(update={"id": "another key"})], config).passages
    assert once[pair.id] == again["another key"]
    assert once[other.id] == again[other.id]


def test_a_pair_whose_evidence_the_index_lacks_gets_none(mine, pair):
    older = pair.model_copy(update={"doc_id": "an older version"})
    mined = mine([older])
    assert mined.passages == {}
    assert mined.counts["pairs_without_evidence"] == 1


def test_what_people_skipped_comes_first_whatever_its_similarity(mine, pair):
    config = NegativesConfig(per_pair=2, relative_margin=0.4)
    boiler = CATALOGUE["boiler.md"][0]
    assert boiler not in mine([pair], config).passages[pair.id]
    mined = mine([pair], config, skipped={normalize(QUESTION): ("boiler.md:0",)})
    assert mined.passages[pair.id][0] == boiler
    assert len(mined.passages[pair.id]) == 2
    assert mined.counts["from_feedback"] == 1


def test_what_people_skipped_passes_the_other_filters(mine, pair):
    holds = with_passage("Every oil burner comes with a cover of 24 months.")
    question = normalize(QUESTION)
    ids = ("heat-pump.md:0", "sealed.md:0", "more.md:0", "gone.md:7")
    mined = mine([pair], FOUR, holds, skipped={question: ids})
    assert mined.counts["from_feedback"] == 0


def test_evidence_is_gathered_by_question(pair):
    again = real_pair(f"{QUESTION.upper()}", doc_id="boiler.md", answer_end=5)
    found = evidence_chunks([pair, again], chunks_of(CATALOGUE))
    assert found == {normalize(QUESTION): {"heat-pump.md:0", "boiler.md:0"}}


def test_both_halves_of_a_comparison_are_evidence(pair):
    compared = pair.model_copy(update={"second": ("boiler.md", 0, 5)})
    assert evidence_chunks([compared], chunks_of(CATALOGUE))[normalize(QUESTION)] == {"heat-pump.md:0", "boiler.md:0"}


def test_queries_are_encoded_in_one_batch(index_of, encoder, pair):
    class Counted:
        """The encoder, and how often it was asked."""

        calls = 0

        def encode_queries(self, texts):
            self.calls += 1
            return encoder.encode_queries(texts)

    counted = Counted()
    pairs = [pair.model_copy(update={"id": str(n), "anchor": f"{QUESTION} {n}"}) for n in range(20)]
    mined = Miner(index_of(CATALOGUE), counted, RetrievalConfig(), TRAINING, FOUR).mine(pairs, {})
    assert len(mined.passages) == 20
    assert counted.calls == 1


def test_rounds_that_would_refresh_nothing_are_refused():
    with pytest.raises(ConfigError, match="per_pair"):
        load_config("smoke", overrides={"negatives": {"rounds": 2, "per_pair": 0}})
