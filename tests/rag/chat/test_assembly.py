from dataclasses import replace

import pytest

from rag.chat.assembly import assemble
from rag.chat.example import ExampleKind
from rag.config import ChatDataConfig, PairsConfig
from rag.pairs.pair import Split
from rag.pairs.words import normalize
from tests.chunks import chunk_of
from tests.query_pairs import real_pair
from tests.rag.chat.handbook import TARN, TEXTS, all_chunks, all_written, document_text

TEXTS_BY_ID = {document: document_text(text, document) for document, text in TEXTS.items()}
QUESTION, ANSWER = next(iter(TARN.items()))
DOCUMENT = "tarn-200-guide.md"


def made(real=(), written=None, pairs=None, **config):
    chosen = ChatDataConfig.model_validate({"kept_out": 0.0, **config})
    questions = all_written() if written is None else written
    return assemble(questions, list(real), all_chunks(), TEXTS_BY_ID, chosen, pairs or PairsConfig())


def real(question, **fields):
    start = TEXTS[DOCUMENT].index(ANSWER)
    place = {"doc_id": DOCUMENT, "document": DOCUMENT, "answer_start": start, "answer_end": start + len(ANSWER)}
    return real_pair(question, answer=ANSWER, **place, **fields)


def asked(examples):
    return [normalize(example.messages[-2].content) for example in examples]


def of(examples, *kinds, split=None):
    return [each for each in examples if each.kind in kinds and not each.real and split in (None, each.split)]


def test_each_question_has_its_variations_of_which_some_only_measure():
    examples = made(variations=10, held_out_variations=2)
    assert len(of(examples, ExampleKind.QUESTION, split=Split.TRAIN)) == 7
    counts = [len(of(examples, ExampleKind.VARIATION, split=split)) for split in Split]
    assert counts == [7 * 8, 7, 7]
    assert of(examples, ExampleKind.DIALOGUE) and of(examples, ExampleKind.REFUSAL)


def test_one_variation_held_out_serves_validation_and_evaluation_alternately():
    examples = made(variations=3, held_out_variations=1)
    counts = [len(of(examples, ExampleKind.VARIATION, split=split)) for split in Split]
    assert counts[0] == 14 and sum(counts[1:]) == 7 and min(counts[1:]) > 0


def test_without_augmentation_no_variation_is_trained_and_the_same_ones_measure():
    plain, augmented = made(augment=False), made(augment=True)
    assert of(plain, ExampleKind.VARIATION, split=Split.TRAIN) == []
    for split in (Split.VALIDATION, Split.EVALUATION):
        measured = of(plain, ExampleKind.VARIATION, split=split)
        assert measured and measured == of(augmented, ExampleKind.VARIATION, split=split)


def test_a_fact_that_is_kept_out_calibrates_or_evaluates():
    examples = [each for seed in range(8) for each in made(kept_out=0.4, seed=seed)]
    hidden = [each for each in examples if not each.trained]
    assert {each.split for each in hidden} == {Split.VALIDATION, Split.EVALUATION}
    assert {each.kind for each in hidden} == {ExampleKind.QUESTION, ExampleKind.VARIATION}
    splits = {each.fact: each.split for each in hidden}
    assert all(splits[each.fact] is each.split for each in hidden)


def test_a_fact_that_is_kept_out_is_not_trained():
    examples = made(kept_out=0.4, seed=3)
    hidden = [each for each in examples if not each.trained]
    trained = [each for each in examples if each.split is Split.TRAIN]
    assert trained and not {each.answer for each in hidden} & {each.answer for each in trained}
    assert not {each.fact for each in hidden} & {each.fact for each in trained}


def test_nobodys_own_words_are_trained_on():
    once = made()
    words = next(each for each in of(once, ExampleKind.VARIATION, split=Split.TRAIN) if each.answer == ANSWER)
    own = [real(f"{QUESTION}!"), real(words.messages[0].content)]
    examples = made(own)
    assert [each.real for each in examples].count(True) == 2
    others = asked(each for each in examples if not each.real)
    assert not {normalize(pair.anchor) for pair in own} & set(others)


def test_nothing_is_asked_twice_but_with_passages():
    for seed in range(4):
        examples = made(seed=seed, variations=30)
        keys = [tuple(normalize(turn.text) for turn in each.messages[:-1]) for each in examples]
        assert len(set(keys)) == len(keys) == len({each.id for each in examples})


def test_refusals_have_their_share_of_the_training():
    examples = [each for each in made(variations=40, refusal_share=0.25) if each.split is Split.TRAIN]
    share = len(of(examples, ExampleKind.REFUSAL)) / len(examples)
    assert 0.15 < share < 0.35
    assert of(made(refusal_share=0), ExampleKind.REFUSAL) == []


def test_the_same_questions_give_the_same_examples_and_another_seed_others():
    assert made([real("how?")]) == made([real("how?")])
    assert asked(made(seed=14)) != asked(made())


@pytest.mark.system
def test_personal_data_is_masked_before_anything_is_made_of_it():
    written = [each for each in all_written() if each.answer != ANSWER]
    told = all_written()[0].__class__(
        **{**vars(all_written()[0]), "question": "Who keeps the log?", "answer": "Write to anna.berg@intern.local."}
    )
    own = real("Does eva.holm@intern.local keep it?")
    examples = made([own], written=[told, *written], pairs=PairsConfig(mask_personal_data=True))
    texts = [turn.content for each in examples for turn in each.messages]
    assert "Write to <EMAIL_1>." in texts
    assert "Does <EMAIL_1> keep it?" in texts
    assert not any(name in text.lower() for text in texts for name in ("anna", "eva"))


@pytest.mark.system
def test_what_stands_before_a_fact_is_masked_too():
    text = "Write to anna.berg@intern.local about the log. The log is kept for five years."
    place = {"doc_id": "mail.md", "document": "mail.md", "answer_start": text.index("The log"), "answer_end": len(text)}
    asked = replace(all_written()[0], question="How long is the log kept?", answer="The log is kept.", **place)
    document = document_text(text, "mail.md")
    chunks, masking = [chunk_of(text, "mail.md")], PairsConfig(mask_personal_data=True)
    examples = assemble([asked], [], chunks, {"mail.md": document}, ChatDataConfig(kept_out=0), masking)
    assert {each.source.before for each in examples if each.source} == {"Write to <EMAIL_1> about the log."}


@pytest.mark.system
def test_in_the_passages_what_a_fact_names_has_its_mask_and_others_have_other_masks():
    sentences = [f"Write to {name}@intern.local about the {what}." for name, what in (("a", "log"), ("b", "sieve"))]
    text = " ".join(sentences)
    written = all_written()[0].__class__
    place = {"answer_start": 0, "answer_end": len(sentences[0]), "doc_id": "mail.md", "document": "mail.md"}
    asked = written(**{**vars(all_written()[0]), "question": "Whom to ask?", "answer": sentences[0], **place})
    examples = assemble(
        [asked],
        [],
        [chunk_of(text, "mail.md")],
        {"mail.md": document_text(text, "mail.md")},
        ChatDataConfig(kept_out=0, grounded_share=0.4, grounded_without=0, refusal_share=0),
        PairsConfig(mask_personal_data=True),
    )
    beside = [each for each in examples if each.kind is ExampleKind.GROUNDED]
    masked = {"Write to <EMAIL_1> about the log.", "Write to <EMAIL_2> about the sieve."}
    assert beside and {each.answer for each in beside} <= masked
    assert all(set(each.messages[-2].passages) == masked for each in beside)
