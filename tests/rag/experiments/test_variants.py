import pytest
from sqlalchemy import event
from sqlmodel import Session

from rag.answering.answer import Question, Way
from rag.answering.manner import Manner
from rag.chat.serving import register_chat_model
from rag.config import GeneratorKind
from rag.corpus.artifact import corpus_artifact
from rag.errors import ConfigError, NoChatModel, NoGenerator
from rag.evaluation.sets import frozen_set
from rag.experiments.experiment import ExperimentRefused, get_experiment, list_experiments
from rag.experiments.settling import settle
from rag.experiments.variants import Change, start_experiment
from rag.judgement import candidate_report, judge_candidate
from rag.pairs.artifact import collection_pairs
from rag.releases import Candidate, register_candidate, search_models
from rag.retrieval.searcher import SearchModels
from storage.artifacts import ArtifactRef
from storage.errors import ReleaseNotFound, ReleaseWithdrawn
from storage.registry import ReleaseState
from tests.groq_server import serving
from tests.rag.answering.shop import SMOKE, add, engines_of, open_shop
from tests.rag.chat.tiny import save_tiny_chat, stored
from tests.rag.experiments.shop import FROM_MEMORY, NO_RAILS, OPENS, PATIENT, with_experiments

CONCISE = Change(template="concise")


def prompting(space, groq):
    """Open engines with somebody who is prompted by a template."""
    return engines_of(space, groq, **PATIENT | {"generators": (GeneratorKind.GROQ, GeneratorKind.EXTRACTIVE)})


def start(space, engines, variant, share=0.5, name=None):
    return start_experiment(space, engines, "default", variant, with_experiments(NO_RAILS), name, share)


def began(space, variant):
    with serving() as groq, prompting(space, groq) as engines:
        experiment = start(space, engines, variant)
    return space.registry.get("default", experiment.variant_id)


def test_a_variant_is_a_candidate_of_the_same_parts(space):
    control, variant = space.registry.production("default"), began(space, CONCISE)
    assert (variant.state, variant.parent_id) == (ReleaseState.CANDIDATE, control.id)
    assert variant.reason == "variant of release 2: template concise"
    for part in ("embedder", "index", "reranker", "chat_model", "answering"):
        assert getattr(variant, part) == getattr(control, part)
    assert variant.lineage == control.lineage | {"manner": {"template": "concise"}}
    assert get_experiment(space.database, "default").name == "template concise"


def test_a_template_is_heard_by_the_model_and_serves_on_after_a_promotion(tmp_path):
    space = open_shop(tmp_path)
    with serving() as groq, engines_of(space, groq, generators=(GeneratorKind.GROQ,)) as engines:
        variant = space.registry.get("default", start(space, engines, CONCISE).variant_id)
        engines.of("default").ask(Question(text=OPENS))
        engines.tried(variant).ask(Question(text=OPENS))
        space.registry.promote("default", variant.id, "better")
        engines.of("default").ask(Question(text="Does the dairy deliver?"))
        engines.of("default", Way.RAG).ask(Question(text="Does the dairy deliver to us?"))
        asked = [request["messages"][0]["content"] for request in groq.requests]
    assert ["in one sentence" in system.split("\n")[0] for system in asked] == [False, True, True, True]


def test_new_documents_and_new_models_keep_the_manner(space, filled):
    production = space.registry.promote("default", began(space, Change(template="concise", way=Way.RAG)).id, "better")
    settle(space.database)
    refreshed = add(space, space.home, {"kiosk.txt": "The kiosk opens at nine and sells newspapers."})
    assert refreshed.id != production.id
    assert Manner.of(refreshed) == Manner(template="concise", way=Way.RAG)
    models = SearchModels(embedder=refreshed.embedder, index=refreshed.index)
    pairs, corpus = ArtifactRef.of("pairs", "p"), ArtifactRef.model_validate(refreshed.lineage["corpus"])
    retrieval = SMOKE.retrieval.model_copy(update={"dense_weight": 0.9})
    candidate = register_candidate(
        space, "default", Candidate(corpus=corpus, pairs=pairs, models=models, retrieval=retrieval), SMOKE
    )
    assert candidate.lineage["manner"] == {"template": "concise", "way": "rag"}


