"""A home with a few documents in production, an engine over it, and one that asks Groq's protocol on the loopback."""

import pytest

from tests.groq_server import serving
from tests.rag.answering.shop import engines_of, open_shop


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    return open_shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def engine(space):
    """Without a key: the extractive generator answers."""
    with engines_of(space) as engines:
        yield engines.of("default")


@pytest.fixture
def groq():
    with serving() as server:
        yield server


@pytest.fixture
def with_groq(space, groq):
    with engines_of(space, groq) as engines:
        yield engines.of("default")
