"""A company's documents, four weeks of questions about them, and a week in which people begin to ask about more."""

import io
import json
from itertools import cycle, islice

import numpy as np
import pytest
from PIL import Image

from rag.corpus.ingestion import ingest_uploads, seal_uploads
from rag.monitoring import tables
from rag.monitoring.drift import QUESTIONS, SCORE, UNANSWERED
from rag.monitoring.pictures import use_picture
from rag.monitoring.report import monitor
from rag.releases import refresh_release
from rag.settings import Settings
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef
from storage.errors import ReleaseNotFound
from tests.company import JARGON, PRODUCTS, write_company
from tests.rag.monitoring.uses import NOW, ask, days_ago, interaction, keep, react

KNOWN = [question.format(p=product) for product in PRODUCTS for _, question in JARGON]
BICYCLES = [
    "Can I lease a bicycle through the company?",
    "How do I lease a bicycle?",
    "Is there a bicycle leasing for employees?",
    "What does bicycle leasing cost?",
]
PEOPLE = [f"user {i}" for i in range(12)]


@pytest.fixture(scope="module")
def used(tmp_path_factory):
    folder = tmp_path_factory.mktemp("used")
    settings = Settings(home=folder / "home", key_file=folder / "keys.json", config=None)
    space = Workspace.open(settings, create=True)
    config = settings.stages("smoke")
    uploads = seal_uploads(space.artifacts, space.database, "default", [str(write_company(folder / "docs"))]).uploads
    ingest_uploads(space.artifacts, space.database, "default", uploads, config.chunking)
    release_id = refresh_release(space, "default", config).id
    rng = np.random.default_rng(0)
    rows = []
    for i, (question, user) in enumerate(zip(islice(cycle(KNOWN), 200), cycle(PEOPLE))):  # noqa: B905
        at = days_ago(7 + i % 28 if i < 140 else i % 7)
        rows.append(interaction(release_id, at, question, user, score=float(rng.normal(0.7, 0.05))))
    for i, question in enumerate(islice(cycle(BICYCLES), 24)):
        facts = {"found": False, "support": 0.0, "score": float(rng.normal(0.7, 0.05))}
        rows.append(interaction(release_id, days_ago(i % 7), question, PEOPLE[i % 12], **facts))
    keep(space.database, rows)
    wrong = ask(space.database, release_id, days_ago(1), "How long is the warranty of the Zelkova?", "user 1")
    react(space.database, wrong, "thumb_down", days_ago(1), "user 1")
    return space, config


@pytest.fixture(scope="module")
def seen(used):
    return monitor(*used[:1], "default", used[1], now=NOW)


def test_the_use_is_counted(seen):
    assert sum(day.questions for day in seen.usage.by_day) <= sum(week.questions for week in seen.usage.by_week) == 225
    assert seen.recent.questions == 85 and seen.recent.users == 12
    assert seen.recent.correct.n == 1 and seen.recent.correct.value == 0


def test_the_new_topic_is_found_and_told(seen):
    assert seen.drift.of(QUESTIONS).found and seen.drift.of(UNANSWERED).found
    assert {"drift:questions", "drift:unanswered"} == {alert.metric for alert in seen.alerts}
    first = seen.new_topics[0]
    assert first.question in BICYCLES and first.unanswered == first.questions
    assert sum("bicycle" in topic.words for topic in seen.new_topics) >= 1


def test_what_to_document_next_comes_by_people(seen):
    first, *_, last = seen.to_document
    assert first.question in BICYCLES and "bicycle" in first.words and first.people > 5
    assert (last.question, last.judged_wrong, last.unanswered) == ("How long is the warranty of the Zelkova?", 1, 0)


def test_without_text_nothing_that_people_wrote_is_left(seen):
    assert "bicycle" in seen.model_dump_json()
    silent = seen.without_text().model_dump_json()
    assert "bicycle" not in silent and "Zelkova" not in silent
    assert json.loads(silent)["to_document"][0]["people"] == seen.to_document[0].people


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"index": ArtifactRef.of("index", "j"), "reranker": ArtifactRef.of("reranker", "s")}, None),
        ({"answering": {"dense_weight": 0.9}}, "other models answered"),
        ({"reranker": None}, "other models answered"),
        ({"embedder": ArtifactRef.of("embedder", "f")}, "other models answered"),
    ],
)
def test_scores_are_compared_across_new_documents_and_not_across_models(tmp_path, change, told):
    """Of late interaction whose documents are gone, too."""
    settings = Settings(home=tmp_path / "home", key_file=tmp_path / "keys.json", config=None)
    space = Workspace.open(settings, create=True)
    parts = {name: ArtifactRef.of(name, name[0]) for name in ("embedder", "index", "reranker")} | {"answering": {}}
    for days, own in ((20, parts), (1, parts | change)):
        facts = {"parent_id": None, "reason": "", "config": {}, "lineage": {}}
        release = space.registry.register("default", **facts, **own)
        space.registry.promote("default", release.id, "first")
        keep(space.database, [interaction(release.id, days_ago(days), "Where?", f"user {i}") for i in range(40)])
    score = monitor(
        space, "default", settings.stages("smoke"), lambda texts: np.eye(len(texts), dtype=np.float32), now=NOW
    ).drift.of(SCORE)
    assert (score.untested or "").startswith(told or "") and bool(score.untested) is bool(told)


def test_fewer_days_are_shown_if_asked_for(used, seen):
    week = monitor(used[0], "default", used[1], lambda texts: np.eye(len(texts), dtype=np.float32), days=3, now=NOW)
    assert len(week.usage.by_day) == 3
    assert sum(topic.questions for topic in week.to_document) < sum(topic.questions for topic in seen.to_document)


def test_before_anybody_asked_all_is_empty(used):
    quiet = monitor(used[0], "default", used[1], now=days_ago(90))
    assert sum(day.questions for day in quiet.usage.by_day) == 0
    assert (quiet.alerts, quiet.to_document, quiet.new_topics) == ((), (), ())
    assert all("too few" in metric.untested for metric in quiet.drift.metrics)
    assert use_picture(quiet, used[1].monitoring, "Use")


def test_of_a_collection_without_a_release_the_remedy_is_said(used):
    with pytest.raises(ReleaseNotFound, match="ragloop ingest"):
        monitor(used[0], "nowhere", used[1], now=NOW)


def test_tables_say_of_how_many_and_show_text_only_where_it_may_be(seen):
    (today,) = tables.use_rows(seen.usage.by_day[-1:])
    assert today["questions"] == seen.usage.by_day[-1].questions and today["correct (n)"] == ""
    assert tables.use_rows([seen.recent])[0]["correct (n)"] == "0% (1)"
    assert tables.topic_rows(seen.to_document)[0]["such as"] in BICYCLES
    assert "such as" not in tables.topic_rows(seen.to_document, text=False)[0]
    assert [row["drift"] for row in tables.drift_rows(seen.drift)][0] == "yes, for the worse"
    assert len({len(row) for row in tables.retention_rows(seen.usage.retention)}) == 1
    assert tables.latency_rows([seen.recent])[-1]["p95 ms"] == 500
    assert len(tables.alert_rows(seen.alerts)) == 2
    (rating, _) = tables.target_rows(seen.recent, {"rating": 4.0, "correct": 0.9})
    assert (rating["target"], rating["reached"], rating["n"]) == ("4", "", 0)


def test_the_picture_is_a_wide_png(used, seen):
    with Image.open(io.BytesIO(use_picture(seen, used[1].monitoring, "Use of default"))) as picture:
        assert (picture.format, picture.width) == ("PNG", 1200)
