"""Mining in a home: the documents of a company, and a release that serves them."""

import pytest

from rag.config import NegativesConfig
from rag.corpus.artifact import load_chunks
from rag.corpus.ingestion import ingest_uploads, seal_uploads
from rag.embedding.artifact import base_embedder
from rag.feedback.recording import record_feedback, record_interaction
from rag.feedback.signals import Feedback, FeedbackKind, Interaction, Retrieved
from rag.pairs.artifact import collection_pairs, load_pairs
from rag.pairs.collection import import_questions, load_alignable
from rag.pairs.mined import load_negatives
from rag.pairs.mining import negatives_artifact
from rag.pairs.pair import Split
from rag.pairs.questions_file import read_questions
from rag.pairs.splitting import load_split
from rag.profiles import Profile, load_config
from rag.releases import refresh_release
from rag.reranking.artifact import late_interaction
from rag.settings import Settings
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef
from tests.company import write_company, write_questions

PLAIN = load_config(Profile.SMOKE)
CONFIG = PLAIN.model_copy(update={"negatives": NegativesConfig(per_pair=2)})


@pytest.fixture(scope="module")
def company(tmp_path_factory):
    """A home with documents, questions, pairs and an untuned release."""
    folder = tmp_path_factory.mktemp("company")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAGLOOP_HOME", str(folder / "home"))
        patch.setenv("RAGLOOP_KEY_FILE", str(folder / "keyring.json"))
        space = Workspace.open(Settings(), create=True)
        documents = write_company(folder / "documents")
        for file in documents.iterdir():
            with file.open("a") as text:
                text.write(f"\n\nWrite to service@{file.stem}.example about it.")
        uploads = seal_uploads(space.artifacts, space.database, "default", [str(documents)]).uploads
        ingest_uploads(space.artifacts, space.database, "default", uploads, PLAIN.chunking)
        known = load_alignable(space.artifacts, space.database, "default")
        questions = read_questions(write_questions(folder / "questions.jsonl"))
        import_questions(space.database, space.sealer, "default", questions, known)
        refresh_release(space, "default", PLAIN)
        yield space, collection_pairs(space.artifacts, space.database, "default", PLAIN).pairs


def mine(company, config=CONFIG, embedder=None):
    space, pairs = company
    return negatives_artifact(space, "default", pairs, embedder, config)


def corpus_of(company, kind):
    space, pairs = company
    return ArtifactRef.of(kind, space.artifacts.manifest(pairs).inputs[kind])


def training_documents(company):
    splits = load_split(company[0].artifacts, corpus_of(company, "split"))
    return {name for name, (_, split) in splits.items() if split is Split.TRAIN}


@pytest.fixture(scope="module")
def mined(company):
    return mine(company)


def test_nothing_is_mined_unless_wanted(company):
    assert mine(company, PLAIN.model_copy(update={"negatives": NegativesConfig(per_pair=0)})) is None


def test_negatives_of_training_pairs_are_windows_of_training_documents(company, mined):
    space, pairs = company
    negatives = load_negatives(space.artifacts, mined)
    assert negatives.keys() <= {pair.id for pair in load_pairs(space.artifacts, pairs).train}
    chunks = load_chunks(space.artifacts, corpus_of(company, "corpus"))
    own = [chunk.text for chunk in chunks if chunk.document in training_documents(company)]
    assert len(negatives) > 10
    assert all(any(text in chunk for chunk in own) for texts in negatives.values() for text in texts)


def test_the_facts_count_what_was_mined_and_dropped(company, mined):
    space, _ = company
    facts = space.artifacts.facts(mined)
    negatives = load_negatives(space.artifacts, mined)
    assert facts["pairs_with_negatives"] == len(negatives)
    assert facts["mined"] + facts["from_feedback"] == sum(map(len, negatives.values()))
    assert facts["dropped"].keys() == {"too_near", "holds_answer", "near_duplicate", "reranked"}


