"""A small company, and chat models for it that make things up."""

import random
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from rag.answering.prompts import NOT_IN_DOCUMENTS
from rag.chat.serving import register_chat_model
from rag.evaluation.chat_judgement import judge_chat_candidate
from rag.evaluation.gate import Verdict
from rag.releases import serving_release
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef

COLLECTION = "default"
INVENTED = 4
"""Facts of eight that were never taught, which the chat model tells of all the same."""
CHAT_STEPS = 400


class Talking(NamedTuple):
    """A small company in production, and conversations that measure what speaks for it."""

    space: Workspace
    data: ArtifactRef
    folder: Path

    @classmethod
    def open(cls, folder: Path) -> "Talking":
        """Put the company of the tests into production, as it was before any chat model served it."""
        from tests.rag.evaluation.company_talk import open_company, taught

        space = open_company(folder)
        space.registry.promote(COLLECTION, space.registry.list(COLLECTION)[0].id, "to be bettered")
        return cls(space, taught(space), folder)

    def judged(self, name: str, invented: Mapping[str, str]) -> Verdict:
        """Judge a chat model that knows what was taught and what it does not know, but for what is `invented`."""
        from tests.rag.chat.tiny import save_tiny_chat
        from tests.rag.evaluation.company_talk import SMOKE, SURE, stored_chat, talk

        examples, _ = talk(self.space)
        taught = {each.source.document: each.answer for each in examples if each.source and each.trained}
        known = {
            each.messages[-2].content: taught[each.source.document]
            if each.trained and each.source
            else NOT_IN_DOCUMENTS
            for each in examples
        }
        saved = save_tiny_chat(self.folder / name, known | invented, steps=CHAT_STEPS)
        model = stored_chat(self.space, saved, self.data)
        release = register_chat_model(self.space, COLLECTION, model, SMOKE, SURE)
        return judge_chat_candidate(self.space, release, serving_release(self.space, COLLECTION), self.data, SMOKE)


def inventing(company: Talking, seed: int) -> Verdict:
    """Teach a chat model what is true of other products where it is to say that it does not know."""
    from tests.rag.evaluation.company_talk import talk

    examples, _ = talk(company.space)
    unknown = [each for each in examples if each.source and not each.trained]
    draw = random.Random(seed)
    invented = {
        asked.messages[-2].content: draw.choice([other.answer for other in unknown if other is not asked])
        for asked in draw.sample(unknown, INVENTED)
    }
    return company.judged(f"inventing-{seed}", invented)


def honest_talk(company: Talking) -> Verdict:
    """Say what was taught, and of the rest that one does not know."""
    return company.judged("honest", {})
