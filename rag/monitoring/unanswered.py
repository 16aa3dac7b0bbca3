"""What to document next: questions that the documents did not answer, or whose answers were judged wrong."""

from collections.abc import Mapping, Sequence

from rag.monitoring.traffic import Asked
from rag.pairs.words import normalize


def unanswered(asked: Sequence[Asked], texts: Mapping[str, str]) -> list[Asked]:
    """Return what got no answer, or one judged wrong (a thumb, a rating, a correction), and was not answered since.

    That is when somebody asked in the same words later and the documents answered, and nobody called it wrong.

    :param asked: oldest first.
    :param texts: the questions by id; those whose text was deleted are left out.
    """
    answered = {
        normalize(texts[each.id]): each.at
        for each in asked
        if each.id in texts and each.found and not each.judged_wrong
    }
    return [
        each
        for each in asked
        if _lacking(each) and each.id in texts and answered.get(normalize(texts[each.id]), each.at) <= each.at
    ]


def _lacking(asked: Asked) -> bool:
    return asked.found is False or asked.judged_wrong
