"""The small company in production, and its evaluation set."""

from pydantic import SecretStr

from rag.evaluation.sets import frozen_set
from rag.llm.access import LanguageModels
from rag.pairs.artifact import collection_pairs
from rag.pairs.collection import import_questions, load_alignable
from rag.pairs.questions_file import read_questions
from rag.workspace import Workspace
from tests.company import write_questions
from tests.rag.evaluation.company_talk import SMOKE, open_company

CONFIG = SMOKE.model_copy(
    update={"evaluation": SMOKE.evaluation.model_copy(update={"answered": 12, "unanswerable": 10})}
)


def open_asked_company(folder):
    """Return a home with documents in production and questions about them, and the evaluation set."""
    space = open_company(folder)
    known = load_alignable(space.artifacts, space.database, "default")
    import_questions(
        space.database, space.sealer, "default", read_questions(write_questions(folder / "questions.jsonl")), known
    )
    pairs = collection_pairs(space.artifacts, space.database, "default", CONFIG, LanguageModels.of(space)).pairs
    return space, frozen_set(space, "default", pairs, CONFIG)


def keyed(space, server):
    """Return the home with a key for a loopback Groq, or judge."""
    changes = {
        "groq_api_key": SecretStr("k"),
        "groq_base_url": server.url,
        "judge_base_url": f"{server.url}/openai/v1",
    }
    settings = space.settings.model_copy(update=changes)
    return Workspace(settings, space.sealer, space.database, space.artifacts, space.registry)
