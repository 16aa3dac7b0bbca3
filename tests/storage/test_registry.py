import multiprocessing
import threading

import pytest
from sqlmodel import select

from storage.artifacts import ArtifactRef
from storage.database import Database
from storage.errors import ProductionMoved, ReleaseNotFound, StorageError
from storage.registry import Registry, ReleaseState, _swap
from storage.release import CHAT_ROUTER, lineage_digest
from storage.sealing import Keyring, Sealer
from storage.tables import ProductionRow, ReleaseRow


@pytest.fixture
def registry(database):
    return Registry(database)


def register(registry, number, collection="docs", **parts):
    embedder, index = ArtifactRef.of("embedder", f"e{number}"), ArtifactRef.of("index", f"i{number}")
    facts = {"config": {"seed": 13}, "lineage": {"pairs": 400}, "answering": {"dense_weight": 0.4}}
    facts |= parts
    return registry.register(collection, parent_id=None, reason="retrain", embedder=embedder, index=index, **facts)


def test_nothing_serves_before_the_first_promotion(registry):
    release = register(registry, 1)
    assert release.state == ReleaseState.CANDIDATE
    assert registry.production("docs") is None
    assert registry.promote("docs", release.id, "first").state == ReleaseState.PRODUCTION
    production = registry.production("docs")
    assert (production.id, production.embedder, production.answering) == (1, release.embedder, {"dense_weight": 0.4})
    assert production.promoted_at is not None


def test_same_parts_are_the_same_release(registry):
    first = register(registry, 1)
    assert register(registry, 1) == first
    assert register(registry, 2).id != first.id
    assert register(registry, 1, collection="other").id != first.id
    assert [release.id for release in registry.list("docs")] == [1, 2]
    digest = lineage_digest(first.embedder, first.index, first.answering)
    assert first.lineage_digest == digest
    assert lineage_digest(first.embedder, first.index, {"dense_weight": 0.5}) != digest
    assert lineage_digest(first.embedder, first.index, first.answering, reranker=first.embedder) != digest


def test_the_same_chat_model_with_another_calibration_is_another_release(registry):
    plain = register(registry, 1)
    releases = [register(registry, 1, lineage={CHAT_ROUTER: {"threshold": least}}) for least in (0.5, 0.7, 0.5)]
    assert plain.id not in {release.id for release in releases}
    assert [release.lineage[CHAT_ROUTER]["threshold"] for release in releases] == [0.5, 0.7, 0.5]
    assert releases[0].id == releases[2].id != releases[1].id
    assert register(registry, 1, lineage={"pairs": "others"}).id == plain.id


def test_the_last_verdict_on_each_release_is_told_by_collection(registry):
    first, second, third = (register(registry, n).id for n in (1, 2, 3))
    elsewhere = register(registry, 1, collection="other").id
    given = [(second, "keep"), (second, "promote"), (second, None), (third, "keep"), (elsewhere, "keep")]
    artifact = ArtifactRef.of("evaluation", "e")
    rows = [
        registry.record_evaluation(id_, evaluation_set_digest="s", metrics={}, artifact=artifact, verdict=verdict)
        for id_, verdict in given
    ]
    assert registry.judgements("docs") == {second: rows[1], third: rows[3]}
    assert registry.judgements("nowhere") == {}


def test_a_release_built_for_another_does_not_undo_what_began_to_serve_meanwhile(registry):
    one, two, three = (register(registry, n).id for n in (1, 2, 3))
    registry.promote("docs", one, "first", instead_of=None)
    with pytest.raises(ProductionMoved):
        registry.promote("docs", two, "also first", instead_of=None)
    registry.promote("docs", two, "better", instead_of=one)
    with pytest.raises(ProductionMoved, match="release 3"):
        registry.promote("docs", three, "for the first", instead_of=one)
    assert registry.production("docs").id == two


def test_rollback_walks_back_through_everything_that_served(registry):
    one, two, three = (register(registry, n).id for n in (1, 2, 3))
    for release_id in (one, two, three):
        registry.promote("docs", release_id, "better")
    assert registry.rollback("docs", "worse").id == two
    assert registry.rollback("docs", "worse still").id == one
    with pytest.raises(ReleaseNotFound, match="no earlier release to roll back to"):
        registry.rollback("docs", "once more")
    assert registry.production("docs").id == one
    registry.promote("docs", three, "after all")
    assert registry.rollback("docs", "no").id == one
    actions = [(change.action, change.release_id, change.previous_id) for change in registry.history("docs")]
    assert actions[3:] == [
        ("rollback", two, three),
        ("rollback", one, two),
        ("promote", three, one),
        ("rollback", one, three),
    ]
    states = [release.state for release in registry.list("docs")]
    assert states == [ReleaseState.PRODUCTION, ReleaseState.RETIRED, ReleaseState.RETIRED]


