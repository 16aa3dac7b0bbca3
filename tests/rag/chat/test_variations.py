import random

import pytest

from rag.chat.rephrasing import rephrasings
from rag.chat.variations import as_typed, content_words, shortened, title_of, variations, vary
from rag.pairs.vocabulary import STOPWORDS
from rag.pairs.words import normalize
from tests.rag.chat.handbook import TARN, document_text, said

ASKED = list(TARN.items())


def all_varied(n=40):
    return [
        (question, answer, text)
        for number, (question, answer) in enumerate(ASKED)
        for text in variations(question, answer, "Tarn 200", n, f"13:{number}")
    ]


def test_variations_are_many_distinct_and_never_the_question_itself():
    for question, answer in ASKED:
        varied = variations(question, answer, "Tarn 200", 40, "13:x", taken=["How many sieves, please?"])
        assert len(varied) == 40
        assert len({normalize(text) for text in varied} - {normalize(question)}) == 40
        assert "how many sieves please" not in {normalize(text) for text in varied}


def test_the_same_key_gives_the_same_variations_and_another_gives_others():
    question, answer = ASKED[0]
    first = variations(question, answer, "Tarn 200", 10, "13:x")
    assert variations(question, answer, "Tarn 200", 10, "13:x") == first
    assert variations(question, answer, "Tarn 200", 14, "13:x")[:10] == first
    assert not set(variations(question, answer, "Tarn 200", 10, "14:x")) & set(first)


def test_each_variation_says_something():
    for question, answer, text in all_varied():
        content = {word for word in said(f"{question} {answer}") if word not in STOPWORDS}
        assert len(content & set(said(text))) >= 2


def test_a_question_of_one_word_gives_no_endless_search():
    assert variations("Why?", "So.", "", 10, "13:x") == []


def test_slips_change_letters_and_never_a_number():
    typed = [as_typed("the Tarn 200 keeps the spate log for five years", random.Random(i)) for i in range(300)]
    assert {digits for text in typed for digits in said(text) if digits.isdigit()} == {"200"}
    known = set(said(" ".join((*TARN, *TARN.values()))))
    assert sum(any(word not in known for word in said(text.partition(": ")[2] or text)) for text in typed) > 40


def test_the_ways_of_typing_are_all_there():
    texts = [text for _, _, text in all_varied()]
    assert 0.3 < sum(text.endswith("?") for text in texts) / len(texts) < 0.7
    assert 0.3 < sum(text == text.lower() for text in texts) / len(texts) < 0.8
    assert sum(text.lower().startswith(("hi, ", "hello, ", "please tell me: ")) for text in texts) > 5


def test_some_variations_are_a_part_of_the_question_and_some_use_words_of_the_answer():
    question, answer = ASKED[3]
    parts = variations(question, answer, "", 60, "13:y")
    assert any(normalize(text) in normalize(question) for text in parts)
    only_in_answer = set(said(answer)) - set(said(question))
    assert sum(bool(only_in_answer & set(said(text))) for text in parts) > 20


def test_the_title_is_added_but_not_where_it_stands_already():
    texts = [vary("What is rinsed?", "The sieve is rinsed weekly.", "Tarn 200", random.Random(i)) for i in range(200)]
    named = [text for text in texts if "200" in text]
    assert 80 < len(named) < 160
    varied = [vary(*ASKED[0], "Tarn 200", random.Random(i)) for i in range(200)]
    assert max(said(text).count("200") for text in varied) == 1


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("For how long does the Tarn keep the log?", "the Tarn keep the log: how long?"),
        ("What happens if the sieve is clogged?", "the sieve is clogged - what then?"),
        ("what should I do when the lamp is red", "what to do when the lamp is red"),
        ("How do you rinse the sieve?", "how to rinse the sieve"),
        ("What is known about salt and steel?", "tell me about salt and steel"),
        ("How is salt related to rust?", "what has salt to do with rust?"),
        ("What is the relationship between salt and rust?", "does rust depend on salt?"),
        ("What is the role of the rod in the cylinder?", "why the rod for the cylinder?"),
        ("How many sieves does the Tarn have?", "number of sieves the Tarn have"),
        ("How does salt affect steel?", "effect of salt on steel"),
        ("How does the Tarn differ from the Skarn in weight?", "the Tarn or the Skarn: weight?"),
        ("Which screws are used?", "what screws are used?"),
        ("What is the surge bar?", "tell me the surge bar"),
        ("why is the door locked?", "the door locked: why?"),
    ],
)
def test_forms_of_questions_are_asked_in_another_way(question, expected):
    assert expected in rephrasings(question)


def test_keywords_have_no_other_form():
    assert rephrasings("salt coat order number") == []


def test_a_shortened_question_keeps_its_names_and_ends_in_no_article():
    texts = [shortened("How many of the sieves does the Tarn 200 have in its", random.Random(i)) for i in range(100)]
    assert all("Tarn 200" in text and not text.endswith((" its", " in", " the")) for text in texts)
    assert len(set(texts)) > 20


def test_a_number_goes_with_its_name_or_not_at_all():
    assert content_words("The Tarn 200 runs 12 hours at 60°") == ["Tarn 200", "runs", "hours"]


@pytest.mark.parametrize(
    ("name", "title", "expected"),
    [
        ("guides/tarn-200_guide.md", "", "tarn 200"),
        ("x.pdf", "Skarn 8S Owner's Guide", "Skarn 8S"),
        ("x.pdf", "Kinship Guide: Several Machines as One", "Kinship"),
        ("x.pdf", "Homeward and delivery", "Homeward and delivery"),
        ("salt-coat.docx", "Microsoft Word - draft3", "salt coat"),
        ("salt-coat.docx", "draft_final.docx", "salt coat"),
        ("salt-coat.docx", "Untitled", "salt coat"),
        ("salt-coat.docx", "A " + "very " * 9 + "long title", "salt coat"),
        ("handbook.md", "", "handbook"),
    ],
)
def test_a_document_is_called_by_what_people_would_say(name, title, expected):
    assert title_of(document_text("text", name, **({"title": title} if title else {}))) == expected
