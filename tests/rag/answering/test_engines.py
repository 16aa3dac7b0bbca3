from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from rag.answering.answer import Done, Question
from storage.errors import ReleaseNotFound
from tests.groq_server import says, serving
from tests.rag.answering.shop import add, engines_of, open_shop


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
