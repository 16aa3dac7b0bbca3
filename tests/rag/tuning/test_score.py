"""What trials are judged by, with the untuned encoder on the small company."""

import pytest

from rag.corpus.ingestion import ingest_uploads, seal_uploads
from rag.embedding.artifact import base_embedder
from rag.embedding.encoder import load_sentence_transformer
from rag.embedding.validation import scores, validation_evaluator
from rag.errors import EmptyCorpus
from rag.llm.access import LanguageModels
from rag.pairs.artifact import collection_pairs, load_pairs
from rag.settings import Settings
from rag.tuning.score import validation_score
from rag.workspace import Workspace
from tests.company import write_company
from tests.rag.evaluation.asked_company import CONFIG, open_asked_company


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """A home with documents, questions that validate, and the untuned embedder."""
    space, _ = open_asked_company(tmp_path_factory.mktemp("tuned"))
    return space, base_embedder(space.artifacts, "bundled")


def pairs_of(space, config):
    return collection_pairs(space.artifacts, space.database, "default", config, LanguageModels.of(space)).pairs


def test_an_embedder_is_asked_the_validation_questions_once(asked):
    space, base = asked
    pairs = pairs_of(space, CONFIG)
    score = validation_score(space.artifacts, base, pairs, CONFIG.embedding)
    assert 0 < score.mrr <= score.hit5 <= 1
    validating = space.artifacts.facts(pairs)["pairs"]["validation"]
    assert score.questions == sum(validating.values()) == len(score.ranks) == len(score.documents)
    assert score.mrr == pytest.approx(sum(score.reciprocal_ranks) / score.questions, abs=1e-4)
    assert set(score.documents) == {0}  # one document of the company validates
    known = sorted(ref.uri for ref in space.artifacts.refs())
    assert validation_score(space.artifacts, base, pairs, CONFIG.embedding) == score
    assert sorted(ref.uri for ref in space.artifacts.refs()) == known


def test_it_is_what_the_training_itself_would_measure(asked):
    space, base = asked
    pairs = pairs_of(space, CONFIG)
    split = load_pairs(space.artifacts, pairs)
    model = load_sentence_transformer(space.artifacts.path(base), space.artifacts.facts(base)["query_prompt"])
    measured = scores(validation_evaluator(split.train, split.tuning, CONFIG.embedding.seed)(model))
    score = validation_score(space.artifacts, base, pairs, CONFIG.embedding)
    assert (score.mrr, score.hit5) == (measured["mrr@10"], measured["hit@5"])


def test_without_validation_questions_the_remedy_is_said(asked, tmp_path):
    _, base = asked
    for file in sorted(write_company(tmp_path / "documents").iterdir())[2:]:
        file.unlink()  # two documents train and evaluate
    space = Workspace.open(Settings(home=tmp_path / "home", key_file=tmp_path / "keyring.json"), create=True)
    uploads = seal_uploads(space.artifacts, space.database, "default", [str(tmp_path / "documents")]).uploads
    ingest_uploads(space.artifacts, space.database, "default", uploads, CONFIG.chunking)
    assert base_embedder(space.artifacts, "bundled") == base
    with pytest.raises(EmptyCorpus, match="import some with `ragloop pairs import`"):
        validation_score(space.artifacts, base, pairs_of(space, CONFIG), CONFIG.embedding)
