import numpy as np
import pytest

from rag.answering.abstention import MAX_REFUSED, PRIOR_THRESHOLD, Evidence, best_threshold, learned_threshold
from rag.answering.rarity import Rarity
from rag.config import EmbeddingConfig
from rag.pairs.pair import Origin, Split
from rag.releases import search_models
from rag.retrieval.query import Query
from rag.retrieval.searcher import load_retriever
from tests.company import JARGON, PRODUCTS, write_company
from tests.query_pairs import real_pair
from tests.rag.answering.shop import SMOKE, open_shop

RETRIEVAL = SMOKE.retrieval


@pytest.fixture(scope="module")
def company(tmp_path_factory):
    """A home with the company's handbooks in production."""
    from tests.rag.answering import shop

    folder = tmp_path_factory.mktemp("company")
    space = open_shop(folder)
    texts = {path.name: path.read_text() for path in write_company(folder / "company").iterdir()}
    return space, shop.add(space, folder, texts)


@pytest.fixture(scope="module")
def weigh(company):
    space, release = company
    retriever = load_retriever(space.artifacts, search_models(release), RETRIEVAL, SMOKE.encoding)
    evidence = Evidence(retriever, Rarity(retriever.index))

    def weighed(question, documents=()):
        query = Query(id="q", question=question, restrict_to=documents)
        return evidence.of(question, retriever.search(query, 5))

    return weighed


def questions(origin=Origin.REAL, n=48):
    asked = [(q.format(p=p), f"{p.lower()}.md") for p in PRODUCTS for _, q in JARGON]
    return [real_pair(text, document=document, doc_id=document, origin=origin) for text, document in asked[:n]]


def pairs_of(space, asked):
    """Return pairs of which these validate, named by them."""

    def write(draft):
        for split in Split:
            own = asked if split is Split.VALIDATION else []
            draft.seal(f"{split}.encrypted", "\n".join(pair.model_dump_json() for pair in own).encode())
        return {"training_set": name}

    name = f"{len(asked)} {asked[0].origin}"
    return space.artifacts.build("pairs", inputs={"asked": name}, config=None, recipe=[], write=write)


def test_evidence_is_more_where_the_documents_speak_of_it(weigh):
    near, far = weigh("Where does the lung of the Dogel stand?"), weigh("Who won the football world cup of 1998?")
    assert far < PRIOR_THRESHOLD < near


def test_evidence_is_less_without_the_document_that_answers(weigh):
    question = "A muster of the Fyrre takes how many minutes?"
    assert weigh(question) > weigh(question, documents=("alder.md", "birk.md"))


def test_the_threshold_parts_what_is_apart():
    threshold, accuracy = best_threshold(np.array([0.6, 0.7, 0.8]), np.array([0.1, 0.2, 0.3]))
    assert 0.3 < threshold <= 0.6
    assert accuracy == 1.0


def test_the_threshold_refuses_few_that_can_be_answered_whatever_else_it_lets_through():
    draw = np.random.default_rng(7)
    answerable, unanswerable = draw.normal(0.5, 0.1, 500), draw.normal(0.45, 0.1, 500)
    threshold, _ = best_threshold(answerable, unanswerable)
    assert (answerable < threshold).mean() <= MAX_REFUSED


def test_a_threshold_is_learned_from_real_validation_questions_once(company):
    space, release = company
    pairs = pairs_of(space, questions())
    models = search_models(release)
    threshold = learned_threshold(space.artifacts, models, RETRIEVAL, pairs, SMOKE)
    assert 0 < threshold < 1
    built = list((space.home / "artifacts" / "abstention").iterdir())
    assert learned_threshold(space.artifacts, models, RETRIEVAL, pairs, SMOKE) == threshold
    assert list((space.home / "artifacts" / "abstention").iterdir()) == built


def test_few_questions_or_written_ones_leave_the_prior(company):
    space, release = company
    for own in (questions(n=5), questions(Origin.SYNTHETIC)):
        pairs = pairs_of(space, own)
        assert learned_threshold(space.artifacts, search_models(release), RETRIEVAL, pairs, SMOKE) == PRIOR_THRESHOLD


def test_a_drill_learns_none(company):
    space, release = company
    drill = SMOKE.model_copy(update={"embedding": EmbeddingConfig(shuffle_labels=True)})
    pairs = pairs_of(space, questions())
    assert learned_threshold(space.artifacts, search_models(release), RETRIEVAL, pairs, drill) is None
