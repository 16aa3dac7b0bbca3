import logging
import threading
from dataclasses import replace

import numpy as np
import pytest
from pydantic import SecretStr

from rag.config import Expansion, IndexConfig, LanguageModelConfig, ModelProvider, RetrievalConfig
from rag.corpus.document import Chunk
from rag.device import Device
from rag.errors import ConfigError, LanguageModelUnavailable
from rag.llm.access import LanguageModels
from rag.llm.ledger import Ledger
from rag.retrieval.expansion import (
    PAUSE_S,
    HastyModel,
    HypotheticalAnswer,
    MultiQuery,
    RelevanceFeedback,
    opened_expanders,
    parse_passage,
    parse_rephrasings,
    serving_expander,
)
from rag.retrieval.index import build_index
from rag.retrieval.query import Query
from rag.retrieval.retriever import Retriever
from storage.keyring import Keyring
from storage.sealing import Sealer
from tests.groq_server import refuses, says, serving

TEXTS = [
    "The Loire is the longest river of France.",
    "The Danube ends in the Black Sea.",
    "Comte is a hard cheese from the Jura. Brie is soft and comes from near Paris.",
    "Bach wrote the Goldberg Variations.",
    "Sibelius wrote Finlandia in 1899.",
]
QUESTION = "Which stream is the greatest in length?"
REPHRASINGS = "1. What is the longest river?\n2. Which river is longest in France?\n3. Longest French river?"
ANSWER = "The longest river of France is the Loire."


@pytest.fixture(scope="module")
def index(encoder):
    chunks = [
        Chunk(doc_id="d", document="d", page_no=1, chunk_index=i, char_start=0, char_end=len(t), n_tokens=9, text=t)
        for i, t in enumerate(TEXTS)
    ]
    windows = [[(0, len(t))] if ". " not in t else [(0, 37), (38, len(t))] for t in TEXTS]
    vectors = encoder.encode_passages([t[a:b] for t, own in zip(TEXTS, windows, strict=True) for a, b in own])
    return build_index(chunks, windows, vectors, IndexConfig())


@pytest.fixture
def groq():
    with serving() as server:
        server.write = lambda messages: REPHRASINGS if "rephrase" in messages[0]["content"] else ANSWER
        yield server


@pytest.fixture
def llm(groq, tmp_path):
    sealer = Sealer(Keyring.load_or_create(tmp_path / "keyring.json", create=True))
    ledger, device = Ledger(tmp_path / "ledger", sealer), Device(tmp_path / "device.lock")
    return LanguageModels(ledger, device, SecretStr("a-key"), groq.url)


def written(expansion, **fields):
    config = {"expansion": expansion, "provider": "groq", "llm": LanguageModelConfig(backoff_s=0), **fields}
    return RetrievalConfig(**config)


def unit(vector):
    return vector / np.linalg.norm(vector)


def asked(encoder):
    return encoder.encode_queries([QUESTION])[0]


def test_relevance_feedback_adds_the_nearest_windows_of_the_nearest_chunks(index, encoder):
    question = "Which cheese comes from near Paris?"
    vector = encoder.encode_queries([question])[0]
    comte, brie = encoder.encode_passages([TEXTS[2][:37], TEXTS[2][38:]])
    cheese = brie if brie @ vector > comte @ vector else comte
    best_windows = np.vstack([cheese, encoder.encode_passages([t for t in TEXTS if t != TEXTS[2]])])
    nearest = best_windows[np.argsort(-(best_windows @ vector))[:3]]
    expected = unit(vector + 0.3 * nearest.mean(axis=0))
    assert RelevanceFeedback(index).expanded(question, vector) == pytest.approx(expected, abs=1e-3)


