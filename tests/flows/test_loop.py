"""The loop on the smoke profile, with the bundled models, a real home and a real Prefect server."""

import json
from threading import Thread

import pytest
from typer.testing import CliRunner

from app.cli import app
from flows.evaluate import evaluate
from flows.ingest import ingest
from flows.retrain import retrain
from rag.config import Ranker
from rag.corpus.artifact import corpus_artifact, load_texts
from rag.corpus.ingestion import ingest_uploads, seal_uploads
from rag.evaluation.artifact import load_report
from rag.evaluation.sets import evaluation_sets
from rag.feedback.claims import claim_feedback
from rag.feedback.recording import record_feedback, record_interaction
from rag.feedback.signals import Feedback, Interaction
from rag.pairs.artifact import collection_pairs, load_pairs
from rag.pairs.collection import import_questions, load_alignable
from rag.pairs.pair import Origin, Split
from rag.pairs.questions_file import read_questions
from rag.pairs.splitting import load_split, split_artifact
from rag.profiles import Profile, load_config
from rag.releases import open_retriever, refresh_release
from rag.retrieval.artifact import INDEX, index_plan
from rag.retrieval.query import Query
from rag.settings import Settings
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef
from storage.folders import locked
from tests.company import write_company, write_questions

SMOKE = load_config(Profile.SMOKE)


def ingest_folder(folder):
    return ingest([str(folder)], profile=Profile.SMOKE)


def first(space, release, question):
    return open_retriever(space, "default", release, SMOKE).search(Query(id="q", question=question), 1)[0].chunk


@pytest.fixture(scope="module")
def company(tmp_path_factory):
    """A home with documents, questions and one retraining; what each step said."""
    folder = tmp_path_factory.mktemp("company")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAGLOOP_HOME", str(folder / "home"))
        patch.setenv("RAGLOOP_KEY_FILE", str(folder / "keyring.json"))
        patch.chdir(folder)
        ingested = ingest_folder(write_company(folder / "documents"))
        space = Workspace.open(Settings())
        questions = read_questions(write_questions(folder / "questions.jsonl"))
        known = load_alignable(space.artifacts, space.database, "default")
        imported = import_questions(space.database, space.sealer, "default", questions, known)
        retrained = retrain(profile=Profile.SMOKE)
        yield space, folder, ingested, imported, retrained


def test_the_first_ingest_makes_release_one_and_it_answers(company):
    space, _, ingested, _, _ = company
    assert ingested.release_id == 1
    assert len(ingested.summary.added) == 8
    assert first(space, "1", "ember mode of the Dogel").document == "dogel.md"


def test_every_question_is_tied_to_its_passage(company):
    _, _, _, imported, _ = company
    assert (imported.imported, imported.refused) == (48, ())


def test_a_retraining_judges_its_candidate_against_production(company):
    space, _, _, _, retrained = company
    assert retrained.verdict is not None
    assert retrained.verdict.n_questions == len(evaluation_questions(space))
    state = {"promote": "production", "keep": "kept_out"}[retrained.verdict.decision]
    assert space.registry.get("default", retrained.release_id).state == state


def evaluation_questions(space):
    pairs = collection_pairs(space.artifacts, space.database, "default", SMOKE).pairs
    return [p for p in load_pairs(space.artifacts, pairs).evaluation if p.origin is Origin.REAL]


def test_no_document_is_in_two_splits(company):
    space = company[0]
    pairs = load_pairs(space.artifacts, collection_pairs(space.artifacts, space.database, "default", SMOKE).pairs)
    train, validation, evaluation = ({p.document for p in part} for part in pairs)
    assert train and validation and evaluation
    assert not (train & validation or train & evaluation or validation & evaluation)


def test_the_same_again_builds_nothing_and_changes_nothing(company):
    space, folder, _, _, retrained = company
    before = sorted(p.name for p in (folder / "home" / "artifacts").glob("*/*"))
    serving = space.registry.production("default")
    again = retrain(profile=Profile.SMOKE)
    assert again.verdict is None
    assert "nothing new" in again.nothing_new
    assert again.release_id == retrained.release_id
    assert sorted(p.name for p in (folder / "home" / "artifacts").glob("*/*")) == before
    assert space.registry.production("default") == serving