def test_a_way_that_needs_a_chat_model_goes_with_it(space):
    production = space.registry.promote("default", began(space, FROM_MEMORY).id, "better")
    with engines_of(space, **PATIENT) as engines:
        assert engines.of("default").ask(Question(text=OPENS)).way is Way.CLOSED_BOOK
    space.artifacts.remove(production.chat_model)
    refreshed = add(space, space.home, {"kiosk.txt": "The kiosk opens at nine and sells newspapers."})
    assert (refreshed.chat_model, Manner.of(refreshed)) == (None, Manner())
    with engines_of(space, **PATIENT) as engines:
        assert engines.of("default").ask(Question(text=OPENS)).way is Way.RAG


def test_retrieval_is_changed_setting_by_setting(space):
    control = space.registry.production("default")
    variant = began(space, Change(retrieval={"dense_weight": 0.9, "candidates": 50}))
    assert variant.answering == control.answering | {"dense_weight": 0.9, "candidates": 50}
    with engines_of(space, **PATIENT) as engines:
        assert engines.tried(variant).retriever is not engines.of("default").retriever


def test_the_same_change_is_the_same_release(space):
    first = began(space, CONCISE)
    with pytest.raises(ExperimentRefused, match=r"experiment 1 \(template concise\) runs in default: wait for its end"):
        began(space, FROM_MEMORY)
    space.registry.promote("default", first.id, "better")
    settle(space.database)
    with pytest.raises(ExperimentRefused, match="release 3 serves and answers so already"):
        began(space, CONCISE)
    space.registry.rollback("default", "worse")
    assert began(space, CONCISE).id == first.id


@pytest.mark.parametrize(
    ("variant", "error", "said"),
    [
        (Change(template="sonnet"), ConfigError, "no prompt template 'sonnet'.* cited, concise, stepwise"),
        (Change(retrieval={"dense_weight": 2}), ConfigError, "retrieval's dense_weight: .* less than or equal to 1"),
        (Change(retrieval={"weight": 1}), ConfigError, "retrieval's weight: Extra .*the settings are dense_weight, "),
        (Change(retrieval={"rerank_weight": 0.5}), ConfigError, "release 2 has no reranker"),
        (Change(retrieval={"candidates": 200}), ExperimentRefused, "release 2 serves and answers so already"),
        (Change(template="cited"), ExperimentRefused, "release 2 serves and answers so already"),
        (Change(way=Way.RAG), ExperimentRefused, "release 2 serves and answers so already"),
        (Change(template="concise", way=Way.CLOSED_BOOK), ExperimentRefused, "concise would change no word: .* groq"),
        ("2", ExperimentRefused, "release 2 serves"),
        ("99", ReleaseNotFound, "has no release 99"),
    ],
)
def test_what_cannot_be_compared_is_refused_and_leaves_nothing(space, variant, error, said):
    with pytest.raises(error, match=said):
        began(space, variant)
    assert len(space.registry.list("default")) == 2
    assert not list_experiments(space.database, "default")


def test_a_template_that_nobody_is_prompted_by_is_refused(space):
    with engines_of(space, **PATIENT) as engines, pytest.raises(ExperimentRefused, match="set RAGLOOP_GROQ_API_KEY"):
        start(space, engines, CONCISE)
    assert len(space.registry.list("default")) == 2


def test_a_release_whose_chat_model_is_never_asked_is_refused(space, tmp_path):
    other = stored(space.artifacts, save_tiny_chat(tmp_path / "other", steps=1))
    variant = str(register_chat_model(space, "default", other, SMOKE).id)
    with pytest.raises(ExperimentRefused, match="release 2 serves and answers so already"):
        began(space, variant)
    with engines_of(space, **PATIENT | {"generators": (GeneratorKind.CHAT_MODEL,)}) as engines:
        assert start(space, engines, variant).variant_id == int(variant)


def kept_out_by(space, gate):
    """Return a retrained release of which no gain is proven, as this gate judged it."""
    production = space.registry.production("default")
    corpus = corpus_artifact(space.artifacts, space.database, "default")
    pairs = collection_pairs(space.artifacts, space.database, "default", SMOKE).pairs
    retrieval = SMOKE.retrieval.model_copy(update={"dense_weight": 0.9})
    made = Candidate(corpus=corpus, pairs=pairs, models=search_models(production), retrieval=retrieval)
    candidate = register_candidate(space, "default", made, SMOKE)
    questions = frozen_set(space, "default", pairs, SMOKE)
    own, other = (candidate_report(space, candidate, models, questions, SMOKE) for models in (candidate, production))
    verdict = judge_candidate(space, candidate, production, (own, other), SMOKE.gate.model_copy(update=gate))
    assert "too few questions to tell" in verdict.reason or "no proven gain" in verdict.reason
    return candidate


