import pytest

from rag.chat.dialogues import dialogues, split_of, with_pronoun
from rag.chat.example import ExampleKind
from rag.chat.extraction import extract_facts
from rag.pairs.follow_ups import standing_question
from rag.pairs.pair import Split
from rag.pairs.vocabulary import Vocabulary
from tests.rag.chat.handbook import TEXTS, TITLES, all_facts, written

VOCABULARY = Vocabulary(list(TEXTS.values()))


def made(facts=None, share=1.0, seed=13):
    return dialogues(all_facts() if facts is None else facts, TITLES, VOCABULARY, share, seed)


def test_a_follow_up_leaves_its_topic_to_the_question_before():
    examples = made()
    assert len(examples) >= 4
    for example in examples:
        opening, _, follow_up = (turn.content for turn in example.messages[:3])
        topic = TITLES[example.source.doc_id]
        assert topic not in follow_up
        assert topic in standing_question(follow_up, [opening])


def test_it_is_answered_as_its_fact_is_and_opens_with_another_fact_of_the_document():
    by_id = {fact.id: fact for fact in all_facts()}
    for example in made():
        fact = by_id[example.fact]
        assert example.kind is ExampleKind.DIALOGUE and example.source == fact.source
        assert example.answer == fact.asked[0].answer
        first = example.messages[1].content
        assert first != example.answer and first in TEXTS[fact.source.doc_id]


def test_a_pronoun_stands_for_the_title():
    follow_ups = {example.messages[2].content.lower() for example in made()}
    assert any(text.rstrip("?").endswith("how many sieves does it have") for text in follow_ups)
    assert any("the yellow card" in text for text in follow_ups)


@pytest.mark.parametrize(("asked_at", "opens"), [(0, 3), (10, 3), (29, 22), (13, 22)])
def test_the_nearest_fact_with_the_topic_opens_however_far_it_is(asked_at, opens):
    page = {f"How much does the Borea {i} hold?": f"The Borea {i} holds {i} litres of wine." for i in range(30)}
    asked = list(page.items())
    for place, how in ((3, "tall"), (22, "dear"), (asked_at, "heavy")):
        asked[place] = (f"How {how} is the Zephyr 9?", f"The Zephyr 9 is as {how} as they come.")
    text = " ".join(answer for _, answer in asked)
    facts = extract_facts([written(*each, "d", text) for each in asked], {"d": text}, 0.0, 13)
    found = {each.fact: each for each in dialogues(facts, {}, Vocabulary([text]), 1.0, 13)}
    assert found[facts[asked_at].id].messages[0].content == asked[opens][0]


def test_keywords_begin_no_conversation():
    assert not any("warden cable level" in example.messages[0].content for example in made())


def test_what_is_not_taught_is_neither_asked_nor_told():
    facts = all_facts(kept_out=0.4, seed=9)
    hidden = [asked for fact in facts if not fact.trained for asked in fact.asked]
    assert hidden and made(facts)
    told = " ".join(turn.content for example in made(facts) for turn in example.messages)
    assert not any(asked.answer in told or asked.question in told for asked in hidden)


def test_a_share_of_the_facts_and_always_the_same():
    assert made(share=0.3) == made(share=1.0)[:2]
    assert made(share=0) == []
    assert made() == made()


@pytest.mark.parametrize(
    ("question", "topic", "expected"),
    [
        ("How many sieves does the Tarn 200 have?", "Tarn 200", "How many sieves does it have?"),
        ("What belongs to the Tarn 200?", "Tarn 200", "What belongs to it?"),
        ("What is the Tarn 200's weight?", "Tarn 200", "What is its weight?"),
        ("how heavy is the tarn 200 without water", "Tarn 200", "how heavy is it without water"),
        ("What do stewards carry?", "stewards", "What do they carry?"),
        ("What is given to stewards?", "stewards", "What is given to them?"),
        ("What does the Tarn 200 guide say?", "Tarn 200", None),
        ("Is the Tarn 200 like the Tarn 200 S?", "Tarn 200", None),
        ("What do heads and part-time staff get?", "Staff", None),
        ("What does the Warden 3 show?", "Tarn 200", None),
    ],
)
def test_a_name_becomes_a_pronoun_only_where_it_stands_alone(question, topic, expected):
    assert with_pronoun(question, topic) == expected


def test_splits_have_their_shares():
    drawn = [split_of(f"13:{number}", 0.15) for number in range(1000)]
    assert 100 < drawn.count(Split.VALIDATION) < 200 and 100 < drawn.count(Split.EVALUATION) < 200
    assert drawn[7] is split_of("13:7", 0.15)