def test_multi_query_is_the_mean_of_the_question_and_its_rephrasings(index, encoder, llm, groq):
    texts = [QUESTION, *parse_rephrasings(REPHRASINGS, 2)]
    expander = serving_expander(index, encoder, written("multi-query", rephrasings=2), llm)
    assert isinstance(expander, MultiQuery)
    expected = unit(encoder.encode_queries(texts).mean(axis=0))
    assert expander.expanded(QUESTION, asked(encoder)) == pytest.approx(expected, abs=1e-5)
    assert QUESTION in groq.prompts[0]


def test_a_hypothetical_answer_is_encoded_as_a_passage(index, encoder, llm):
    expander = serving_expander(index, encoder, written("hypothetical-answer"), llm)
    assert isinstance(expander, HypotheticalAnswer)
    vector = asked(encoder)
    expected = unit(vector + encoder.encode_passages([ANSWER])[0])
    moved = expander.expanded(QUESTION, vector)
    assert moved == pytest.approx(expected, abs=1e-3)
    loire = encoder.encode_passages(TEXTS[:1])[0]
    assert moved @ loire > vector @ loire


def test_what_was_written_while_learning_is_not_asked_for_again_when_serving(index, encoder, llm, groq):
    config = written("multi-query", expansions=(Expansion.MULTI_QUERY, Expansion.HYPOTHETICAL_ANSWER))
    with opened_expanders(index, encoder, config, llm) as expanders:
        learned = {name: expander.expanded(QUESTION, asked(encoder)) for name, expander in expanders.items()}
    assert len(groq.requests) == 2
    served = serving_expander(index, encoder, config, llm).expanded(QUESTION, asked(encoder))
    assert (served == learned[Expansion.MULTI_QUERY]).all()
    assert len(groq.requests) == 2


def test_learning_waits_for_a_provider_and_serving_does_not(index, encoder, llm, groq):
    config = written("multi-query", expansions=(Expansion.MULTI_QUERY,))
    groq.faults = [refuses(503), refuses(503)]
    serving_expander(index, encoder, config, llm).expanded(QUESTION, asked(encoder))
    assert len(groq.requests) == 1
    with opened_expanders(index, encoder, config, llm) as expanders:
        moved = expanders[Expansion.MULTI_QUERY].expanded(QUESTION, asked(encoder))
    assert len(groq.requests) == 3
    assert (moved != asked(encoder)).any()


@pytest.mark.parametrize("fault", [refuses(500), refuses(401), refuses(429, headers={"retry-after": "60"}), says("  ")])
@pytest.mark.parametrize("expansion", ["multi-query", "hypothetical-answer"])
def test_where_the_model_fails_the_search_goes_on_with_the_plain_vector(
    index, encoder, llm, groq, caplog, fault, expansion
):
    groq.faults = [fault]
    config = written(expansion)
    expander = serving_expander(index, encoder, config, llm)
    with caplog.at_level(logging.WARNING):
        found = Retriever(index, encoder, config, expander=expander).search(Query(id="q", question=QUESTION), 3)
    assert found == Retriever(index, encoder, RetrievalConfig()).search(Query(id="q", question=QUESTION), 3)
    assert "not expanded" in caplog.text
    assert len(groq.requests) == 1


@pytest.mark.parametrize(("status", "takes_s", "left_alone"), [(401, 0, True), (500, 10, True), (500, 0, False)])
def test_a_model_that_is_of_no_use_or_slow_is_left_alone_for_a_while(llm, groq, encoder, status, takes_s, left_alone):
    now = [0.0]

    def fails(exchange, request):
        now[0] += takes_s
        exchange.send(status, "{}")

    groq.faults = [fails]
    bounds = LanguageModelConfig(attempts=1)
    model = HastyModel(lambda: llm.opened(ModelProvider.GROQ, bounds), clock=lambda: now[0])
    expander = HypotheticalAnswer(encoder, model, RetrievalConfig())
    plain = asked(encoder)
    assert (expander.expanded("one?", plain) == plain).all()
    assert (expander.expanded("two?", plain) == plain).all() == left_alone
    now[0] += PAUSE_S
    assert (expander.expanded("three?", plain) != plain).any()
    assert len(groq.requests) == (2 if left_alone else 3)


