from dataclasses import replace

import pytest

from rag.answering.prompts import NOT_IN_DOCUMENTS
from rag.answering.spans import sentences
from rag.chat.assembly import assemble
from rag.chat.example import ExampleKind
from rag.chat.extraction import example
from rag.chat.grounding import Library, with_passages
from rag.config import ChatDataConfig, PairsConfig
from rag.pairs.pair import Split
from tests.chunks import chunk_of
from tests.query_pairs import real_pair
from tests.rag.chat.handbook import TARN, TEXTS, WARDEN, all_chunks, all_written, document_text, written

GUIDE, OTHER = TEXTS
TEXTS_BY_ID = {document: document_text(text, document) for document, text in TEXTS.items()}
KEEPS, HAS, *_ = TARN.values()


def assembled(real=(), questions=None, chunks=None, texts=None, **config):
    defaults = {"kept_out": 0.0, "grounded_share": 0.4, "grounded_passages": 3, "grounded_without": 0.0}
    chosen = ChatDataConfig.model_validate({**defaults, **config})
    asked, chunks = questions or all_written(), chunks or all_chunks()
    return assemble(asked, list(real), chunks, texts or TEXTS_BY_ID, chosen, PairsConfig())


def grounded(examples):
    return [each for each in examples if each.kind is ExampleKind.GROUNDED]


def passages(each):
    return each.messages[-2].passages


def library_of(*texts):
    documents = {f"{place}.md": document_text(text, f"{place}.md") for place, text in enumerate(texts)}
    return Library([chunk_of(text, doc_id) for doc_id, text in zip(documents, texts, strict=True)], documents)


def said(library, numbers):
    return [library.texts[number] for number in numbers]


def test_beside_a_question_stand_its_own_sentence_and_others_shuffled():
    made = [each for each in grounded(assembled()) if each.fact]
    assert all(len(set(passages(each))) == 3 for each in made)
    own = [passages(each).index(each.answer) for each in made]
    assert set(own) == {0, 1, 2}


def test_the_passages_are_sentences_as_whoever_quotes_reads_them():
    read = {sentence.text for chunk in all_chunks() for sentence in sentences(chunk.text)}
    assert {text for each in grounded(assembled()) for text in passages(each)} <= read


def test_where_its_own_sentence_is_missing_there_are_others_only():
    made = [each for each in grounded(assembled(grounded_without=1.0)) if each.fact]
    assert made and not any(each.answer in passages(each) for each in made)
    assert all(len(passages(each)) == 3 for each in made)
    some = [each for each in grounded(assembled(grounded_without=0.5)) if each.fact]
    assert 0 < sum(each.answer in passages(each) for each in some) < len(some)


def test_what_says_the_same_elsewhere_does_not_distract():
    copy = f"Please note: {KEEPS} The lid is heavy."
    texts = {**TEXTS_BY_ID, "copy.md": document_text(copy, "copy.md")}
    examples = assembled(chunks=[*all_chunks(), chunk_of(copy, "copy.md")], texts=texts, grounded_without=0.5)
    beside = [passages(each) for each in grounded(examples) if each.answer == KEEPS]
    assert beside and not any("Please note" in text for own in beside for text in own)
    assert any("Please note" in text for each in grounded(examples) for text in passages(each))


def test_the_questions_are_those_of_the_training_in_turns_of_the_facts():
    examples = assembled(grounded_share=0.1, refusal_share=0.0)
    trained = {
        (each.messages[-2].content, each.answer, each.fact)
        for each in examples
        if each.split is Split.TRAIN and each.kind in (ExampleKind.QUESTION, ExampleKind.VARIATION)
    }
    made = grounded(examples)
    assert {(each.messages[-2].content, each.answer, each.fact) for each in made} <= trained
    assert {each.split for each in made} == {Split.TRAIN}
    counts = [sum(each.fact == fact for each in made) for fact in {fact for *_, fact in trained}]
    assert len(counts) == 7 and max(counts) - min(counts) <= 1


def test_they_have_their_share_and_the_refusals_theirs():
    examples = assembled(grounded_share=0.25, refusal_share=0.2)
    training = [each for each in examples if each.split is Split.TRAIN]
    made = grounded(training)
    assert len(made) == round(len(training) * 0.25)
    refused = [each for each in made if not each.fact]
    assert len(refused) == round(len(made) * 0.2)
    assert {each.answer for each in refused} == {NOT_IN_DOCUMENTS} and all(passages(each) for each in refused)
    plain = assembled(grounded_share=0.0, refusal_share=0.2)
    assert plain == [each for each in examples if each.kind is not ExampleKind.GROUNDED]


def test_each_is_an_example_of_its_own_and_always_the_same():
    examples = assembled()
    assert len({each.id for each in examples}) == len(examples)
    assert examples == assembled()
    assert grounded(assembled(seed=14)) != grounded(examples)
    asked = example(["How?", "So."], ExampleKind.QUESTION, Split.TRAIN, "f")
    assert len({asked.id, with_passages(asked, ["So."]).id, with_passages(asked, ["So.", "No."]).id}) == 3