def test_rollback_walks_back_models_and_no_documents(registry):
    one, more, two, most, again = (register(registry, n).id for n in range(1, 6))
    registry.promote("docs", one, "first")
    registry.promote("docs", more, "documents came", action="refresh")
    registry.promote("docs", two, "other models")
    registry.promote("docs", most, "documents came", action="refresh")
    assert registry.rollback("docs", "worse").id == more
    registry.promote("docs", again, "the documents of now", action="refresh")
    with pytest.raises(ReleaseNotFound, match="no earlier release to roll back to: see"):
        registry.rollback("docs", "once more")
    registry.promote("docs", two, "after all")
    assert registry.rollback("docs", "no").id == again
    assert [change.action for change in registry.history("docs")].count("refresh") == 3


def test_rollback_finds_the_models_that_know_fewer_documents_if_others_were_withdrawn(registry):
    one, more, two = (register(registry, n) for n in (1, 2, 3))
    registry.promote("docs", one.id, "first")
    registry.promote("docs", more.id, "documents came", action="refresh")
    registry.promote("docs", two.id, "other models")
    registry.withdraw("docs", {more.index.uri}, "a document was deleted")
    assert registry.rollback("docs", "worse").id == one.id


def test_a_rollback_from_when_documents_were_steps_is_still_understood(registry):
    first, more, other, newest = (register(registry, n) for n in (1, 2, 3, 4))
    registry.promote("docs", first.id, "first")
    registry.promote("docs", other.id, "other models")
    registry.promote("docs", newest.id, "documents came", action="refresh")
    with registry._database.session() as session:
        _swap(session, session.get(ReleaseRow, other.id), "as it was done once", "rollback")
    assert registry.rollback("docs", "worse").id == first.id
    registry.promote("docs", more.id, "documents came", action="refresh")
    with pytest.raises(ReleaseNotFound):
        registry.rollback("docs", "once more")


def test_promoting_what_serves_changes_nothing(registry):
    release = register(registry, 1)
    registry.promote("docs", release.id, "first")
    registry.promote("docs", release.id, "again")
    assert len(registry.history("docs")) == 1


def test_rollback_of_a_collection_that_never_served_says_the_remedy(registry):
    with pytest.raises(ReleaseNotFound, match="collection 'docs' has no earlier release"):
        registry.rollback("docs", "why not")


def test_release_of_another_collection_cannot_serve(registry):
    release = register(registry, 1, collection="other")
    for attempt in (lambda: registry.get("docs", release.id), lambda: registry.promote("docs", release.id, "r")):
        with pytest.raises(ReleaseNotFound, match="collection 'docs' has no release 1"):
            attempt()
    assert registry.production("docs") is None


def test_release_kept_out_says_why_and_production_cannot_be(registry):
    one, two = register(registry, 1), register(registry, 2)
    registry.promote("docs", one.id, "first")
    assert registry.keep_out(two.id, "hit@5 fell").state == ReleaseState.KEPT_OUT
    assert registry.get("docs", two.id).reason == "hit@5 fell"
    with pytest.raises(StorageError, match="release 1 serves"):
        registry.keep_out(one.id, "no")
    with pytest.raises(ReleaseNotFound):
        registry.keep_out(99, "no")
    assert registry.production("docs").id == one.id


def test_evaluations_are_kept_with_their_release(registry):
    one, two = register(registry, 1), register(registry, 2)
    report = ArtifactRef.of("evaluation", "v1")
    told = {"evaluation_set_digest": "s1", "metrics": {"mrr@10": 0.7}, "artifact": report}
    registry.record_evaluation(two.id, against_id=one.id, verdict="promote", reason="better", **told)
    registry.record_evaluation(two.id, **told)
    first, second = registry.evaluations(two.id)
    assert (first.metrics, first.artifact, first.verdict, first.against_id) == (
        {"mrr@10": 0.7},
        report,
        "promote",
        one.id,
    )
    assert second.verdict is None
    assert registry.evaluations(one.id) == []
    with pytest.raises(ReleaseNotFound, match="no release 99"):
        registry.record_evaluation(99, **told)


