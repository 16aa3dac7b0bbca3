"""Sets of other people's formats, and ours for them."""

import json
import stat

import numpy as np
import pytest

from rag.config import GeneratorKind, RerankingConfig
from rag.errors import BadQuestions
from rag.evaluation.answers_artifact import answer_set, answers_artifact, load_answers, load_answers_report
from rag.evaluation.artifact import evaluation_artifact, load_report
from rag.evaluation.beir import CORPUS, QRELS, QUERIES
from rag.evaluation.foreign_sets import export_answered, export_set, foreign_answers, foreign_retrieval
from rag.evaluation.string_metrics import PRESENCE, RECALL
from rag.evaluation.way_report import F1
from rag.reranking.artifact import late_interaction
from tests.rag.evaluation.asked_company import CONFIG

COVER = "Founder's cover on the Birk runs for 19 months from delivery."


@pytest.fixture(scope="module")
def release(asked_company):
    """What serves."""
    return asked_company[0].registry.production("default")


@pytest.fixture
def beir(tmp_path):
    """A folder of somebody else."""
    (tmp_path / "qrels").mkdir()
    passages = {"d/1": "Penguins swim south.", "d/2": "The lighthouse burns oil.", "d/3": "Oil lamps smell of fish."}
    entries = [{"_id": id_, "title": "", "text": text} for id_, text in passages.items()]
    (tmp_path / CORPUS).write_text("".join(json.dumps(each) + "\n" for each in entries))
    queries = [{"_id": "q1", "text": "Where do penguins swim?"}, {"_id": "q2", "text": "What burns oil?"}]
    (tmp_path / QUERIES).write_text("".join(json.dumps(each) + "\n" for each in queries))
    (tmp_path / QRELS).write_text("query-id\tcorpus-id\tscore\nq1\td/1\t1\nq2\td/2\t2\nq2\td/3\t1\nq2\td/1\t0\n")
    return tmp_path


def test_a_ragas_dataset_is_answered_by_the_release(asked_company, release, tmp_path):
    space, _ = asked_company
    rows = [
        {"user_input": "How long is the warranty of the Birk?", "reference": COVER, "reference_contexts": [COVER]},
        {"user_input": "What does the Birk cost?", "response": "An answer that is passed over."},
    ]
    file = tmp_path / "set.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    made = foreign_answers(space, release, file, CONFIG, GeneratorKind.EXTRACTIVE)
    report, given = load_answers_report(space.artifacts, made), load_answers(space.artifacts, made)
    first, second = report.answers
    assert first.metrics[F1] > 0 and first.metrics[RECALL] is not None
    assert (second.metrics[F1], second.metrics[PRESENCE]) == (None, None)
    assert "passed over" not in given[1].sample.answer
    assert foreign_answers(space, release, file, CONFIG, GeneratorKind.EXTRACTIVE) == made


def test_a_broken_dataset_is_named_with_its_line(asked_company, release, tmp_path):
    file = tmp_path / "set.jsonl"
    file.write_text('{"user_input": "Why?"}\n{"question": "Why?"}\n')
    with pytest.raises(BadQuestions, match='set.jsonl line 2: "user_input"'):
        foreign_answers(asked_company[0], release, file, CONFIG)


def test_a_beir_folder_is_searched_over_its_own_passages(asked_company, release, beir, tmp_path):
    space, _ = asked_company
    before = space.artifacts.refs()
    report = foreign_retrieval(space, release, beir, CONFIG)
    assert [(q.id, q.metrics["hit@1"]) for q in report.questions] == [("q1", 1), ("q2", 1)]
    assert [len(q.relevant) for q in report.questions] == [1, 2]
    assert {len(q.found) for q in report.questions} == {3}
    assert space.artifacts.refs() == before  # what was indexed is gone


def test_a_folder_s_grades_count_for_gain_as_its_peers_count_them(asked_company, release, beir):
    (beir / QRELS).write_text("query-id\tcorpus-id\tscore\nq2\td/2\t1\nq2\td/3\t3\n")
    (asked,) = foreign_retrieval(asked_company[0], release, beir, CONFIG).questions
    assert asked.metrics["hit@1"] == 1 and asked.found[0] != asked.relevant[1]  # the less relevant one is first
    place = 1 + asked.found.index(asked.relevant[1])
    assert asked.metrics["ndcg@10"] == pytest.approx((1 + 3 / np.log2(place + 1)) / (3 + 1 / np.log2(3)))


def test_its_passages_are_ranked_anew_where_those_of_the_release_are(asked_company, release, beir):
    space, _ = asked_company
    config = CONFIG.model_copy(update={"reranking": RerankingConfig(method="late-interaction")})
    reranker = late_interaction(space.artifacts, space.device, release.index, release.embedder, config)
    answering = {**release.answering, "rerank_weight": 1.0, "rerank_depth": 3}
    reranking = release.model_copy(update={"reranker": reranker, "answering": answering})
    assert foreign_retrieval(space, reranking, beir, config).means()["hit@1"] == 1


def test_our_set_reads_as_beir_and_says_the_same(asked_company, release, tmp_path):
    space, evaluation_set = asked_company
    own = evaluation_artifact(space, release, evaluation_set, CONFIG)
    written = export_set(space.artifacts, release, own, tmp_path / "beir")
    assert {stat.S_IMODE(path.stat().st_mode) for path in written.values()} == {0o600}
    report = foreign_retrieval(space, release, tmp_path / "beir", CONFIG)
    assert report.means() == load_report(space.artifacts, own).means()


def test_answers_read_as_a_ragas_dataset(asked_company, release, tmp_path):
    from ragas import EvaluationDataset

    space, evaluation_set = asked_company
    asked = answer_set(space.artifacts, evaluation_set, CONFIG)
    made = answers_artifact(space, release, asked, CONFIG, GeneratorKind.EXTRACTIVE)
    file = export_answered(space.artifacts, made, tmp_path / "answers.jsonl")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    read = EvaluationDataset.from_jsonl(file)
    answerable = [given.sample for given in load_answers(space.artifacts, made) if given.answerable]
    assert [row.user_input for row in read] == [sample.question for sample in answerable]
    assert all(row.response and row.reference and row.reference_contexts for row in read)