@pytest.mark.parametrize("seed", range(4))
def test_what_is_kept_out_is_in_no_passage_wherever_it_stands(seed):
    """The guide's sentences stand in a second document too, one word longer, and where a chunk cuts them in two."""
    copy = " ".join(f"Please note: {text}" for text in TARN.values())
    texts = {**TEXTS_BY_ID, "copy.md": document_text(copy, "copy.md")}
    chunks = [*all_chunks(), chunk_of(copy, "copy.md")]
    for document, text in TEXTS.items():
        cuts = [text.index(fact) + len(fact) // 2 for fact in (TARN if document == GUIDE else WARDEN).values()]
        chunks += [chunk_of(text[cut:], document, place, cut) for place, cut in enumerate(cuts, 1)]
        chunks += [chunk_of(text[:cut], document, place) for place, cut in enumerate(cuts, 9)]
    examples = assembled(chunks=chunks, texts=texts, kept_out=0.4, seed=seed, grounded_without=0.5)
    hidden = {each.answer for each in examples if not each.trained}
    assert hidden
    shown = {text for each in grounded(examples) for text in passages(each)}
    assert shown and not [text for text in shown for answer in hidden if text in answer or answer in text]
    assert not [text for text in shown for answer in hidden if answer[len(answer) // 2 :] in text]


def test_what_people_ask_for_and_nothing_taught_answers_is_in_no_passage():
    start = TEXTS[GUIDE].index(HAS)
    place = {"doc_id": GUIDE, "document": GUIDE, "answer_start": start + 4, "answer_end": start + len(HAS) - 4}
    asked = real_pair("sieve count pls", answer=HAS, **place)
    others = [each for each in all_written() if each.answer != HAS]
    assert any(HAS in passages(each) for each in grounded(assembled(questions=others)))
    examples = assembled([asked], questions=others)
    assert grounded(examples) and not any(HAS in passages(each) for each in grounded(examples))


def test_a_comparison_has_both_its_halves_or_is_not_asked_where_there_is_no_room():
    half = next(iter(WARDEN.values()))
    start = TEXTS[OTHER].index(half)
    both = replace(
        written("Tarn or Warden?", HAS, chunk_ids=(f"{GUIDE}:0", f"{OTHER}:0")),
        second=(OTHER, start, start + len(half)),
    )
    made = [each for each in grounded(assembled(questions=[both])) if each.fact]
    assert made and all({HAS, half} < set(passages(each)) for each in made)
    assert grounded(assembled(questions=[both], grounded_passages=1, refusal_share=0.0)) == []


def test_without_another_sentence_there_is_nothing_to_ground_in():
    texts = {"one.md": document_text(KEEPS, "one.md")}
    question = written("For how long does the Tarn 200 keep the log?", KEEPS, "one.md", KEEPS)
    only = {"questions": [question], "chunks": [chunk_of(KEEPS, "one.md")], "texts": texts, "refusal_share": 0.0}
    assert grounded(assembled(**only, grounded_without=1.0)) == []
    assert {passages(each) for each in grounded(assembled(**only))} == {(KEEPS,)}


def test_the_most_alike_share_the_rarest_words():
    library = library_of(
        "The oak door opens in the house. The pine door opens in the house. A lamp is in the house.",
        "The oak door is heavy. The shop opens at ten.",
    )
    alike = said(library, library.alike("How does the oak door open?", set(), 3))
    assert alike == ["The oak door opens in the house.", "The oak door is heavy.", "The pine door opens in the house."]
    first = library.texts.index(alike[0])
    assert said(library, library.alike("How does the oak door open?", {first}, 1)) == [alike[1]]
    assert library.alike("Tulips?", set(), 3) == []


def test_a_sentence_says_the_same_with_nearly_all_words_and_all_figures():
    fact = "The Tarn 200 keeps the spate log for 5 years."
    library = library_of(
        f"{fact} For 5 years every Tarn 200 keeps its spate log.",
        "The Tarn 300 keeps the spate log for 3 years. The Tarn 200 has a lamp.",
    )
    assert said(library, sorted(library.saying([fact]))) == library.texts[:2]
    assert library.saying(["", "Tulips grow."]) == set()


def test_headings_and_what_a_chunk_cuts_off_are_no_sentences():
    text = (
        "# The Tarn\n\nWhat is it?\n\nThe Tarn keeps a log of every spate. It has two sieves, a coarse and a fine one."
    )
    half = text.index("of every")
    chunks = [chunk_of(text), chunk_of(text[half:], index=1, start=half), chunk_of(text[: half + 9], index=2)]
    library = Library(chunks, {"d": document_text(text, "d")})
    assert library.texts == ["The Tarn keeps a log of every spate.", "It has two sieves, a coarse and a fine one."]
    assert library.touching([("d", half, half + 2)]) == [0]
    assert library.touching([("d", 0, len(text))]) == [0, 1]
    assert library.touching([("another", 0, len(text)), ("d", 0, text.index("The Tarn keeps"))]) == []
