import pytest

from rag.chat.extraction import extract_facts, fact_id, real_examples, tidy
from rag.pairs.pair import Split
from tests.query_pairs import real_pair
from tests.rag.chat.handbook import TARN, TEXTS, all_facts, written

DOCUMENT = "tarn-200-guide.md"
KEEPS, HAS, CARD, CLOGGED = TARN.values()


def facts_of(*questions, kept_out=0.0, seed=13, texts=TEXTS):
    return extract_facts(questions, texts, kept_out, seed)


def span(answer):
    start = TEXTS[DOCUMENT].index(answer)
    return {"doc_id": DOCUMENT, "document": DOCUMENT, "answer_start": start, "answer_end": start + len(answer)}


def test_two_questions_for_one_span_are_one_fact():
    (fact,) = facts_of(written("How many sieves?", HAS), written("sieves of the Tarn", HAS))
    assert [asked.question for asked in fact.asked] == ["How many sieves?", "sieves of the Tarn"]
    assert TEXTS[DOCUMENT][fact.source.char_start : fact.source.char_end] == HAS
    assert fact.trained


def test_a_fact_has_the_words_that_stand_before_it_and_none_that_is_cut():
    text = TEXTS[DOCUMENT]
    (fact,) = facts_of(written("How many sieves?", HAS))
    before = fact.source.before
    assert before and before == " ".join(text[: text.index(HAS)].split())[-len(before) :]
    long = "Warden " * 200
    (late,) = facts_of(written("How many sieves?", HAS, text=long + text), texts={DOCUMENT: long + text})
    assert late.source.before.endswith(before)
    assert set(late.source.before.removesuffix(before).split()) == {"Warden"}
    assert 300 < len(late.source.before) <= 400


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("- the sieve is of brass,", "The sieve is of brass."),
        ("3. Hold the rim for\nten  seconds.", "Hold the rim for ten seconds."),
        ("**It** says `7 bar` [1]", "It says 7 bar."),
        ("NOTE: The quench opens at 7 bar [3, 4].", "The quench opens at 7 bar."),
        ("pH must be 7", "pH must be 7."),
        ("Does it? Yes!", "Does it? Yes!"),
        ('He said "never."', 'He said "never."'),
        ("It does its basic work at night.", "It does its basic work at night."),
    ],
)
def test_an_answer_is_tidied_and_says_nothing_else(answer, expected):
    assert tidy(answer) == expected


@pytest.mark.parametrize(
    "table",
    [
        "| Mill for | Price, kr | |\n|---|---|---|\n| Skarn 6 | 6,900 | new |\n| Skarn 8 | 7,400 | new |\n\nEnd.",
        "Prices.\n\nMill for | Price, kr | \nSkarn 6 | 6,900 | new\nSkarn 8 | 7,400 | new",
    ],
)
def test_a_row_of_a_table_names_its_columns(table):
    row = next(line for line in table.split("\n") if "Skarn 8" in line)
    assert tidy(row, table, table.index(row)) == "Mill for: Skarn 8; Price, kr: 7,400; new."


def test_a_row_without_a_head_stays_as_it_is():
    assert tidy("6 | b | c", "6 | b | c", 0) == "6 | b | c."


def test_a_share_of_the_facts_is_kept_out_and_always_the_same():
    texts = {f"d{i}": f"The bolt number {i} is turned {i} times." for i in range(300)}
    questions = [written("How often?", text, document, text) for document, text in texts.items()]
    drawn = [fact.source.doc_id for fact in facts_of(*questions, kept_out=0.2, texts=texts) if not fact.trained]
    assert 40 <= len(drawn) <= 80
    assert drawn == [f.source.doc_id for f in facts_of(*questions, kept_out=0.2, texts=texts) if not f.trained]
    other = [f.source.doc_id for f in facts_of(*questions, kept_out=0.2, seed=14, texts=texts) if not f.trained]
    assert other != drawn


def test_what_two_documents_say_alike_is_taught_of_both_or_of_none():
    same = "The valve is opened by hand."
    texts = {"one": same, "two": f"So: {same}"}
    questions = [written("How?", same, document, text) for document, text in texts.items()]
    fates = {tuple(f.trained for f in facts_of(*questions, kept_out=0.5, seed=s, texts=texts)) for s in range(20)}
    assert fates == {(True, True), (False, False)}


def test_nothing_that_a_taught_fact_tells_is_kept_out():
    half = written("What lamp?", "the lamp shows L-14")
    whole = written("What happens?", CLOGGED)
    fates = {tuple(fact.trained for fact in facts_of(half, whole, kept_out=0.5, seed=seed)) for seed in range(30)}
    assert fates == {(True, True), (True,), (False, False)}


def test_a_comparison_that_gives_one_half_is_no_fact_and_one_that_gives_both_is():
    chunks = (f"{DOCUMENT}:0", "warden-3-guide.md:0")
    half = written("Tarn or Warden?", HAS, chunk_ids=chunks)
    assert facts_of(half) == []
    (fact,) = facts_of(written("Tarn or Warden?", HAS, chunk_ids=chunks, second=("warden-3-guide.md", 0, 20)))
    assert fact.spans[1] == ("warden-3-guide.md", 0, 20)
    assert fact.id != fact_id(fact.source)


def test_a_real_question_is_of_the_fact_that_answers_it():
    facts = facts_of(written("How many sieves?", HAS))
    (example,) = real_examples([real_pair("sieve count pls", **span(HAS), answer=HAS)], facts)
    assert (example.real, example.trained, example.fact, example.split) == (True, True, facts[0].id, Split.VALIDATION)
    assert example.answer == HAS


def test_a_real_question_of_which_a_part_is_taught_measures_nothing():
    start = TEXTS[DOCUMENT].index(HAS)
    long = {**span(HAS), "answer_end": start + 2 * len(HAS) + 5}
    facts = facts_of(written("How many sieves?", HAS))
    assert real_examples([real_pair("and all of it?", **long)], facts) == []


def test_a_real_question_that_nothing_taught_answers_is_not_trained():
    taught, kept = facts_of(written("How many?", HAS)), facts_of(written("How many?", HAS), kept_out=0.99, seed=1)
    (of_another,) = real_examples([real_pair("how long?", **span(KEEPS), answer=KEEPS)], taught)
    (of_kept,) = real_examples([real_pair("how many?", **span(HAS), answer=HAS)], kept)
    assert not of_another.trained and of_another.fact not in {fact.id for fact in taught}
    assert not of_kept.trained and of_kept.fact == kept[0].id


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        (Split.TRAIN, Split.VALIDATION),
        (Split.VALIDATION, Split.VALIDATION),
        (Split.EVALUATION, Split.EVALUATION),
    ],
)
def test_real_questions_of_evaluation_documents_evaluate_and_others_calibrate(split, expected):
    (example,) = real_examples([real_pair("how many?", **span(HAS), split=split)], all_facts())
    assert example.split is expected
