"""A retrained candidate, judged by real reports: on which terms, and against whom."""

import pytest

from rag.chat.serving import register_chat_model
from rag.corpus.artifact import corpus_artifact
from rag.evaluation.artifact import load_report
from rag.evaluation.gate import Decision
from rag.evaluation.sets import frozen_set
from rag.judgement import Terms, candidate_report, judge_candidate, judged_gate, judged_reports, settled
from rag.pairs.artifact import collection_pairs
from rag.releases import Candidate, register_candidate, search_models
from rag.retrieval.artifact import index_artifact
from storage.errors import ProductionMoved
from storage.registry import ReleaseState
from tests.rag.answering.shop import SMOKE, add, open_shop
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
    questions = frozen_set(space, "default", pairs, SMOKE)
    return register_candidate(space, "default", candidate, SMOKE), questions


def judged(space, candidate, questions, gate):
    """Judge against what serves."""
    against = space.registry.production("default")
    reports = tuple(candidate_report(space, candidate, models, questions, SMOKE) for models in (candidate, against))
    return judge_candidate(space, candidate, against, reports, gate)


def test_a_verdict_holds_for_its_questions_and_its_gate(space):
    candidate, questions = retrained(space)
    assert settled(space, "default", candidate, Terms(questions.digest, STRICT)) is None
    assert judged(space, candidate, questions, STRICT).decision is Decision.KEEP
    kept_out = space.registry.get("default", candidate.id)
    assert kept_out.state is ReleaseState.KEPT_OUT
    assert "10000 are needed" in settled(space, "default", kept_out, Terms(questions.digest, STRICT))
    assert settled(space, "default", kept_out, Terms("others", STRICT)) is None
    assert settled(space, "default", kept_out, Terms(questions.digest, SMOKE.gate)) is None


def test_what_a_person_rolled_back_stays_so_whatever_the_gate(space):
    candidate, questions = retrained(space)
    judged(space, candidate, questions, STRICT)
    space.registry.promote("default", candidate.id, "by hand")
    space.registry.rollback("default", "a person knows better")
    back = space.registry.get("default", candidate.id)
    assert "was rolled back" in settled(space, "default", back, Terms(questions.digest, SMOKE.gate))


def test_a_retraining_does_not_drop_a_chat_model_that_began_to_serve_meanwhile(space, tmp_path):
    candidate, questions = retrained(space)
    model = stored(space.artifacts, save_tiny_chat(tmp_path / "tiny", steps=0))
    speaking = register_chat_model(space, "default", model, SMOKE)
    space.registry.promote("default", speaking.id, "better answers")
    said = rf"release {candidate.id} has another chat model than release {speaking.id}.*run `ragloop retrain` again"
    with pytest.raises(ProductionMoved, match=said):
        judged(space, candidate, questions, SMOKE.gate)
    assert space.registry.production("default").id == speaking.id
    again, _ = retrained(space)
    assert again.chat_model == model
    assert judged(space, again, questions, STRICT).decision is Decision.KEEP

    # One that may not stay, for it was removed, is no reason to hold a retraining up.
    space.artifacts.remove(model)
    without, _ = retrained(space)
    assert without.chat_model is None
    assert judged(space, without, questions, STRICT).decision is Decision.KEEP


def test_the_reports_behind_a_verdict_are_found_again(space):
    candidate, questions = retrained(space)
    judged(space, candidate, questions, STRICT)
    (evaluation,) = space.registry.evaluations(candidate.id)
    own, other = (load_report(space.artifacts, ref) for ref in judged_reports(evaluation))
    assert own.evaluation_set == other.evaluation_set == questions.digest
    assert own != other
    assert judged_reports(evaluation.model_copy(update={"metrics": {}})) is None


def test_each_candidate_for_the_same_place_is_judged_more_strictly(space):
    def ranking(dense_weight):
        base, _ = retrained(space)
        candidate = Candidate(
            corpus=corpus_artifact(space.artifacts, space.database, "default"),
            pairs=collection_pairs(space.artifacts, space.database, "default", SMOKE).pairs,
            models=search_models(base),
            retrieval=SMOKE.retrieval.model_copy(update={"dense_weight": dense_weight}),
        )
        return register_candidate(space, "default", candidate, SMOKE)

    _, questions = retrained(space)
    looks = [judged(space, ranking(weight), questions, STRICT).earlier_looks for weight in (0.8, 0.7)]
    add(space, space.home.parent, {"post.txt": "Letters are collected on Mondays from the blue box at the pier."})
    corpus = corpus_artifact(space.artifacts, space.database, "default")
    assert space.registry.production("default").lineage["corpus"] == corpus.model_dump()
    looks.append(judged(space, ranking(0.6), retrained(space)[1], STRICT).earlier_looks)
    assert looks == [0, 1, 2]


def test_a_candidate_that_is_asked_the_same_again_pays_for_no_further_look(space):
    candidate, questions = retrained(space)
    assert [judged(space, candidate, questions, STRICT).earlier_looks for _ in range(2)] == [0, 0]


def test_the_same_candidate_under_another_gate_is_a_further_look(space):
    candidate, questions = retrained(space)
    other = STRICT.model_copy(update={"metric": "hit@5"})
    looks = [judged(space, candidate, questions, gate).earlier_looks for gate in (STRICT, other, other, STRICT)]
    assert looks == [0, 1, 1, 1]
    assert [judged_gate(row)["metric"] for row in space.registry.evaluations(candidate.id)[:2]] == ["mrr@10", "hit@5"]


def test_both_are_asked_by_the_config_of_the_day_and_not_that_of_the_first_registration(space):
    candidate, questions = retrained(space)
    config = SMOKE.model_copy(update={"answering": SMOKE.answering.model_copy(update={"passages": 3})})
    old = candidate.model_copy(update={"config": candidate.config | {"dropped": "by an upgrade"}})
    for models in (old, space.registry.production("default")):
        report = candidate_report(space, old, models, questions, config)
        assert space.artifacts.manifest(report).config["passages"] == 3


def test_an_index_that_lost_a_document_is_kept_out_for_that(space):
    without = corpus_artifact(space.artifacts, space.database, "default")
    add(space, space.home.parent, {"post.txt": "Letters are collected on Mondays from the blue box at the pier."})
    models = search_models(space.registry.production("default"))
    index = index_artifact(space.artifacts, space.device, without, models.embedder, SMOKE)
    made = collection_pairs(space.artifacts, space.database, "default", SMOKE)
    whole, pairs = made.corpus, made.pairs
    lost = models.model_copy(update={"index": index})
    retrieval = SMOKE.retrieval.model_copy(update={"dense_weight": 0.9})
    candidate = register_candidate(
        space, "default", Candidate(corpus=whole, pairs=pairs, models=lost, retrieval=retrieval), SMOKE
    )
    questions = frozen_set(space, "default", pairs, SMOKE)
    verdict = judged(space, candidate, questions, SMOKE.gate)
    assert verdict.decision is Decision.KEEP
    assert "documents are missing: 1 that production answers from, such as post.txt" in verdict.reason


def test_what_came_while_a_candidate_was_made_is_not_missing(space):
    candidate, questions = retrained(space)
    add(space, space.home.parent, {"post.txt": "Letters are collected on Mondays from the blue box at the pier."})
    assert "missing" not in judged(space, candidate, questions, STRICT).reason
