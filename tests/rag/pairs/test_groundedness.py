import pytest

from rag.corpus.document import DocumentText, Page
from rag.pairs.dropped import DropReason
from rag.pairs.groundedness import Groundedness, drop_ungrounded
from rag.pairs.pair import Origin
from tests.query_pairs import real_pair

EVIDENCE = "A muster takes 1,200 seconds and must not be cut short, or the boards of the machine forget their days."
TEXTS = {
    "d1": DocumentText(
        name="d1.txt",
        media_type="text/plain",
        text=EVIDENCE,
        pages=(Page(page_no=1, char_start=0, char_end=len(EVIDENCE)),),
    )
}


@pytest.fixture
def synthetic():
    def make(answer, **fields):
        span = {"answer_start": 0, "answer_end": len(EVIDENCE)}
        question = "How long does a firmware update last?"
        return real_pair(question, answer=answer, **{"origin": Origin.SYNTHETIC, **span, **fields})

    return make


@pytest.mark.parametrize(
    "answer",
    [
        EVIDENCE,
        "It takes 1200 seconds.",
        "A firmware update lasts 1,200 seconds.",
        "The boards forget the days if musters are cut.",
        "Yes.",
    ],
)
def test_an_answer_in_words_of_its_evidence_or_question_is_kept(synthetic, answer):
    assert drop_ungrounded([synthetic(answer)], TEXTS, 0.6)[0].kept


def test_an_answer_of_its_own_words_is_dropped(synthetic):
    (kept, dropped), _ = drop_ungrounded([synthetic("Ask the nearest steward about purple lids.")], TEXTS, 0.6)
    assert not kept and dropped[0].reason is DropReason.UNGROUNDED


def test_one_number_that_the_evidence_does_not_hold_is_enough_to_drop_an_answer(synthetic):
    (kept, dropped), _ = drop_ungrounded([synthetic("A muster takes 1,300 seconds.")], TEXTS, 0.6)
    assert not kept and "not its 1300" in dropped[0].detail


def test_a_person_may_answer_in_other_words_and_is_counted(synthetic):
    said = synthetic("About 20 minutes, and be patient.", origin=Origin.REAL)
    (kept, dropped), n_paraphrased = drop_ungrounded([said, synthetic("It takes 1200 seconds.")], TEXTS, 0.6)
    assert kept[0] == said and not dropped and n_paraphrased == 1


def test_the_share_counts_content_words_by_stem():
    grounding = Groundedness().of("The musters took purple lids", "A muster takes long")
    assert grounding.share == pytest.approx(1 / 4)


def test_a_comparison_may_take_its_words_from_its_second_place(synthetic):
    answer = "A muster takes 1,200 seconds, a reset 45."
    other = "A reset is done in 45 seconds."
    texts = TEXTS | {"d2": TEXTS["d1"].model_copy(update={"name": "d2.txt", "text": other})}
    assert not drop_ungrounded([synthetic(answer)], texts, 0.6)[0].kept
    assert drop_ungrounded([synthetic(answer, second=("d2", 0, len(other)))], texts, 0.6)[0].kept