def _promote_many(url, key, release_id):
    registry = Registry(Database(url, Sealer(Keyring.from_json(key))))
    for _ in range(10):
        registry.promote("docs", release_id, "race")


def _check_one_production(registry, ids):
    with registry._database.reading() as session:
        assert len(session.exec(select(ProductionRow)).all()) == 1
    serving = [release.id for release in registry.list("docs") if release.state == ReleaseState.PRODUCTION]
    history = registry.history("docs")
    assert serving == [registry.production("docs").id] == [history[-1].release_id]
    for before, after in zip(history, history[1:], strict=False):
        assert after.previous_id == before.release_id
    assert {change.release_id for change in history} == set(ids)


def test_processes_that_promote_at_once_leave_one_production(registry):
    ids = [register(registry, n).id for n in (1, 2, 3)]
    url, key = str(registry._database.url), registry._database.engine.dialect.ragloop_sealer.keyring.to_json()
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        pool.starmap(_promote_many, [(url, key, release_id) for release_id in ids], chunksize=1)
    _check_one_production(registry, ids)


def test_threads_that_promote_at_once_leave_one_production(registry):
    ids = [register(registry, n).id for n in (1, 2, 3)]
    threads = [threading.Thread(target=registry.promote, args=("docs", n, "race")) for n in ids * 5]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    _check_one_production(registry, ids)


def test_threads_that_register_the_same_make_one_release(registry):
    threads = [threading.Thread(target=register, args=(registry, 1)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(registry.list("docs")) == 1


def test_withdrawn_release_cannot_serve_and_rollback_passes_it_over(registry):
    one, two, three = (register(registry, n) for n in (1, 2, 3))
    for release in (one, two, three):
        registry.promote("docs", release.id, "better")
    assert registry.withdraw("docs", {two.index.uri}, "a document was deleted") == [two.id]
    assert registry.get("docs", two.id).state == ReleaseState.WITHDRAWN
    with pytest.raises(StorageError, match=rf"release {two.id} cannot serve again \(a document was deleted\)"):
        registry.promote("docs", two.id, "by hand")
    registry.keep_out(two.id, "judged meanwhile")
    assert registry.get("docs", two.id).state == ReleaseState.WITHDRAWN
    assert registry.rollback("docs", "worse").id == one.id
    with pytest.raises(ReleaseNotFound, match="no earlier release to roll back to: see"):
        registry.rollback("docs", "worse still")
    registry.promote("docs", three.id, "again")
    assert registry.rollback("docs", "worse").id == one.id


def test_a_release_is_withdrawn_with_its_chat_model_too(registry):
    model = ArtifactRef.of("chatmodel", "c1")
    with_it, without = register(registry, 1, chat_model=model), register(registry, 1)
    assert with_it.id != without.id
    assert registry.withdraw("docs", {model.uri}, "a document was deleted") == [with_it.id]
    assert registry.get("docs", without.id).state == ReleaseState.CANDIDATE


def test_what_serves_is_withdrawn_only_if_nothing_is_to_serve(registry):
    one, two = (register(registry, n) for n in (1, 2))
    registry.promote("docs", one.id, "first")
    registry.promote("docs", two.id, "better")
    both = {one.index.uri, two.index.uri}
    with pytest.raises(ProductionMoved):
        registry.withdraw("docs", both, "deleted")
    assert registry.get("docs", one.id).state == ReleaseState.RETIRED
    registry.withdraw("docs", both, "deleted", production_too=True)
    registry.withdraw("docs", both, "deleted", production_too=True)
    assert registry.production("docs") is None
    with pytest.raises(ReleaseNotFound, match="held a document|no earlier release"):
        registry.rollback("docs", "by hand")
    three = register(registry, 3)
    assert registry.promote("docs", three.id, "anew").state == ReleaseState.PRODUCTION


def test_withdrawn_release_whose_parts_were_made_again_is_a_candidate(registry):
    one, two = (register(registry, n) for n in (1, 2))
    registry.promote("docs", one.id, "first")
    registry.promote("docs", two.id, "better")
    registry.withdraw("docs", {one.index.uri}, "deleted")
    assert register(registry, 1).state == ReleaseState.CANDIDATE
    assert registry.promote("docs", one.id, "its documents are back").state == ReleaseState.PRODUCTION