def test_a_candidate_of_shuffled_labels_is_kept_out(company):
    space = company[0]
    serving = space.registry.production("default")
    outcome = retrain(profile=Profile.SMOKE, shuffle_labels=True)
    assert outcome.verdict.decision == "keep"
    assert space.registry.get("default", outcome.release_id).state == "kept_out"
    assert space.registry.production("default") == serving


def test_new_evaluation_questions_reopen_what_was_settled(company):
    space, folder, _, _, _ = company
    settled = retrain(profile=Profile.SMOKE)
    assert settled.verdict is None
    document = evaluation_questions(space)[0].document
    lines = [
        {"question": f"Who designed this, asked for the {i}th time?", "answer": answer, "document": document}
        for i, answer in enumerate(["was designed by the workshop in valley number"] * 3)
    ]
    more = folder / "more.jsonl"
    more.write_text("\n".join(map(json.dumps, lines)))
    known = load_alignable(space.artifacts, space.database, "default")
    assert import_questions(space.database, space.sealer, "default", read_questions(more), known).imported == 3
    again = retrain(profile=Profile.SMOKE)
    assert again.verdict is not None
    assert again.release_id == settled.release_id
    assert again.verdict.n_questions == len(evaluation_questions(space))


def test_what_a_person_rolled_back_is_not_promoted_again(company):
    space = company[0]
    serving = space.registry.production("default")
    candidate = retrain(profile=Profile.SMOKE).release_id
    assert candidate != serving.id
    judged = space.registry.evaluations(candidate)[-1]
    space.registry.record_evaluation(
        candidate,
        against_id=serving.id,
        evaluation_set_digest=judged.evaluation_set_digest,
        metrics=judged.metrics,
        artifact=judged.artifact,
        verdict="promote",
        reason="a test",
    )
    space.registry.promote("default", candidate, "a test")
    space.registry.rollback("default", "a person knows better")
    assert "rolled back" in retrain(profile=Profile.SMOKE).nothing_new
    assert space.registry.production("default").id == serving.id


def test_an_evaluation_reports_origins_apart(company):
    space = company[0]
    report = load_report(space.artifacts, evaluate(release="1", profile=Profile.SMOKE))
    assert report.of(Origin.REAL)
    assert report.of(Origin.SYNTHETIC)
    assert 0 < report.general_hit1 <= 1


def test_a_part_of_the_search_is_asked_the_same_questions_alone(company):
    space = company[0]
    whole, words = (
        load_report(space.artifacts, evaluate(release="1", profile=Profile.SMOKE, version=1, ranker=ranker))
        for ranker in (None, Ranker.BM25)
    )
    assert whole.evaluation_set == words.evaluation_set
    assert [q.id for q in whole.questions] == [q.id for q in words.questions]
    assert [q.found for q in whole.questions] != [q.found for q in words.questions]


def test_the_frozen_sets_are_listed_with_why_each_came(company):
    space = company[0]
    rows = json.loads(CliRunner().invoke(app, ["pairs", "evaluation-sets", "--json"]).stdout)
    assert [row["version"] for row in rows] == list(range(1, len(rows) + 1))
    assert rows[0]["because"] == "none was there"
    assert "3 more real questions beside the" in rows[1]["because"]
    assert rows[1]["real"] == rows[0]["real"] + 3
    judged_by = {each.evaluation_set_digest for each in space.registry.evaluations(company[4].release_id)}
    assert judged_by == {each.ref.digest for each in evaluation_sets(space, "default")[:2]}


def test_the_ui_has_the_metrics_table_and_the_verdict(company):
    from prefect.artifacts import Artifact

    assert Artifact.get("written-questions-default").type == "table"
    assert Artifact.get("retrieval-metrics-default").type == "table"
    verdict = Artifact.get("verdict-default")
    assert verdict.type == "markdown" and "Regressions and gains" in verdict.data
    assert not any(pair.anchor in verdict.data for pair in evaluation_questions(company[0]))


def test_the_same_documents_again_are_left_alone(company):
    space, folder, _, _, _ = company
    serving = space.registry.production("default")
    again = ingest_folder(folder / "documents")
    assert len(again.summary.unchanged) == 8
    assert again.release_id == serving.id


def test_a_changed_document_is_a_new_version_that_is_found_at_once(company):
    space, folder, _, _, _ = company
    other = folder / "changed"
    other.mkdir()
    changed = other / "hassel.md"
    changed.write_text((folder / "documents" / "hassel.md").read_text() + "\n\nThe Hassel is painted ultramarine.")
    outcome = ingest_folder(other)
    assert outcome.summary.updated == ("hassel.md",)
    assert "ultramarine" in first(space, "production", "what colour is the ultramarine Hassel").text
    assert "ultramarine" not in first(space, "1", "what colour is the ultramarine Hassel").text


