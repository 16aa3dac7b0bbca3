"""Of whose answers a measurement is made, with a loopback Groq."""

from pydantic import SecretStr

from rag.answering.answer import Way
from rag.evaluation.asked import Sample
from rag.evaluation.way_artifact import load_way_report, way_artifact
from rag.pairs.pair import Split
from rag.workspace import Workspace
from tests.groq_server import serving
from tests.rag.evaluation.company_talk import SMOKE


def test_who_can_answer_today_is_not_taken_for_who_could_before(company):
    space, data = company
    release = space.registry.production("default")
    sample = Sample(data=data, split=Split.EVALUATION, per_group=4, seed=1)
    without = way_artifact(space, release, Way.RAG, sample, SMOKE)
    with serving() as groq:
        settings = {"groq_api_key": SecretStr("k"), "groq_base_url": groq.url}
        keyed = Workspace(
            space.settings.model_copy(update=settings), space.sealer, space.database, space.artifacts, space.registry
        )
        made = way_artifact(keyed, release, Way.RAG, sample, SMOKE)
        n_asked = len(groq.requests)
        assert way_artifact(keyed, release, Way.RAG, sample, SMOKE) == made
        assert len(groq.requests) == n_asked > 0
    assert made != without == way_artifact(space, release, Way.RAG, sample, SMOKE)
    said = [[answer.said for answer in load_way_report(space.artifacts, ref).answers] for ref in (made, without)]
    assert len(said[0]) == len(said[1]) and said[0] != said[1]
