"""A document that is deleted: what is left of it in the home, and what of the others."""

import multiprocessing
import signal
import time

import pytest

from rag.corpus.artifact import active_documents, corpus_artifact, upload_artifact
from rag.corpus.ingestion import ingest_uploads, seal_uploads
from rag.deletion import delete_document, finish_deletions
from rag.errors import EmptyCorpus, UnreadableDocument
from rag.feedback.recording import record_feedback, record_interaction
from rag.feedback.signals import Feedback, FeedbackKind, Interaction, Retrieved
from rag.llm.access import LanguageModels
from rag.pairs.artifact import collection_pairs
from rag.pairs.collection import import_questions, load_alignable
from rag.pairs.questions_file import read_questions
from rag.releases import Candidate, open_retriever, refresh_release, register_candidate, search_models
from rag.retrieval import artifact
from rag.retrieval.artifact import index_artifact
from rag.retrieval.query import Query
from rag.settings import Settings
from rag.workspace import Workspace
from storage.errors import ArtifactMissing, ProductionMoved, ReleaseNotFound, ReleaseWithdrawn
from storage.registry import ReleaseState
from storage.tables import DeletionRow, DocumentRow, FeedbackRow, InteractionRow, QueryPairRow, UploadRow
from tests.rag.corpus.homes import places_with, sealed_values
from tests.rag.full_home import (
    CONFIG,
    GONE,
    OF_GONE,
    OF_STAYS,
    STAYS,
    UNSEEN,
    Before,
    all_vectors,
    copied,
    fill,
    found,
    ingest,
    opened,
    rows,
    vectors_of,
)


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A folder with a home in which everything has been done with the documents that can be, and its key."""
    folder = tmp_path_factory.mktemp("filled")
    with pytest.MonkeyPatch.context() as patch:
        fill(opened(folder, patch, create=True), folder)
    return folder


@pytest.fixture
def space(filled, tmp_path, monkeypatch):
    """A copy of that home."""
    space = opened(copied(filled, tmp_path), monkeypatch)
    yield space
    space.database.close()


@pytest.fixture(scope="module")
def deleted(filled, tmp_path_factory):
    """A copy from which the document was deleted, which tests only look at: the home, the deletion, and before."""
    with pytest.MonkeyPatch.context() as patch:
        space = opened(copied(filled, tmp_path_factory.mktemp("deleted")), patch)
        doc_ids = {row.id for row in rows(space, DocumentRow) if (row.name, row.collection) == (GONE, "default")}
        with space.database.engine.connect() as connection:
            cells = connection.exec_driver_sql("SELECT doc_id, text FROM chunk").all()
        before = Before(
            places=places_with(space, *OF_GONE),
            others=places_with(space, *OF_STAYS),
            doc_ids=doc_ids,
            vectors=vectors_of(space, doc_ids),
            sealed={doc_id: [bytes(text) for owner, text in cells if owner == doc_id] for doc_id, _ in cells},
            production=space.registry.production("default"),
            interactions={row.id: row for row in rows(space, InteractionRow)},
        )
        forget_elsewhere = delete_document(space, "other", GONE, CONFIG)
        assert forget_elsewhere.serving is None
        done = delete_document(space, "default", GONE, CONFIG)
        yield space, done, before
        space.database.close()


def test_nothing_of_a_deleted_document_is_left_in_the_home(deleted):
    space, done, before = deleted
    kinds = {place.split("/")[1] for place in before.places if place.startswith("artifacts/")}
    seen = {"upload", "document", "corpus", "synthetic", "pairs", "negatives", "index", "chatdata"}
    assert kinds >= seen
    assert {"chunk", "query_pair", "interaction", "feedback"} <= set(before.places)
    assert any(place.startswith("ledger/") for place in before.places)
    assert places_with(space, *OF_GONE) == []
    assert (done.versions, done.chunks, done.pairs, done.interactions_redacted) == (2, 2, 6, 3)


def test_no_vector_of_it_is_left(deleted):
    space, _, before = deleted
    assert before.vectors
    assert before.vectors.isdisjoint(row.tobytes() for vectors in all_vectors(space) for row in vectors)
    derived = [ref for ref in space.artifacts.refs() if ref.kind == "reranker"]
    assert [space.artifacts.manifest(ref).inputs["index"] for ref in derived] == [
        space.registry.production("default").index.digest
    ]


def test_the_other_documents_are_found_as_before(deleted):
    space, _, before = deleted
    assert found(space) >= {STAYS, UNSEEN}
    assert GONE not in found(space)
    kept = places_with(space, *OF_STAYS)
    assert {place.split("/")[1] for place in kept if "/" in place} >= {"upload", "document", "corpus", "index"}
    assert {place for place in before.others if "/" not in place} == {place for place in kept if "/" not in place}


def test_deleted_text_is_overwritten_in_the_database_file_and_its_log(deleted):
    space, _, before = deleted
    files = [path.read_bytes() for path in space.home.glob("ragloop.db*")]
    left = {doc_id for doc_id, cells in before.sealed.items() if any(cell in data for cell in cells for data in files)}
    assert left == {row.id for row in rows(space, DocumentRow)}
    assert before.doc_ids.isdisjoint(left)


def test_what_it_had_no_part_in_is_kept_word_for_word(deleted):
    space, _, before = deleted
    after = {row.id: row for row in rows(space, InteractionRow)}
    redacted = {key for key, row in after.items() if row.question == ""}
    assert after.keys() == before.interactions.keys()
    assert {(after[key].answer, after[key].history) for key in redacted} == {(None, None)}
    [untouched] = after.keys() - redacted
    assert after[untouched].model_dump() == before.interactions[untouched].model_dump()
    assert {row.kind: row.text for row in rows(space, FeedbackRow)} == {
        FeedbackKind.THUMB_UP: None,
        FeedbackKind.CORRECTION: None,
    }
    names = {row.name for row in active_documents(space.database, "default")}
    assert {row.document for row in rows(space, QueryPairRow)} == names
    ledger = LanguageModels.of(space).ledger
    assert (ledger.read("a" * 32).text, ledger.read("b" * 32).text) == (None, "the lung of the Cedern")


def test_the_tuned_models_go_on_serving_and_the_releases_that_learned_from_it_are_named(deleted):
    space, done, before = deleted
    releases = space.registry.list("default")
    now = space.registry.production("default")
    assert (done.serving, now.embedder) == (now.id, before.production.embedder)
    assert done.releases == tuple(release.id for release in releases if release.embedder == now.embedder)
    assert done.serving_saw_it
    assert len(done.releases) == len(releases) - 1  # the first has the untuned embedder
    assert set(done.withdrawn) == {release.id for release in releases} - {now.id}


def test_the_chat_model_that_learned_from_it_is_removed_and_none_speaks(deleted):
    space, _, before = deleted
    assert before.production.chat_model is not None
    assert not [ref for ref in space.artifacts.refs() if ref.kind in ("chatdata", "chatmodel")]
    assert space.registry.production("default").chat_model is None


def test_no_release_that_held_it_can_serve_again(deleted):
    space, done, _ = deleted
    states = {release.id: release.state for release in space.registry.list("default")}
    assert {states[number] for number in done.withdrawn} == {ReleaseState.WITHDRAWN}
    with pytest.raises(ReleaseNotFound, match="held a document that was deleted"):
        space.registry.rollback("default", "by hand")
    for number in done.withdrawn:
        with pytest.raises(ReleaseWithdrawn, match=rf"release {number} cannot serve again \(a document"):
            space.registry.promote("default", number, "by hand")
        with pytest.raises(ReleaseWithdrawn, match=rf"release {number} cannot be searched \(a document"):
            open_retriever(space, "default", str(number), CONFIG)
    assert space.registry.production("default").id == done.serving


def test_an_answer_that_was_under_way_is_kept_without_it(deleted):
    space, done, before = deleted
    doc_id = min(before.doc_ids)
    late = Interaction(
        collection="default",
        release_id=done.serving,
        question="How far is the lung of the Birk?",
        answer="The lung of the Birk stands at 17 cm [1].",
        retrieved=(Retrieved(chunk_id=f"{doc_id}:0", rank=1, score=1.0),),
        citations=({"number": 1, "chunk_id": f"{doc_id}:0", "doc_id": doc_id, "char_start": 0, "char_end": 9},),
    )
    record_interaction(space.database, late)
    kept = next(each for each in rows(space, InteractionRow) if each.id == late.id)
    assert (kept.question, kept.answer, kept.citations, kept.retrieved) == ("", None, [], [])


def test_what_is_said_later_of_an_answer_that_quoted_it_is_not_kept(deleted):
    space, _, _ = deleted
    emptied = next(row.id for row in rows(space, InteractionRow) if row.question == "")
    told = "The muster of the Birk takes 18 minutes"
    said = Feedback(interaction_id=emptied, kind=FeedbackKind.CORRECTION, text=told, user_fingerprint="late")
    number = record_feedback(space.database, said, 1000)
    assert [row.text for row in rows(space, FeedbackRow) if row.id == number] == [None]


def test_its_name_is_sealed_where_the_deletion_is_noted(deleted):
    space, _, _ = deleted
    assert not any(GONE.encode() in value for value in sealed_values(space, "deletion", "name"))
    assert [ref.uri for ref in space.artifacts.refs() if GONE in space.artifacts.manifest(ref).model_dump_json()] == []


def test_an_unknown_name_is_refused(deleted):
    with pytest.raises(UnreadableDocument, match=r"no document 'birk\.md' in the collection 'default'"):
        delete_document(deleted[0], "default", GONE, CONFIG)


def _delete(home, key_file):
    space = Workspace.open(Settings(home=home, key_file=key_file))
    delete_document(space, "default", GONE, CONFIG)


def _delete_until(space, reached):
    """Delete in a process of its own, and kill that once something is reached."""
    where = (space.home, space.settings.key_file)
    process = multiprocessing.get_context("spawn").Process(target=_delete, args=where)
    process.start()
    try:
        end = time.monotonic() + 120
        while not reached() and process.is_alive() and time.monotonic() < end:
            time.sleep(0.001)
    finally:
        process.kill()
        process.join()
    assert process.exitcode == -signal.SIGKILL


def test_a_deletion_that_is_killed_twice_is_finished_by_the_next_look(space):
    delete_document(space, "other", GONE, CONFIG)
    _delete_until(space, lambda: any(row.finished_at is None for row in rows(space, DeletionRow)))
    assert GONE not in {row.name for row in active_documents(space.database, "default")}
    assert places_with(space, *OF_GONE)
    folders = {ref: space.artifacts.path(ref) for ref in space.artifacts.refs()}
    _delete_until(space, lambda: not all(folder.exists() for folder in folders.values()))
    assert [row.finished_at for row in rows(space, DeletionRow) if row.collection == "default"] == [None]

    [done] = finish_deletions(space, CONFIG)

    assert (done.name, done.chunks, done.pairs) == (GONE, 2, 6)
    assert places_with(space, *OF_GONE) == []
    assert GONE not in found(space)
    assert finish_deletions(space, CONFIG) == []


def test_the_same_bytes_survive_in_another_collection(space):
    refresh_release(space, "other", CONFIG)
    delete_document(space, "default", STAYS, CONFIG)
    hits = open_retriever(space, "other", "production", CONFIG).search(Query(id="q", question="the lung"), 5)
    assert {hit.chunk.document for hit in hits} == {GONE, STAYS}
    assert {each.name for each in load_alignable(space.artifacts, space.database, "other").values()} == {GONE, STAYS}
    assert STAYS not in found(space)


def test_with_its_last_document_a_collection_has_no_release(space):
    refresh_release(space, "other", CONFIG)
    delete_document(space, "other", GONE, CONFIG)
    done = delete_document(space, "other", STAYS, CONFIG)
    assert (done.serving, space.registry.production("other")) == (None, None)
    with pytest.raises(ReleaseNotFound, match="add documents"):
        open_retriever(space, "other", "production", CONFIG)
    with pytest.raises(EmptyCorpus):
        corpus_artifact(space.artifacts, space.database, "other")
    with pytest.raises(ReleaseNotFound):
        space.registry.rollback("other", "by hand")
    assert STAYS in found(space)  # of the default collection


def test_a_document_that_was_deleted_may_come_back(space, filled):
    done = delete_document(space, "default", UNSEEN, CONFIG)
    assert done.releases == ()  # none trained on what it is judged by
    assert ingest(space, filled / "documents" / UNSEEN).added == (UNSEEN,)
    assert refresh_release(space, "default", CONFIG).id != done.serving
    assert UNSEEN in found(space)


def test_what_was_under_way_does_not_bring_it_back(space, filled, monkeypatch):
    serving = space.registry.production("default")
    corpus = corpus_artifact(space.artifacts, space.database, "default")
    known = load_alignable(space.artifacts, space.database, "default")
    pairs = collection_pairs(space.artifacts, space.database, "default", CONFIG).pairs
    candidate = Candidate(corpus=corpus, pairs=pairs, models=search_models(serving), retrieval=CONFIG.retrieval)
    uploads = seal_uploads(space.artifacts, space.database, "third", [str(filled / "documents" / GONE)]).uploads
    encode = artifact.encoded_shards

    def delete_meanwhile(*args):
        monkeypatch.setattr(artifact, "encoded_shards", encode)
        for collection in ("other", "default"):
            delete_document(space, collection, GONE, CONFIG)
        return encode(*args)

    monkeypatch.setattr(artifact, "encoded_shards", delete_meanwhile)
    narrow = CONFIG.model_copy(update={"index": CONFIG.index.model_copy(update={"window_stride": 64})})
    with pytest.raises(ArtifactMissing, match="was removed while"):
        index_artifact(space.artifacts, space.device, corpus, serving.embedder, narrow)
    with pytest.raises(ProductionMoved, match="a document of default was deleted meanwhile"):
        register_candidate(space, "default", candidate, CONFIG)
    late = [upload.model_copy(update={"sealed_at": uploads[0].sealed_at}) for upload in uploads]
    summary = ingest_uploads(space.artifacts, space.database, "default", late, CONFIG.chunking)
    assert "was deleted" in summary.refused[GONE]
    questions = read_questions(filled / "questions.jsonl")
    imported = import_questions(space.database, space.sealer, "default", questions, known)
    assert imported.refused == (f"{GONE}: it was deleted meanwhile",) * 6
    assert places_with(space, *OF_GONE) == []


def test_a_file_that_was_read_while_it_was_deleted_is_refused_and_leaves_nothing(space, tmp_path):
    file = tmp_path / GONE
    file.write_text("The lung of the Birk is painted green, says the quoxelwright, since the spring of that year.")
    uploads = seal_uploads(space.artifacts, space.database, "default", [str(file)]).uploads
    for collection in ("other", "default"):
        delete_document(space, collection, GONE, CONFIG)
    summary = ingest_uploads(space.artifacts, space.database, "default", uploads, CONFIG.chunking)
    assert "was deleted while it was read" in summary.refused[GONE]
    assert places_with(space, *OF_GONE) == []


def test_an_upload_of_the_same_bytes_that_waits_elsewhere_survives(space, filled):
    data = (filled / "documents" / GONE).read_bytes()
    ref = upload_artifact(space.artifacts, data)
    facts = {"state": "waiting", "content_sha256": "0" * 64, "size_bytes": len(data), "artifact_uri": ref.uri}
    with space.database.session() as session:
        session.add(UploadRow(id="1", collection="third", name="copy.md", **facts))
        session.add(UploadRow(id="2", collection="other", name=GONE, **facts))
    for collection in ("other", "default"):
        delete_document(space, collection, GONE, CONFIG)
    assert {row.id: row.state for row in rows(space, UploadRow)} == {"1": "waiting", "2": "refused"}
    assert space.artifacts.find("upload", ref.digest) == ref
    assert not [ref for ref in space.artifacts.refs() if ref.kind == "document" and not _needed(space, ref)]


def test_a_newer_version_that_waits_to_be_read_goes_too(space):
    ref = upload_artifact(space.artifacts, b"The lung of the Birk is painted green.")
    facts = {"content_sha256": "0" * 64, "size_bytes": 38, "artifact_uri": ref.uri}
    with space.database.session() as session:
        session.add(UploadRow(id="1", collection="default", name=GONE, state="waiting", **facts))
    for collection in ("other", "default"):
        delete_document(space, collection, GONE, CONFIG)
    assert places_with(space, *OF_GONE) == []


def _needed(space, ref):
    return ref.uri in {row.artifact_uri for row in rows(space, DocumentRow)}