def test_learning_stops_where_the_model_is_of_no_use(index, encoder, llm, groq):
    groq.faults = [refuses(401)]
    config = written("none", expansions=(Expansion.MULTI_QUERY,))
    with opened_expanders(index, encoder, config, llm) as expanders, pytest.raises(LanguageModelUnavailable):
        expanders[Expansion.MULTI_QUERY].expanded(QUESTION, asked(encoder))


def test_expanders_come_the_cheapest_first(index, encoder, llm):
    config = written("none", expansions=("hypothetical-answer", "relevance-feedback", "none", "multi-query"))
    with opened_expanders(index, encoder, config, llm) as expanders:
        assert list(expanders) == ["relevance-feedback", "multi-query", "hypothetical-answer"]


def test_several_threads_may_expand_at_once(index, encoder, llm, groq):
    expander = serving_expander(index, encoder, written("multi-query"), llm)
    found = {}

    def expand(text):
        found[text] = expander.expanded(text, asked(encoder))

    threads = [threading.Thread(target=expand, args=(f"river {i}?",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == len(groq.requests) == 4
    assert all((vector != asked(encoder)).any() for vector in found.values())


def test_without_a_key_serving_goes_on_and_says_so_and_learning_stops(index, encoder, llm, caplog):
    keyless = replace(llm, groq_api_key=None)
    config = written("multi-query", expansions=("multi-query",))
    with caplog.at_level(logging.WARNING):
        expander = serving_expander(index, encoder, config, keyless)
        assert (expander.expanded(QUESTION, asked(encoder)) == asked(encoder)).all()
        assert "RAGLOOP_GROQ_API_KEY" in caplog.text
        assert serving_expander(index, encoder, config, None) is None
        assert "none can be had" in caplog.text
    for none, said in ((keyless, "RAGLOOP_GROQ_API_KEY"), (None, "relevance-feedback")):
        with pytest.raises(ConfigError, match=said), opened_expanders(index, encoder, config, none):
            pass


def test_no_expansion_by_default_and_no_model_needed_for_feedback(index, encoder):
    assert serving_expander(index, encoder, RetrievalConfig(), None) is None
    feedback = RetrievalConfig(expansion="relevance-feedback")
    assert isinstance(serving_expander(index, encoder, feedback, None), RelevanceFeedback)


def test_an_expansion_that_is_written_needs_a_provider_in_the_config():
    with pytest.raises(ValueError, match="multi-query needs a model .*: set provider to groq"):
        RetrievalConfig(expansions=("multi-query",))
    with pytest.raises(ValueError, match="set provider"):
        RetrievalConfig(expansion="hypothetical-answer")


def test_a_config_comes_back_from_a_release():
    config = written("multi-query", llm=LanguageModelConfig(model="some/model"))
    assert RetrievalConfig.model_validate(config.model_dump(mode="json")) == config


def test_rephrasings_are_read_without_their_numbers_and_twins():
    assert parse_rephrasings("1. One?\n\n- Two  of  them?\n2) One?\n3: Four?\n", 3) == ["One?", "Two of them?", "Four?"]
    assert parse_rephrasings("A?\nB?\nC?", 2) == ["A?", "B?"]
    with pytest.raises(ValueError, match="no rephrasing"):
        parse_rephrasings(" \n", 3)
    with pytest.raises(ValueError, match="no text"):
        parse_passage("\n ")
    assert parse_passage("Two\n lines.") == "Two lines."


def test_an_answer_that_is_looked_for_is_not_expanded(index, encoder, llm, groq):
    config = written("multi-query", rephrasings=2)
    retriever = Retriever(index, encoder, config, expander=serving_expander(index, encoder, config, llm))
    found = retriever.search(Query(id="1", question=ANSWER, expanded=False), 1)
    assert found[0].chunk.text == TEXTS[0] and groq.requests == []
    retriever.search(Query(id="2", question=ANSWER), 1)
    assert groq.requests
