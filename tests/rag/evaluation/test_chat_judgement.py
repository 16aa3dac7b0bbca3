"""A chat model's release, judged by real answers."""

import pytest

from rag.chat.serving import register_chat_model
from rag.evaluation.chat_judgement import chat_settled, judge_chat_candidate
from rag.evaluation.gate import Decision
from rag.evaluation.way_report import F1
from rag.judgement import Terms, require_unmoved, settled
from rag.releases import CHAT_ROUTER, last_judgement
from storage.artifacts import ArtifactRef
from storage.errors import ProductionMoved
from storage.registry import ReleaseState
from tests.rag.evaluation.company_talk import SMOKE, SURE, open_company, stored_chat, taught

GATE = SMOKE.chat.gate.model_copy(update={"max_latency_p95_ms": 60_000})
LENIENT = SMOKE.model_copy(update={"chat": SMOKE.chat.model_copy(update={"gate": GATE})})
OTHERS = Terms("other questions", SMOKE.chat.gate)


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """A home of its own, whose production changes, and the questions."""
    space = open_company(tmp_path_factory.mktemp("judged"))
    return space, taught(space)


def judge(space, candidate, data, config=SMOKE):
    return judge_chat_candidate(space, candidate, space.registry.production("default"), data, config)


def test_who_answers_better_serves_and_the_verdict_is_kept(asked, chat):
    space, data = asked
    candidate = register_chat_model(space, "default", stored_chat(space, chat, data), SMOKE, SURE)
    against = space.registry.production("default")
    verdict = judge(space, candidate, data)
    assert verdict.decision is Decision.PROMOTE, verdict.reason
    assert verdict.after[F1] > verdict.before[F1]
    now = space.registry.production("default")
    assert (now.id, now.chat_model) == (candidate.id, candidate.chat_model)
    kept = last_judgement(space, now)
    assert (kept.against_id, kept.verdict, kept.reason) == (against.id, "promote", verdict.reason)
    assert "nothing new since release" in chat_settled(space, "default", now, data, SMOKE)
    assert "nothing new since release" in settled(space, "default", now, OTHERS)


def test_whom_nothing_trusts_is_kept_out_and_not_judged_again(asked, chat):
    space, data = asked
    candidate = register_chat_model(space, "default", stored_chat(space, chat, data, grounded=False), SMOKE)
    assert chat_settled(space, "default", candidate, data, SMOKE) is None
    verdict = judge(space, candidate, data)
    assert verdict.decision is Decision.KEEP and "never trusted" in verdict.reason
    assert verdict.earlier_looks == 0
    assert space.registry.get("default", candidate.id).state is ReleaseState.KEPT_OUT
    # Killed between verdict and state, it would speak as a candidate for ever: it is judged again.
    assert candidate.state is ReleaseState.CANDIDATE and chat_settled(space, "default", candidate, data, SMOKE) is None
    kept_out = space.registry.get("default", candidate.id)
    assert "was kept out" in chat_settled(space, "default", kept_out, data, SMOKE)
    assert settled(space, "default", kept_out, OTHERS) is None

    # Another gate may let it in: it is judged again, by the answers that it gave.
    reports = list(space.artifacts.refs())
    assert chat_settled(space, "default", kept_out, data, LENIENT) is None
    again = judge(space, kept_out, data, LENIENT)
    assert (again.decision, again.earlier_looks) == (Decision.KEEP, 1)
    assert judge(space, kept_out, data, LENIENT).earlier_looks == 1
    assert list(space.artifacts.refs()) == reports
    assert "was kept out" in chat_settled(space, "default", kept_out, data, LENIENT)
    assert "was kept out" in chat_settled(space, "default", kept_out, data, SMOKE)

    # What it was judged against must still serve when the judgement ends.
    against = space.registry.production("default")
    space.registry.promote("default", candidate.id, "by hand")
    with pytest.raises(ProductionMoved, match="run `ragloop chat train` again"):
        judge_chat_candidate(space, candidate, against, data, SMOKE)


def test_another_calibration_of_what_serves_is_another_release_to_be_judged_against(asked, chat):
    space, data = asked
    model = stored_chat(space, chat, data)
    surer = SURE.model_copy(update={"threshold": 0.9})
    sure, other = (register_chat_model(space, "default", model, SMOKE, router) for router in (SURE, surer))
    assert sure.id != other.id and other.lineage[CHAT_ROUTER]["threshold"] == 0.9
    space.registry.promote("default", other.id, "by hand")
    candidate = register_chat_model(space, "default", stored_chat(space, chat, data, grounded=False), SMOKE, surer)
    with pytest.raises(ProductionMoved, match="began to serve"):
        require_unmoved(space, candidate, sure, "ragloop chat train")
    assert require_unmoved(space, candidate, other, "ragloop chat train") == space.registry.production("default")


@pytest.mark.parametrize(
    "part, changed",
    [
        ("embedder", {"embedder": ArtifactRef.of("embedder", "1" * 32)}),
        ("reranker", {"reranker": ArtifactRef.of("reranker", "1" * 32)}),
        ("ranking", {"answering": SMOKE.retrieval.model_dump() | {"dense_weight": 0.9}}),
    ],
)
def test_a_chat_model_whose_release_searches_as_nothing_does_any_more_would_undo_what_does(asked, chat, part, changed):
    space, data = asked
    candidate = register_chat_model(space, "default", stored_chat(space, chat, data), SMOKE, SURE)
    against = space.registry.production("default")
    retrained = against.model_copy(update={"id": against.id + 100, **changed})
    said = rf"release {candidate.id} has another {part} than release {retrained.id}.*run `ragloop chat train` again"
    with pytest.raises(ProductionMoved, match=said):
        judge_chat_candidate(space, candidate, retrained, data, SMOKE)
