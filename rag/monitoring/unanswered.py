"""What to document next: questions that the documents did not answer, or whose answers were judged wrong."""

from collections.abc import Iterable, Mapping, Sequence

from rag.monitoring.traffic import Asked
from rag.pairs.words import normalize


def latest(asked: Iterable[Asked], n: int) -> list[Asked]:
    """Return the last `n` that got no answer, or one judged wrong, and the last `n` that were answered, as they came.

    :param asked: oldest first.
    """
    own = list(asked)
    kept = {each.id for of_kind in (_lacking, _answered) for each in [each for each in own if of_kind(each)][-n:]}
    return [each for each in own if each.id in kept]


def unanswered(asked: Sequence[Asked], texts: Mapping[str, str]) -> list[Asked]:
    """Return what got no answer, or one judged wrong (a thumb, a rating, a correction), and was not answered since.

    That is when somebody asked in the same words later and the documents answered, and nobody called it wrong.

    :param asked: oldest first.
    :param texts: the questions by id; those whose text was deleted are left out.
    """
    answered = {normalize(texts[each.id]): each.at for each in asked if each.id in texts and _answered(each)}
    return [
        each
        for each in asked
        if _lacking(each) and each.id in texts and answered.get(normalize(texts[each.id]), each.at) <= each.at
    ]


def _lacking(asked: Asked) -> bool:
    return asked.found is False or asked.judged_wrong


def _answered(asked: Asked) -> bool:
    return bool(asked.found) and not asked.judged_wrong
