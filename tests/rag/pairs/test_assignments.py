from collections import Counter

from rag.config import SynthesisConfig
from rag.pairs.assignments import assigned, comparison
from rag.pairs.pair import QuestionType
from tests.chunks import chunk_of

CONFIG = SynthesisConfig(questions_per_chunk=3)


def prose(n_sentences, start=0):
    return " ".join(f"The valve of number {start + n} opens at nine bars of pressure." for n in range(n_sentences))


def test_the_types_come_in_their_share_over_many_chunks_and_always_the_same():
    chunks = [chunk_of(prose(12, start=i)) for i in range(400)]
    total = sum((assigned(one, CONFIG).wanted for one in chunks), Counter())
    assert total.total() == 1200
    assert 0.30 <= total[QuestionType.ANALYTICAL] / 1200 <= 0.38
    assert all(assigned(one, CONFIG) == assigned(one, CONFIG) for one in chunks[:20])


def test_a_part_has_half_of_the_passage_and_of_the_questions_and_nothing_is_lost():
    whole = assigned(chunk_of(prose(12)), CONFIG)
    first, second = whole.parts()
    assert first.wanted + second.wanted == whole.wanted
    assert " ".join([*first.passages, *second.passages]).split() == whole.passages[0].split()
    assert first.passages[0].endswith(".")


def test_a_single_question_and_a_comparison_are_asked_over_the_beginnings():
    one = assigned(chunk_of(prose(12)), SynthesisConfig(questions_per_chunk=1))
    (half,) = one.parts()
    assert half.wanted == one.wanted and one.passages[0].startswith(half.passages[0].split("\n")[0])
    (shorter,) = comparison(chunk_of(prose(12)), chunk_of(prose(12, start=50)), CONFIG).parts()
    assert len(shorter.passages) == 2 and shorter.wanted == {QuestionType.COMPARATIVE: 1}


def test_a_text_without_sentences_or_spaces_is_cut_too():
    assert len(assigned(chunk_of("word " * 200), CONFIG).parts()) == 2
    blob = assigned(chunk_of("word " * 20), SynthesisConfig(questions_per_chunk=1))
    blob.passages = ("水" * 500,)
    assert len(blob.parts()[0].passages[0]) == 250


def test_a_small_passage_is_not_cut_further():
    assert assigned(chunk_of(prose(4)), CONFIG).parts() == []
