"""A retrained candidate, judged by real reports: on which terms, and against whom."""

import pytest

from rag.chat.serving import register_chat_model
from rag.corpus.artifact import corpus_artifact
from rag.evaluation.gate import Decision
from rag.judgement import Terms, candidate_report, judge_candidate, settled
from rag.pairs.artifact import collection_pairs
from rag.releases import Candidate, register_candidate, search_models
from storage.errors import ProductionMoved
from storage.registry import ReleaseState
from tests.rag.answering.shop import SMOKE, open_shop
from tests.rag.chat.tiny import save_tiny_chat, stored

STRICT = SMOKE.gate.model_copy(update={"min_questions": 10_000})


@pytest.fixture
def space(tmp_path):
    return open_shop(tmp_path)


def retrained(space):
    """Register a candidate that ranks otherwise than what serves; return it with its questions."""
    production = space.registry.production("default")
    corpus = corpus_artifact(space.artifacts, space.database, "default")
    pairs = collection_pairs(space.artifacts, space.database, "default", SMOKE).pairs
    retrieval = SMOKE.retrieval.model_copy(update={"dense_weight": 0.9})
    candidate = Candidate(corpus=corpus, pairs=pairs, models=search_models(production), retrieval=retrieval)
    return register_candidate(space, "default", candidate, SMOKE), pairs


def judged(space, candidate, pairs, gate):
    """Judge against what serves."""
    against = space.registry.production("default")
    reports = tuple(candidate_report(space, candidate, models, pairs) for models in (candidate, against))
    return judge_candidate(space, candidate, against, reports, gate)


def test_a_verdict_holds_for_its_questions_and_its_gate(space):
    candidate, pairs = retrained(space)
    questions = space.artifacts.facts(pairs)["evaluation_set"]
    assert settled(space, "default", candidate, Terms.of(questions, STRICT)) is None
    assert judged(space, candidate, pairs, STRICT).decision is Decision.KEEP
    kept_out = space.registry.get("default", candidate.id)
    assert kept_out.state is ReleaseState.KEPT_OUT
    assert "10000 are needed" in settled(space, "default", kept_out, Terms.of(questions, STRICT))
    assert settled(space, "default", kept_out, Terms.of("others", STRICT)) is None
    assert settled(space, "default", kept_out, Terms.of(questions, SMOKE.gate)) is None


def test_what_a_person_rolled_back_stays_so_whatever_the_gate(space):
    candidate, pairs = retrained(space)
    judged(space, candidate, pairs, STRICT)
    space.registry.promote("default", candidate.id, "by hand")
    space.registry.rollback("default", "a person knows better")
    back = space.registry.get("default", candidate.id)
    questions = space.artifacts.facts(pairs)["evaluation_set"]
    assert "was rolled back" in settled(space, "default", back, Terms.of(questions, SMOKE.gate))


def test_a_retraining_does_not_drop_a_chat_model_that_began_to_serve_meanwhile(space, tmp_path):
    candidate, pairs = retrained(space)
    model = stored(space.artifacts, save_tiny_chat(tmp_path / "tiny", steps=0))
    speaking = register_chat_model(space, "default", model, SMOKE)
    space.registry.promote("default", speaking.id, "better answers")
    said = rf"release {candidate.id} has another chat model than release {speaking.id}.*run `ragloop retrain` again"
    with pytest.raises(ProductionMoved, match=said):
        judged(space, candidate, pairs, SMOKE.gate)
    assert space.registry.production("default").id == speaking.id
    again, _ = retrained(space)
    assert again.chat_model == model
    assert judged(space, again, pairs, STRICT).decision is Decision.KEEP

    # One that may not stay, for it was removed, is no reason to hold a retraining up.
    space.artifacts.remove(model)
    without, _ = retrained(space)
    assert without.chat_model is None
    assert judged(space, without, pairs, STRICT).decision is Decision.KEEP
