import gc
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from rag.answering.answer import Done, Question, Way
from rag.answering.engines import ways_of
from rag.chat.serving import register_chat_model
from rag.errors import ConfigError, NoChatModel
from storage.errors import ReleaseNotFound
from tests.groq_server import says, serving
from tests.rag.answering.shop import SMOKE, add, engines_of, open_shop
from tests.rag.chat.tiny import save_tiny_chat, stored


@pytest.fixture
def space(tmp_path):
    return open_shop(tmp_path)


def test_an_engine_is_opened_once_and_changed_when_another_release_serves(space, tmp_path):
    with engines_of(space) as engines:
        with ThreadPoolExecutor(4) as pool:
            opened = list(pool.map(lambda _: engines.of("default"), range(8)))
        assert len(set(map(id, opened))) == 1
        asked = Question(text="When does the kiosk open?")
        assert "nine" not in engines.of("default").ask(asked).text
        add(space, tmp_path, {"kiosk.txt": "The kiosk opens at nine and sells newspapers."})
        assert engines.of("default") is not opened[0]
        again = engines.of("default").ask(Question(text=asked.text))
        assert again.citations[0].document == "kiosk.txt"


def test_a_promotion_empties_the_cache_and_lets_a_running_stream_end(space, tmp_path):
    question = "When does the bakery open?"
    with serving() as groq, engines_of(space, groq) as engines:
        groq.faults += [says("The bakery opens at six in the morning [1].") for _ in range(3)]
        engines.of("default").ask(Question(text=question))
        assert engines.of("default").ask(Question(text=question)).cached
        running = engines.of("default").stream(Question(text="When does it close?"))
        next(running)
        add(space, tmp_path, {"kiosk.txt": "The kiosk opens at nine and sells newspapers."})
        assert not engines.of("default").ask(Question(text=question)).cached
        *_, last = running
        assert isinstance(last, Done)


def test_a_collection_that_nothing_serves_is_named(space):
    with engines_of(space) as engines, pytest.raises(ReleaseNotFound, match="elsewhere"):
        engines.of("elsewhere")


def test_texts_are_embedded_as_the_collection_embeds_passages(space):
    with engines_of(space) as engines:
        vectors = engines.embed("default", ["bread", "cheese"])
    assert vectors.shape == (2, 384)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)


def test_ways_that_nobody_asks_for_any_more_let_go_of_what_served_before(space, tmp_path):
    with engines_of(space) as engines:
        before = weakref.ref(engines.of("default", Way.RAG))
        assert engines.of("default").retriever is before().retriever
        assert engines.of("default") is not before() is engines.of("default", Way.RAG)
        add(space, tmp_path, {"kiosk.txt": "The kiosk opens at nine and sells newspapers."})
        engines.of("default")
        gc.collect()
        assert before() is None
        kept = engines.of("default", Way.RAG)
        engines.forget("default")
        assert engines.of("default", Way.RAG) is not kept


def test_ways_opened_at_once_search_with_one_index(space):
    with engines_of(space) as engines, ThreadPoolExecutor(4) as pool:
        opened = list(pool.map(lambda way: engines.of("default", way), [None, Way.RAG] * 4))
    assert len(set(map(id, opened))) == 2 and len({id(engine.retriever) for engine in opened}) == 1


def test_a_way_that_needs_a_chat_model_says_how_to_get_one(space, tmp_path):
    release = space.registry.production("default")
    with engines_of(space) as engines:
        for way in (Way.CLOSED_BOOK, Way.HYBRID):
            with pytest.raises(NoChatModel, match="'default' in release 1: train one with `ragloop chat train`"):
                engines.of("default", way)
            with pytest.raises(NoChatModel):
                engines.open(release, way)
    assert ways_of(space.artifacts, release) == (Way.RAG,)


def test_a_chat_model_is_given_as_many_passages_as_in_its_training(space, tmp_path):
    model = stored(space.artifacts, save_tiny_chat(tmp_path / "tiny", steps=1), passages=2)
    with engines_of(space) as engines:
        engine = engines.open(register_chat_model(space, "default", model, SMOKE), Way.HYBRID)
    assert engine._chain._generators[0]._n_passages == 2


def test_a_chat_model_that_was_never_given_passages_is_no_hybrid(space, tmp_path):
    model = stored(space.artifacts, save_tiny_chat(tmp_path / "tiny", steps=1), passages=0)
    release = register_chat_model(space, "default", model, SMOKE)
    with engines_of(space) as engines, pytest.raises(ConfigError, match="not taught to answer from passages"):
        engines.open(release, Way.HYBRID)
    assert ways_of(space.artifacts, release) == (Way.RAG, Way.CLOSED_BOOK)