def test_a_release_that_breaks_a_floor_is_tried_only_by_who_wants_it(space):
    variant = kept_out_by(space, {"max_latency_p95_ms": 1e-6})
    with pytest.raises(ExperimentRefused, match=f"release {variant.id} breaks a floor .*: too slow: .*--despite-floor"):
        began(space, str(variant.id))
    assert not list_experiments(space.database, "default")
    with engines_of(space, **PATIENT) as engines:
        again = with_experiments(NO_RAILS)
        experiment = start_experiment(space, engines, "default", str(variant.id), again, despite_floor=True)
    assert experiment.variant_id == variant.id


def test_a_release_without_a_proven_gain_is_what_experiments_are_for(space):
    variant = kept_out_by(space, {"max_latency_p95_ms": 1e6})
    assert variant.state is ReleaseState.CANDIDATE
    assert began(space, str(variant.id)).state is ReleaseState.KEPT_OUT


@pytest.mark.parametrize("name", ["", "  "])
def test_an_empty_name_is_refused_and_leaves_nothing(space, name):
    with engines_of(space, **PATIENT) as engines, pytest.raises(ConfigError, match="a name of no words says nothing"):
        start(space, engines, FROM_MEMORY, name=name)
    assert len(space.registry.list("default")) == 2


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0, float("nan")])
def test_a_share_must_leave_users_on_both_sides(space, share):
    with engines_of(space, **PATIENT) as engines, pytest.raises(ConfigError, match="above 0 and below 1"):
        start(space, engines, CONCISE, share)
    assert len(space.registry.list("default")) == 2


def test_a_release_of_other_documents_or_that_may_not_serve_is_refused(space):
    old = space.registry.production("default")
    add(space, space.home, {"kiosk.txt": "The kiosk opens at nine and sells newspapers."})
    with pytest.raises(ExperimentRefused, match="release 2 knows other documents than release 3, which serves"):
        began(space, str(old.id))
    space.registry.withdraw("default", {old.index.uri}, "deleted")
    with pytest.raises(ReleaseWithdrawn, match="name another"):
        began(space, str(old.id))


def test_a_way_that_the_release_cannot_go_is_refused_and_leaves_nothing(space):
    space.registry.rollback("default", "to the one without a chat model")
    with pytest.raises(NoChatModel, match="ragloop chat train"):
        began(space, FROM_MEMORY)
    assert len(space.registry.list("default")) == 2


def test_a_candidate_that_cannot_be_opened_is_kept_out(space):
    space.artifacts.remove(space.registry.production("default").chat_model)
    with pytest.raises(NoGenerator, match="is not in the store"):
        began(space, FROM_MEMORY)
    left = space.registry.list("default")[-1]
    assert left.state is ReleaseState.KEPT_OUT and left.reason.startswith("it cannot be opened: nobody could answer")
    assert not list_experiments(space.database, "default")


def test_a_candidate_whose_experiment_is_refused_is_kept_out(space):
    event.listen(Session, "after_commit", lambda _: space.registry.rollback("default", "just then"), once=True)
    with pytest.raises(ExperimentRefused, match="another release than 2 began to serve default: start it again"):
        began(space, CONCISE)
    left = space.registry.list("default")[-1]
    assert (left.id, left.state) == (3, ReleaseState.KEPT_OUT)
    assert left.reason.startswith("it was not tried: another release than 2 began to serve")


def test_the_candidate_of_one_who_began_the_same_first_is_left_alone(space):
    with serving() as groq, prompting(space, groq) as engines:
        event.listen(Session, "after_commit", lambda _: start(space, engines, CONCISE), once=True)
        with pytest.raises(ExperimentRefused, match=r"experiment 1 \(template concise\) runs in default"):
            start(space, engines, CONCISE)
    assert space.registry.list("default")[-1].state is ReleaseState.CANDIDATE
