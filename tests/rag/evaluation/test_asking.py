"""Asking an engine many questions in a row."""

import pytest

from rag.answering.answer import Question
from rag.config import GeneratorKind
from rag.errors import NoGenerator
from rag.evaluation.asking import ask_all
from tests.groq_server import refuses, serving
from tests.rag.answering.shop import engines_of, open_shop

NOWHERE, OPENS, LEAVES = (
    Question(text=text)
    for text in (
        "Who is granted a sabbatical?",
        "When does the bakery open?",
        "When does the ferry to the island leave?",
    )
)
TOO_LONG = {"patience_s": 36_000.0, "pause_s": 3_600.0}


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    return open_shop(tmp_path_factory.mktemp("shop"))


def test_nobody_is_waited_for_who_never_answered(space):
    with engines_of(space, generators=(GeneratorKind.GROQ,)) as engines:
        replies = ask_all(engines.of("default"), [NOWHERE, OPENS], **TOO_LONG)
        assert not next(replies).answer.found, "which asks nobody"
        with pytest.raises(NoGenerator, match="no key for Groq"):
            next(replies)


def test_one_who_answered_before_is_asked_again(space):
    with serving() as groq, engines_of(space, groq, generators=(GeneratorKind.GROQ,), breaker_s=0.1) as engines:
        replies = ask_all(engines.of("default"), [OPENS, LEAVES], patience_s=60.0, pause_s=0.2)
        next(replies)
        groq.faults += [refuses(500, "down")] * 3
        assert next(replies).answer.found and not groq.faults