def test_no_text_of_the_documents_lies_open(company, mined):
    space, _ = company
    folder = space.artifacts.path(mined)
    assert all(b"handbook" not in file.read_bytes() for file in folder.rglob("*") if file.is_file())


def test_mining_twice_is_mining_once(company, mined):
    assert mine(company) == mined
    rounds = NegativesConfig(per_pair=2, rounds=2)
    assert mine(company, PLAIN.model_copy(update={"negatives": rounds})) == mined


def test_a_trained_embedder_mines_in_an_index_of_the_training_documents_alone(company, mined):
    space, _ = company
    before = shards(space)
    again = mine(company, embedder=base_embedder(space.artifacts, "bundled"))
    assert again != mined
    chunks = load_chunks(space.artifacts, corpus_of(company, "corpus"))
    n_training = sum(chunk.document in training_documents(company) for chunk in chunks)
    assert [space.artifacts.facts(ref)["chunks"] for ref in shards(space) - before] == [n_training]
    assert load_negatives(space.artifacts, again)


def shards(space):
    return {ArtifactRef.of("vectors", folder.name) for folder in (space.home / "artifacts" / "vectors").iterdir()}


@pytest.mark.system
def test_personal_data_is_masked_in_negatives_as_in_pairs(company):
    space, _ = company
    all_of_them = PLAIN.model_copy(update={"negatives": NegativesConfig(per_pair=16, relative_margin=0)})
    masking = all_of_them.pairs.model_copy(update={"mask_personal_data": True})
    plain, masked = (
        {text for texts in load_negatives(space.artifacts, mine(company, config)).values() for text in texts}
        for config in (all_of_them, all_of_them.model_copy(update={"pairs": masking}))
    )
    assert any("@" in text for text in plain)
    assert not any("@" in text for text in masked)
    assert any("<EMAIL_1>" in text for text in masked)


def test_what_people_were_shown_in_vain_joins_the_negatives(company, mined):
    space, pairs = company
    train = load_pairs(space.artifacts, pairs).train
    before = load_negatives(space.artifacts, mined)
    own = training_documents(company)
    chunks = load_chunks(space.artifacts, corpus_of(company, "corpus"))
    pair, other = next(
        (pair, chunk)
        for pair in train
        for chunk in chunks
        if chunk.document in own and chunk.doc_id != pair.doc_id and pair.id in before
    )
    release = space.registry.production("default")
    shown = (Retrieved(chunk_id=other.chunk_id, rank=1, score=1.0),)
    asked = Interaction(
        collection="default", release_id=release.id, question=f"{pair.anchor.upper()} ", retrieved=shown
    )
    record_interaction(space.database, asked)
    record_feedback(space.database, Feedback(interaction_id=asked.id, kind=FeedbackKind.THUMB_DOWN), threshold=50)

    again = mine(company)
    assert again != mined
    assert space.artifacts.facts(again)["from_feedback"] >= 1
    assert load_negatives(space.artifacts, again)[pair.id][0] in other.text


def test_the_reranker_that_serves_drops_what_it_puts_above_the_evidence(company):
    space, _ = company
    config = PLAIN.model_copy(update={"negatives": NegativesConfig(per_pair=16, relative_margin=0)})
    without = space.artifacts.facts(mine(company, config))
    serving = space.registry.production("default")
    reranker = late_interaction(space.artifacts, space.device, serving.index, serving.embedder, config)
    release = space.registry.register(
        "default",
        parent_id=serving.id,
        reason="a reranker",
        embedder=serving.embedder,
        index=serving.index,
        reranker=reranker,
        answering=config.retrieval.model_copy(update={"rerank_weight": 0.5, "rerank_depth": 10}).model_dump(),
        config={},
        lineage=serving.lineage,
    )
    space.registry.promote("default", release.id, "a test")
    facts = space.artifacts.facts(mine(company, config))
    assert without["dropped"]["reranked"] == 0
    assert facts["dropped"]["reranked"] > 0
    assert facts["mined"] < without["mined"]
