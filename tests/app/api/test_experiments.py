"""Experiments over HTTP: begun, looked at and stopped by those who may, and settled by many users."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from rag.chat.serving import register_chat_model
from rag.experiments.settling import settle
from storage.columns import utc_now
from tests.app.api.conftest import add_documents, client, open_space, serving
from tests.rag.chat.tiny import save_tiny_chat, stored

WEATHERCOCK, SMITH = "What is the weathercock of the town hall?", "Who cast the weathercock in 1887?"
KNOWN = {WEATHERCOCK: "The weathercock of the town hall is a gilded pike.", SMITH: "The documents do not say."}
RIGHT = {WEATHERCOCK: "gilded pike", SMITH: "Aldous Fenn"}
AT = "/collections/default/experiments"
FROM_MEMORY, FROM_PASSAGES = {"change": {"way": "closed-book"}}, {"change": {"way": "rag"}}


@pytest.fixture
def town(tmp_path, documents):
    """A server of a home whose chat model knows one of two facts."""
    space = open_space(tmp_path, requests_per_minute=0)
    config = space.settings.stages("smoke")
    answering = config.answering.model_copy(update={"first_piece_s": 30, "gap_s": 30})
    config = config.model_copy(
        update={
            "answering": answering,
            "experiments": config.experiments.model_copy(update={"slow_s": 60.0}),
        }
    )
    add_documents(space, "default", documents / "town", config)
    model = stored(space.artifacts, save_tiny_chat(tmp_path / "tiny", KNOWN))
    release = register_chat_model(space, "default", model, config)
    space.registry.promote("default", release.id, "by hand")
    with serving(space, config) as running:
        yield running


def begin(admin, trials, what):
    """Begin an experiment that the server knows of at once."""
    begun = admin.post(AT, json=what)
    assert begun.status_code == 201, begun.text
    trials._known_until = float("-inf")
    return begun.json()


def use(reader, user):
    """Ask both questions as somebody who likes right answers."""
    for question, right in RIGHT.items():
        answer = reader.post("/ask", json={"question": question, "user": user}).json()
        kind = "thumb_up" if right in answer["text"] else "thumb_down"
        said = reader.post("/feedback", json={"interaction_id": answer["id"], "kind": kind, "user": user})
        assert said.status_code == 201, said.text
        yield answer


def later():
    return utc_now() + timedelta(hours=25)


def test_users_who_like_right_answers_bring_the_better_variant_into_production(town):
    database = town.space.database
    with client(town, "admin") as admin, client(town) as reader, ThreadPoolExecutor(4) as pool:
        worse = begin(admin, town.service.trials, FROM_MEMORY)
        town.space.registry.promote("default", worse["variant_id"], "by hand, a mistake")
        settle(database)
        assert admin.get(f"{AT}/{worse['id']}").json()["state"] == "stopped"
        begun = begin(admin, town.service.trials, FROM_PASSAGES | {"name": "mend it"})
        n = 0
        while not (ended := settle(database, later())) and n < 200:
            answers = list(pool.map(lambda i: list(use(reader, f"user-{i}")), range(n, n + 10)))
            assert all(one["variant"] == other["variant"] for one, other in answers)
            n += 10
        shown = admin.get(f"{AT}/{begun['id']}").json()
        everybody = [answer for i in range(4) for answer in use(reader, f"new-{i}")]
    assert (ended[0].id, ended[0].state, ended[0].name) == (begun["id"], "promoted", "mend it")
    assert (shown["state"], shown["finding"]) == ("promoted", "winner")
    assert (shown["look"]["mean_control"], shown["look"]["mean_variant"]) == (0.5, 1.0)
    assert shown["look"]["gain"]["low"] > 0
    assert town.space.registry.production("default").id == begun["variant_id"]
    assert all(RIGHT[answer["question"]] in answer["text"] for answer in everybody)


def test_a_variant_that_refuses_is_stopped_by_itself(town):
    with client(town, "admin") as admin, client(town) as reader:
        begun = begin(admin, town.service.trials, FROM_MEMORY)
        variants = set()
        for i in range(60):
            asked = {"model": "ragloop", "messages": [{"role": "user", "content": SMITH}], "user": f"user-{i}"}
            variants.add(reader.post("/v1/chat/completions", json=asked).json()["ragloop"]["variant"])
        (ended,) = settle(town.space.database, utc_now() + timedelta(hours=1, minutes=5))
        (listed,) = admin.get(AT).json()
    assert variants == {f"{begun['id']}/control", f"{begun['id']}/variant"}
    assert ended.finding == "harmful" and "refused rose by more than" in ended.reason
    assert (listed["state"], listed["finding"], listed["reason"]) == ("stopped", "harmful", ended.reason)
    assert town.space.registry.production("default").id == begun["control_id"]
    assert town.space.registry.get("default", begun["variant_id"]).state == "kept_out"


def test_the_server_looks_by_itself(town):
    with client(town, "admin") as admin:
        begun = begin(admin, town.service.trials, FROM_MEMORY)
        town.space.registry.rollback("default", "by hand")
        end = time.monotonic() + 60
        while admin.get(f"{AT}/{begun['id']}").json()["state"] == "running" and time.monotonic() < end:
            time.sleep(0.5)
        assert admin.get(f"{AT}/{begun['id']}").json()["state"] == "stopped"


def test_a_stream_tells_the_variant_too_and_a_way_that_is_named_has_none(town):
    with client(town, "admin") as admin, client(town) as reader:
        begin(admin, town.service.trials, FROM_MEMORY | {"share": 0.9})
        streamed = reader.post("/ask", json={"question": WEATHERCOCK, "stream": True, "user": "u"}).text
        named = reader.post("/ask", json={"question": WEATHERCOCK, "way": "closed-book", "user": "u"}).json()
        model = {"model": "default/rag", "messages": [{"role": "user", "content": WEATHERCOCK}]}
        by_model = reader.post("/v1/chat/completions", json=model | {"user": "u"}).json()
    assert '"variant":"1/' in streamed
    assert (named["variant"], by_model["ragloop"]["variant"]) == (None, None)


def test_a_question_whose_user_is_not_named_has_no_part(town):
    with client(town, "admin") as admin, client(town) as reader:
        begin(admin, town.service.trials, FROM_MEMORY)
        asked = reader.post("/ask", json={"question": WEATHERCOCK}).json()
        chat = {"model": "ragloop", "messages": [{"role": "user", "content": WEATHERCOCK}]}
        by_model = reader.post("/v1/chat/completions", json=chat).json()
    assert (asked["variant"], by_model["ragloop"]["variant"]) == (None, None)


def test_one_is_begun_looked_at_and_stopped_by_those_who_may(town):
    with client(town, "admin") as admin, client(town, "trainer") as trainer, client(town) as reader:
        assert [each.post(AT, json=FROM_MEMORY).status_code for each in (reader, trainer)] == [403, 403]
        assert reader.get(AT).status_code == 403
        begun = begin(admin, town.service.trials, FROM_MEMORY | {"outcome": "found", "share": 0.25})
        assert begun["shares"] == {"control": 0.75, "variant": 0.25}
        assert begun["config"]["outcome"] == "found"
        shown = trainer.get(f"{AT}/{begun['id']}").json()
        assert (shown["state"], shown["look"]["finding"], shown["look"]["n_control"]) == ("running", "go on", 0)
        assert trainer.post(f"{AT}/{begun['id']}/stop").status_code == 403
        again = admin.post(AT, json=FROM_PASSAGES)
        assert (again.status_code, again.json()["error"]["type"]) == (409, "experiment_refused")
        stopped = admin.post(f"{AT}/{begun['id']}/stop", json={"reason": "enough"}).json()
        assert (stopped["state"], stopped["reason"], stopped["finding"]) == ("stopped", "enough", None)
        assert admin.post(f"{AT}/{begun['id']}/stop").status_code == 409
        assert admin.get(f"{AT}/99").json()["error"]["type"] == "experiment_not_found"
        assert admin.get("/collections/nowhere/experiments").json() == []
        assert admin.post("/collections/nowhere/experiments", json=FROM_MEMORY).status_code == 404


@pytest.mark.parametrize(
    ("what", "status"),
    [
        ({}, 422),
        ({"change": {}}, 422),
        ({"release": 1, "change": {"way": "rag"}}, 422),
        ({"change": {"way": "by-post"}}, 422),
        ({"release": 1, "share": 1}, 422),
        ({"release": 99}, 404),
        ({"change": {"template": "sonnet"}}, 400),
        ({"change": {"retrieval": {"dense_weight": "much"}}}, 400),
        ({"change": {"way": "closed-book"}}, 404),
    ],
)
def test_what_cannot_be_compared_is_refused(server, what, status):
    with client(server, "admin") as admin:
        refused = admin.post("/collections/town/experiments", json=what)
    assert (refused.status_code, "message" in refused.json()["error"]) == (status, True)
