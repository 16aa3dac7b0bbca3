import random
import re

import pytest

from rag.answering.prompts import NOT_IN_DOCUMENTS
from rag.chat.example import ExampleKind
from rag.chat.other_worlds import FOREIGN_THINGS, SLOTS, TEMPLATES
from rag.chat.refusals import Sentences, _other_name, filled, of_something_else, refusals
from rag.pairs.pair import Split
from rag.pairs.vocabulary import Vocabulary
from rag.pairs.words import normalize
from tests.rag.chat.handbook import TARN, TEXTS, WARDEN, all_facts

VOCABULARY, SENTENCES = Vocabulary(list(TEXTS.values())), Sentences(TEXTS.values())


def made(n=200, facts=None, sentences=SENTENCES, seed=13):
    return refusals(all_facts() if facts is None else facts, sentences, VOCABULARY, n, seed)


def questions(**arguments):
    return [example.messages[0].content for example in made(**arguments)]


def test_refusals_say_that_the_documents_do_not():
    for example in made():
        assert example.kind is ExampleKind.REFUSAL and example.answer == NOT_IN_DOCUMENTS
        assert example.fact == "" and example.source is None


def test_as_many_train_as_are_wanted_and_some_measure():
    examples = made(n=300)
    counts = {split: sum(example.split is split for example in examples) for split in Split}
    assert 210 < counts[Split.TRAIN] < 390
    assert counts[Split.VALIDATION] > 15 and counts[Split.EVALUATION] > 15
    assert len({normalize(example.messages[0].content) for example in examples}) == len(examples)
    assert made(n=0) == []


def test_a_code_gets_another_number_though_all_short_ones_are_taken():
    taken = Sentences([" ".join([*(f"b{n}" for n in range(10)), *(f"b{n:02}" for n in range(100))])])
    assert "b7" in taken and "b77" in taken
    assert _other_name("b7", taken, random.Random(13)) not in taken


def test_what_is_made_from_one_template_is_of_one_split():
    splits = {}
    for example in made(n=1000):
        if found := re.search(r"capital of|coach of|phone number of", example.messages[0].content):
            splits.setdefault(found[0], set()).add(example.split)
    assert len(splits) == 3 and all(len(own) == 1 for own in splits.values())


def test_they_are_always_the_same():
    assert made() == made()
    assert made(seed=14) != made()


def test_no_sentence_of_the_collection_holds_all_words_of_a_refused_question():
    assert not any(SENTENCES.may_answer(question) for question in questions(n=500))


def test_a_question_of_another_world_that_the_collection_may_answer_is_not_refused():
    cooks = Sentences(["Cook lasagne in the oven for an hour. Mushroom risotto goes with wine."])
    asked = [question.lower() for question in questions(n=800, sentences=cooks)]
    assert not any("lasagne" in question and "oven" in question for question in asked)
    assert any("capital" in question for question in asked)


@pytest.mark.parametrize(
    ("question", "share", "expected"),
    [
        ("Who rinses the sieve of brass?", 1.0, False),
        ("How many sieves does the Tarn keep?", 1.0, False),
        ("the spate log of the Tarn", 1.0, True),
        ("who keeps the spate log in Lisbon", 0.5, True),
        ("what keeps in Lisbon", 0.5, False),
        ("how and why", 1.0, True),
    ],
)
def test_a_sentence_answers_what_has_its_words(question, share, expected):
    assert SENTENCES.may_answer(question, share) is expected


def test_names_are_exchanged_for_ones_that_the_collection_does_not_have():
    for question in (list(TARN)[0], list(WARDEN)[0]):
        others = {of_something_else(question, SENTENCES, VOCABULARY, random.Random(i)) for i in range(60)}
        assert len(others) > 40
        for other in others:
            new = set(normalize(other).split()) - set(normalize(question).split())
            assert new and not any(word in SENTENCES for word in new)
            assert len(other.split()) == len(question.split())


def test_a_code_becomes_another_code():
    others = {of_something_else("when does L-14 show", SENTENCES, VOCABULARY, random.Random(i)) for i in range(30)}
    assert all(re.fullmatch(r"when does L-\d+ show", other) for other in others) and len(others) > 10
    assert "when does L-14 show" not in others


def test_a_question_without_names_asks_about_a_thing_of_another_world():
    other = of_something_else("What must never be put behind the yellow card?", SENTENCES, VOCABULARY, random.Random(1))
    assert any(thing in other for thing in FOREIGN_THINGS) and "yellow card" not in other


def test_what_is_not_taught_is_not_asked_for():
    facts = all_facts(kept_out=0.999, seed=3)
    assert not any(fact.trained for fact in facts)
    assert not any("spate" in question or "sieve" in question for question in questions(n=300, facts=facts))


def test_the_templates_are_whole_and_give_hundreds():
    used = {slot for template in TEMPLATES for slot in re.findall(r"{(\w+)}", template)}
    assert used == set(SLOTS)
    assert len(TEMPLATES) >= 60 and len(set(TEMPLATES)) == len(TEMPLATES)
    assert len({filled(template, random.Random(i)) for template in TEMPLATES for i in range(20)}) > 400
