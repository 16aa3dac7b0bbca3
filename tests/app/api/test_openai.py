"""OpenAI's own client, unchanged."""

import math

import numpy as np
import openai
import pytest

from storage.tables import InteractionRow
from tests.app.api.conftest import add_documents, client, open_space, serving

QUESTION = {"role": "user", "content": "How far from the wall is the outdoor unit of the Alder?"}


@pytest.fixture
def ai(server):
    with openai.OpenAI(
        base_url=f"{server.url}/v1", api_key=server.key("reader", "default", "town"), max_retries=0
    ) as opened:
        yield opened


def test_it_chats(ai):
    answer = ai.chat.completions.create(model="ragloop", messages=[QUESTION])
    (choice,) = answer.choices
    assert "10 centimetres" in choice.message.content
    assert choice.finish_reason == "stop"
    assert choice.message.citations[0]["document"] == "alder.md"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 20
    assert answer.ragloop["generator"] == "extractive"


def test_it_streams_the_same_answer(ai):
    options = {"include_usage": True}
    chunks = list(ai.chat.completions.create(model="default", messages=[QUESTION], stream=True, stream_options=options))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == ai.chat.completions.create(model="ragloop", messages=[QUESTION]).choices[0].message.content
    last = chunks[-2].choices[0]
    assert last.finish_reason == "stop"
    assert last.delta.citations[0]["document"] == "alder.md"
    assert chunks[-1].usage.completion_tokens > 0
    assert len({chunk.id for chunk in chunks}) == 1


def test_conversations_parts_and_other_parameters_are_taken(server, ai):
    messages = [
        {"role": "system", "content": "Speak like a pirate."},
        QUESTION,
        {"role": "assistant", "content": "10 centimetres."},
        {"role": "user", "content": [{"type": "text", "text": "For how long does founder's cover on the Alder run?"}]},
    ]
    answer = ai.chat.completions.create(model="ragloop", messages=messages, temperature=0, n=1, seed=1, user="anna")
    assert "12 months" in answer.choices[0].message.content
    with server.space.database.reading() as session:
        kept = session.get_one(InteractionRow, answer.ragloop["interaction_id"])
    assert "10 centimetres" in kept.history
    assert "pirate" not in kept.history


def test_what_is_not_in_the_documents_streams_as_a_sentence(server, ai):
    messages = [{"role": "user", "content": "Who won the 1998 curling championship of Saskatchewan?"}]
    chunks = list(ai.chat.completions.create(model="town", messages=messages, stream=True))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text
    assert chunks[-1].ragloop["text"] == text


def test_it_embeds_as_floats_and_as_base64(ai):
    both = ["the lung of the Alder", "a gilded pike"]
    packed = ai.embeddings.create(model="ragloop", input=both)  # the client asks for base64
    plain = ai.embeddings.create(model="ragloop", input=both[0], encoding_format="float")
    assert [each.index for each in packed.data] == [0, 1]
    assert np.allclose(packed.data[0].embedding, plain.data[0].embedding, atol=1e-5)
    assert math.isclose(sum(value**2 for value in plain.data[0].embedding), 1, rel_tol=1e-4)
    with pytest.raises(openai.BadRequestError, match="token ids"):
        ai.embeddings.create(model="ragloop", input=[[1, 2, 3]])


def test_it_lists_the_models(ai):
    assert [model.id for model in ai.models.list()] == ["ragloop", "default", "town"]
    assert ai.models.retrieve("town").id == "town"
    with pytest.raises(openai.PermissionDeniedError):
        ai.models.retrieve("nothing")


def test_a_collection_that_is_called_like_the_alias_is_no_alias(tmp_path, documents):
    space = open_space(tmp_path)
    for collection, folder in {"default": "company", "ragloop": "town"}.items():
        add_documents(space, collection, documents / folder, space.settings.stages("smoke"))
    with serving(space) as own, openai.OpenAI(base_url=f"{own.url}/v1", api_key=own.key()) as ai:
        listed = [(model.id, model.root) for model in ai.models.list()]
        assert listed == [("default", "default"), ("ragloop", "ragloop")]
        asked = {"role": "user", "content": "What is the weathercock of the town hall?"}
        (choice,) = ai.chat.completions.create(model="ragloop", messages=[asked]).choices
        assert choice.message.citations[0]["document"] == "town.md"
        bound = ai.with_options(api_key=own.key("reader", "default"))
        assert [model.id for model in bound.models.list()] == ["default"]
        with pytest.raises(openai.PermissionDeniedError):
            bound.models.retrieve("ragloop")


def test_errors_are_those_that_it_knows(server, ai):
    with pytest.raises(openai.NotFoundError, match="nothing"):
        ai.with_options(api_key=server.key()).chat.completions.create(model="nothing", messages=[QUESTION])
    with pytest.raises(openai.BadRequestError, match="last message"):
        ai.chat.completions.create(model="ragloop", messages=[{"role": "system", "content": "x"}])
    with pytest.raises(openai.AuthenticationError) as refused:
        ai.with_options(api_key="rk_wrong").models.list()
    assert refused.value.code == "key_refused"
    with client(server, "reader", "town") as bound:
        body = {"model": "ragloop", "messages": [QUESTION]}
        assert bound.post("/v1/chat/completions", json=body).status_code == 403
