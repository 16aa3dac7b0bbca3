"""What a collection has learned, over HTTP."""

import pytest

from rag.evaluation.gate import Decision, Verdict
from rag.evaluation.significance import Interval
from rag.learning import SHOWN
from storage.release import ReleaseState
from tests.app.api.conftest import add_documents, client
from tests.releases import another

PATH = "/collections/learners/learning"
VERDICT = Verdict(
    decision=Decision.KEEP,
    reason="no proven gain, on 40 real questions of 8 documents",
    origin="real",
    n_questions=40,
    n_documents=8,
    before={"mrr@10": 0.61, "hit@1": 0.5},
    after={"mrr@10": 0.63, "hit@1": 0.5},
    gains={"mrr@10": Interval(mean=0.02, low=-0.01, high=0.05), "hit@1": Interval(mean=0, low=-0.1, high=0.1)},
)


@pytest.fixture(scope="module")
def releases(server, tmp_path_factory):
    """A collection whose first release serves, and whose second was kept out by other weights."""
    folder = tmp_path_factory.mktemp("learners")
    (folder / "ferry.md").write_text("The ferry to Skarn leaves at noon from the eastern pier.")
    space = server.space
    first = add_documents(space, "learners", folder, server.service.config)
    second = another(space.registry, first, answering=first.answering | {"dense_weight": 0.9})
    space.registry.record_evaluation(
        second.id,
        evaluation_set_digest="e" * 32,
        metrics=VERDICT.model_dump(mode="json") | {"gate_config": {"metric": "hit@1"}},
        artifact=first.index,
        against_id=first.id,
        verdict=VERDICT.decision.value,
        reason=VERDICT.reason,
    )
    space.registry.keep_out(second.id, VERDICT.reason)
    return first, second


@pytest.fixture
def trainer(server):
    with client(server, "trainer", "learners") as opened:
        yield opened


def test_feedback_that_waits_is_counted_as_it_comes(server, releases, trainer):
    before = trainer.get(PATH).json()["feedback"]
    assert (before["count"], before["threshold"], before["since"]) == (0, 50, None)
    asked = {"question": "When does the ferry to Skarn leave?", "collection": "learners"}
    answer = trainer.post("/ask", json=asked).json()
    trainer.post("/feedback", json={"interaction_id": answer["id"], "kind": "thumb_up"})
    after = trainer.get(PATH).json()["feedback"]
    assert (after["count"], after["collection"]) == (1, "learners")
    assert after["since"] is not None


def test_releases_come_with_their_verdicts_and_paired_differences(releases, trainer):
    first, second = releases
    seen = trainer.get(PATH).json()
    told, judged = seen["releases"]
    assert (told["id"], told["state"], told["judged"]) == (first.id, "production", None)
    assert (judged["id"], judged["parent_id"], judged["state"]) == (second.id, first.id, ReleaseState.KEPT_OUT)
    verdict = judged["judged"]["verdict"]
    assert (judged["judged"]["against_id"], judged["judged"]["metric"]) == (first.id, "hit@1")
    assert verdict == VERDICT.model_dump(mode="json")
    assert [(each["release_id"], each["action"]) for each in seen["changes"]] == [(first.id, "promote")]


def test_what_serves_and_what_it_replaced_are_told_however_many_came_after(server, tmp_path):
    (tmp_path / "mill.md").write_text("The mill grinds at dawn.")
    registry = server.space.registry
    first = add_documents(server.space, "mills", tmp_path, server.service.config)
    second, *others = [another(registry, first, answering={"dense_weight": n / 100}) for n in range(SHOWN + 1)]
    for other in others:
        registry.keep_out(other.id, "no proven gain")
    registry.promote("mills", second.id, "by hand")
    with client(server, "trainer") as trainer:
        told = trainer.get("/collections/mills/learning").json()["releases"]
    assert [(each["id"], each["state"]) for each in told[:2]] == [(first.id, "retired"), (second.id, "production")]
    assert len(told) == SHOWN + 2


def test_a_collection_that_is_not_known_has_learned_nothing(server):
    with client(server, "trainer") as trainer:
        seen = trainer.get("/collections/nowhere/learning").json()
    assert (seen["feedback"]["count"], seen["releases"], seen["changes"]) == (0, [], [])


def test_only_a_trainer_may(server, releases):
    with client(server) as reader:
        assert reader.get(PATH).status_code == 403
    with client(server, "trainer", "town") as elsewhere:
        assert elsewhere.get(PATH).status_code == 403