def test_rollback_brings_back_the_models_that_served_before_and_undoes_no_ingest(company):
    space, _, _, _, retrained = company
    before = space.registry.production("default")
    space.registry.promote("default", retrained.release_id, "a test")
    now = refresh_release(space, "default", SMOKE)
    assert (now.embedder == before.embedder, now.id == retrained.release_id) == (False, False)
    assert space.registry.rollback("default", "a test").id == before.id


def test_a_file_that_cannot_be_read_never_stops_the_others(company):
    _, folder, _, _, _ = company
    mixed = folder / "mixed"
    mixed.mkdir()
    (mixed / "zeros.txt").write_bytes(bytes(1000))
    (mixed / "fake.docx").write_bytes(b"no zip at all")
    (mixed / "good.txt").write_text("The Iversen is a new product with a copper lid.")
    outcome = ingest_folder(mixed)
    assert set(outcome.summary.refused) == {"zeros.txt", "fake.docx"}
    assert outcome.summary.added == ("good.txt",)


def test_documents_indexed_while_other_models_begin_to_serve_do_not_undo_them(company):
    space, folder, _, _, retrained = company
    serving = space.registry.production("default")
    other = space.registry.get("default", retrained.release_id)
    assert other.embedder != serving.embedder
    late = folder / "late.txt"
    late.write_text("The Jarvis is a late product with a zinc lid.")
    intake = seal_uploads(space.artifacts, space.database, "default", [str(late)])
    ingest_uploads(space.artifacts, space.database, "default", intake.uploads, SMOKE.chunking)

    corpus = corpus_artifact(space.artifacts, space.database, "default")
    digest = space.artifacts.digest(INDEX, **index_plan(corpus, serving.embedder, SMOKE))
    lock = space.home / "artifacts" / ".building" / f"{INDEX}-{digest}.lock"
    with locked(lock):
        refreshing = Thread(target=refresh_release, args=(space, "default", SMOKE))
        refreshing.start()
        refreshing.join(3)
        assert refreshing.is_alive()  # it waits for our lock, with the old models
        space.registry.promote("default", other.id, "meanwhile")
    refreshing.join(120)
    now = space.registry.production("default")
    assert now.embedder == other.embedder
    assert first(space, "production", "late product with a zinc lid").document == "late.txt"


def test_feedback_becomes_pairs_of_the_next_retraining_and_the_card_names_how_many(company):
    space = company[0]
    corpus = corpus_artifact(space.artifacts, space.database, "default")
    splits = load_split(
        space.artifacts, split_artifact(space.artifacts, space.database, "default", corpus, SMOKE.split, keep=True)
    )
    texts = load_texts(space.artifacts, corpus)
    trained_on = [doc_id for doc_id, text in texts.items() if splits[text.name][1] is Split.TRAIN][:2]
    for doc_id in trained_on:
        start = texts[doc_id].text.index("was designed by")
        citation = {
            "number": 1,
            "chunk_id": f"{doc_id}:0",
            "doc_id": doc_id,
            "char_start": start,
            "char_end": start + 40,
        }
        question = f"Which people drew up the plans of the {texts[doc_id].name}?"
        asked = Interaction(collection="default", release_id=1, question=question, citations=(citation,))
        record_interaction(space.database, asked)
        record_feedback(space.database, Feedback(interaction_id=asked.id, kind="thumb_up"), 50)
    outcome = retrain(profile=Profile.SMOKE)
    assert outcome.verdict is not None
    assert claim_feedback(space.database, "default").count == 0
    release = space.registry.get("default", outcome.release_id)
    pairs = load_pairs(space.artifacts, ArtifactRef.model_validate(release.lineage["pairs"]))
    assert len([pair for pair in pairs.train if pair.origin is Origin.FEEDBACK]) == 2
    assert space.artifacts.facts(release.embedder)["trained_on"]["feedback"] == 2
    assert "| feedback | 2 |" in (space.artifacts.path(release.embedder) / "README.md").read_text()
    shown = CliRunner().invoke(app, ["releases", "show", str(release.id)])
    assert ", 2 feedback pairs" in shown.stdout
    assert retrain(profile=Profile.SMOKE).verdict is None, "what was consumed is not forgotten"
