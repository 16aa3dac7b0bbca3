"""Which of a config's generators can be had here, and what is said of those that cannot."""

import gc
import weakref
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from rag.answering.answer import Way
from rag.answering.opening import ModelPool, open_generators, who_answers
from rag.answering.prompts import load_template
from rag.config import AnsweringConfig, GeneratorKind, LocalAnswerModelConfig
from rag.errors import ConfigError, NoGenerator
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef
from storage.release import Release, ReleaseState
from tests.groq_server import serving
from tests.rag.answering.requests import BREAD, request_of
from tests.rag.chat.tiny import stored
from tests.rag.llm.tiny_model import save_tiny_chat_model

GROQ, LOCAL, CHAT_MODEL = GeneratorKind.GROQ, GeneratorKind.LOCAL, GeneratorKind.CHAT_MODEL
EXTRACTIVE = GeneratorKind.EXTRACTIVE
PART = ArtifactRef(kind="part", digest="0" * 32, uri="part/" + "0" * 32)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return save_tiny_chat_model(tmp_path_factory.mktemp("tiny"), max_tokens=4096)


@pytest.fixture
def groq(space):
    """A server, and the workspace with a key for it."""
    with serving() as server:
        settings = space.settings.model_copy(update={"groq_api_key": SecretStr("k"), "groq_base_url": server.url})
        yield server, Workspace(settings, space.sealer, space.database, space.artifacts, space.registry)


@pytest.fixture
def opened(encoder):
    """Opens a chain over a workspace, and closes its pool in the end."""
    pools = []

    def open_(space, *kinds, chat_model=None, **fields):
        config = AnsweringConfig(generators=kinds, template="concise", first_piece_s=30, gap_s=30, **fields)
        pools.append(ModelPool(space, config))
        return open_generators(pools[-1], release_of(chat_model), config, encoder), pools[-1]

    yield open_
    for pool in pools:
        pool.close()


def release_of(chat_model):
    return Release(
        id=3,
        collection="shop",
        parent_id=None,
        reason="test",
        state=ReleaseState.PRODUCTION,
        config={},
        lineage_digest="d",
        embedder=PART,
        index=PART,
        reranker=None,
        chat_model=chat_model,
        answering={},
        lineage={},
        created_at=datetime.now(UTC),
        promoted_at=None,
    )


def local(model):
    return LocalAnswerModelConfig(model=str(model), max_tokens=64)


def answer(chain):
    speaking, pieces = chain.generate(request_of(BREAD)), []
    try:
        while True:
            pieces.append(next(speaking).text)
    except StopIteration as end:
        assert "".join(pieces) == end.value.text
        return end.value


def test_what_cannot_be_had_is_named_with_its_remedy_and_opening_goes_on(space, opened, tmp_path):
    (tmp_path / "empty").mkdir()
    chain, _ = opened(space, GROQ, LOCAL, CHAT_MODEL, local=local(tmp_path / "empty"))
    reasons = {each.generator: each.reason for each in chain.unopened}
    assert reasons["groq"] == "no key for Groq: set RAGLOOP_GROQ_API_KEY"
    assert "answering.local.model, or leave it out of answering.generators" in reasons["local"]
    assert reasons["chat-model"] == "release 3 has no chat model: train one with `ragloop chat train`"
    with pytest.raises(NoGenerator, match="groq: no key.*local: cannot load.*chat-model: release 3"):
        answer(chain)


def test_with_a_key_groq_answers_under_its_models_name(groq, opened):
    server, space = groq
    chain, pool = opened(space, GROQ)
    spoken = answer(chain)
    assert spoken.generator == "groq/openai/gpt-oss-20b"
    assert spoken.text.endswith("[1].")
    assert server.requests[0]["max_completion_tokens"] == 512
    assert pool.models["groq/openai/gpt-oss-20b"].bill.answered == 1


def test_who_answers_is_known_by_its_model_before_any_is_opened(space, groq, tiny, tmp_path):
    _, with_key = groq
    made = stored(space.artifacts, tiny)
    config = AnsweringConfig(generators=(GROQ, LOCAL, CHAT_MODEL, EXTRACTIVE), local=local(tiny))

    def names(space, chat_model=None, way=None, **fields):
        pool, chosen = ModelPool(space, config), config.model_copy(update=fields)
        found = who_answers(pool, release_of(chat_model), chosen, way)
        assert pool.models == {}
        return [name.split("@")[0] for name in found]

    assert names(with_key, made) == ["groq/openai/gpt-oss-20b", f"local/{tiny.name}", "chat-model", "extractive"]
    assert names(space, made) == [f"local/{tiny.name}", "chat-model", "extractive"]
    assert names(space, made, Way.RAG) == names(space) == [f"local/{tiny.name}", "extractive"]
    assert names(space, made, Way.HYBRID) == ["chat-model"]
    assert names(space, generators=(GROQ,)) == []


def test_a_local_model_that_is_not_there_answers_nothing(space, tmp_path):
    (tmp_path / "empty").mkdir()
    config = AnsweringConfig(generators=(LOCAL, EXTRACTIVE), local=local(tmp_path / "empty"))
    assert who_answers(ModelPool(space, config), release_of(None), config) == ("extractive",)


def test_each_collection_may_have_a_template_of_its_own(groq, opened):
    server, space = groq
    for templates in ({}, {"shop": "stepwise"}, {"other": "stepwise"}):
        answer(opened(space, GROQ, collection_templates=templates)[0])
    stepwise = load_template("stepwise").system[:40]
    assert [request["messages"][0]["content"].startswith(stepwise) for request in server.requests] == [
        False,
        True,
        False,
    ]


def test_a_real_local_model_streams_and_is_opened_once_for_all_collections(space, opened, tiny):
    chain, pool = opened(space, LOCAL, local=local(tiny))
    spoken = answer(chain)
    assert spoken.text and spoken.generator.startswith("local/tiny")
    other = open_generators(pool, release_of(None), pool.config, None)
    assert answer(other).generator == spoken.generator
    chain.close()
    (model,) = pool.models.values()
    assert model.bill.answered == 2
    assert answer(other).text


def test_a_prompt_is_cut_to_what_the_local_model_reads(space, opened, tmp_path):
    small = save_tiny_chat_model(tmp_path / "small", max_tokens=300)
    chain, _ = opened(space, LOCAL, local=local(small), prompt_tokens=3000)
    with pytest.raises(NoGenerator, match="best passage are a prompt of .* tokens, over 236"):
        answer(chain)


def test_the_releases_own_chat_model_answers_if_it_has_one(space, opened, tiny):
    chain, _ = opened(space, CHAT_MODEL, chat_model=stored(space.artifacts, tiny))
    assert answer(chain).generator == "chat-model/3"


def test_a_chat_model_is_opened_once_and_goes_with_the_last_chain_that_holds_it(space, opened, tiny):
    made = stored(space.artifacts, tiny)
    first, pool = opened(space, CHAT_MODEL, chat_model=made)
    model = weakref.ref(pool.chat_model(made))
    second = open_generators(pool, release_of(made), pool.config, None)
    first.close()
    del first
    assert answer(second).text and model() is pool.chat_model(made)
    del second
    gc.collect()
    assert model() is None


def test_a_chat_model_that_was_removed_is_named(space, opened, tiny):
    made = stored(space.artifacts, tiny)
    space.artifacts.remove(made)
    chain, _ = opened(space, CHAT_MODEL, chat_model=made)
    assert made.uri in chain.unopened[0].reason


def test_the_extractive_generator_needs_nothing(space, opened):
    chain, _ = opened(space, GROQ, EXTRACTIVE)
    spoken = answer(chain)
    assert spoken.generator == "extractive"
    assert "six in the morning" in spoken.text
    assert [each.generator for each in spoken.silent] == ["groq"]


def test_a_template_that_does_not_exist_is_told_when_the_chain_is_opened(space, encoder):
    config = AnsweringConfig(template="rhymed")
    with pytest.raises(ConfigError, match="no prompt template 'rhymed'"):
        open_generators(ModelPool(space, config), release_of(None), config, encoder)
    assert load_template("cited").examples
