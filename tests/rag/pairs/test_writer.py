import re
from collections import Counter

import pytest

from rag.config import SynthesisConfig
from rag.corpus.document import Chunk
from rag.pairs.pair import QuestionType
from rag.pairs.writer import write_questions

PARAGRAPHS = {
    "skarn-6.md": [
        "# Skarn 6\nThe sieve is a fine metal strainer in front of the exchanger. Condensate is carried away by a "
        "heated moor line. The hush band lowers the fan speed because neighbours complained in 2019.",
        "If the warden shows lamp code L-14, press the thaw key for ten seconds. The Skarn 6 has 3 brine valves in its "
        "base plate. Ice on the coil reduces the output of the mill. Copyright Osterholm 2024, all rights reserved.",
        "The bellows must be bled within 14 days after every sitting. To empty the dew tray, loosen both wing nuts. "
        "The Skarn 6 holds 1.2 kg of brine, whereas the Skarn 8 holds 1.7 kg of brine in its larger exchanger.",
    ],
    "covid.txt": [
        "Human coronavirus (HCoV) is a known cause of respiratory illness in adults [1] [2]. Coronavirus particles "
        "were detected in 2004 by electron microscopy (Smith et al., 2005). It spreads fast.",
        "Impaired placental expression increases the risk of vertical transmission. About 12% of infants were "
        "positive for bocavirus antibodies. Bocavirus infection leads to wheezing and hypoxia in infants.",
    ],
}


@pytest.fixture
def corpus() -> tuple[list[Chunk], dict[str, str]]:
    texts = {name: "\n\n".join(paragraphs) for name, paragraphs in PARAGRAPHS.items()}
    chunks = []
    for name, paragraphs in PARAGRAPHS.items():
        for index, paragraph in enumerate(paragraphs):
            start = texts[name].index(paragraph)
            chunks.append(
                Chunk(
                    doc_id=name,
                    document=name,
                    page_no=1,
                    chunk_index=index,
                    char_start=start,
                    char_end=start + len(paragraph),
                    n_tokens=60,
                    text=paragraph,
                )  # fmt: skip
            )
    return chunks, texts


def questions(corpus, **config):
    chunks, texts = corpus
    return write_questions(chunks, SynthesisConfig(**{"questions_per_chunk": 10, **config}), texts)


def test_the_evidence_is_where_the_offsets_say(corpus):
    texts = corpus[1]
    written = questions(corpus)
    assert written
    for question in written:
        assert " ".join(texts[question.doc_id][question.answer_start : question.answer_end].split()) == question.answer
        assert question.chunk_ids[0].startswith(question.doc_id)


def test_evidence_is_found_although_the_chunk_text_was_cleaned():
    text = "The mill is a scroll com-\npressor  that the ﬁrm\nof Osterholm builds in its Hallvik foundry."
    clean = "The mill is a scroll compressor that the firm of Osterholm builds in its Hallvik foundry."
    chunk = Chunk(
        doc_id="d", document="d", page_no=1, chunk_index=0, char_start=0, char_end=len(text), n_tokens=20, text=clean
    )
    written = write_questions([chunk], SynthesisConfig(), {"d": text})
    assert written and all((q.answer_start, q.answer_end) == (0, len(text)) for q in written)


def test_the_same_seed_writes_the_same_and_another_seed_something_else(corpus):
    assert questions(corpus) == questions(corpus)
    one = [q.question for q in questions(corpus, questions_per_chunk=3)]
    assert one != [q.question for q in questions(corpus, questions_per_chunk=3, seed=99)]


def test_no_question_repeats_its_sentence_or_another_question(corpus):
    written = questions(corpus)
    for question in written:
        asked = set(re.findall(r"\w+", question.question.lower()))
        assert not set(re.findall(r"\w+", question.answer.lower())) <= asked
    assert max(Counter(question.question.lower() for question in written).values()) == 1


def test_the_number_of_questions_follows_the_config(corpus):
    n_chunks = len(corpus[0])
    assert questions(corpus, questions_per_chunk=0) == []
    assert n_chunks * 0.6 <= len(questions(corpus, questions_per_chunk=1, comparative_share=0)) <= n_chunks


def test_boilerplate_is_not_asked_about(corpus):
    assert not any("copyright" in question.answer.lower() for question in questions(corpus))


@pytest.mark.parametrize(
    ("sentence", "pattern", "kind"),
    [
        ("The hush band", r"^why does the hush band (?:lower|reduce)", QuestionType.ANALYTICAL),
        ("If the warden", r"^what should i do if the warden shows lamp code l-14", QuestionType.FACTUAL),
        ("To empty", r"^how do you empty the dew tray", QuestionType.FACTUAL),
        ("The Skarn 6 has", r"^how many brine valves does the skarn 6 have", QuestionType.FACTUAL),
        ("Ice on the coil", r"^(?:how does ice on the coil affect|what effect does ice)", QuestionType.ANALYTICAL),
        ("About 12%", r"^what percentage of infants were positive", QuestionType.FACTUAL),
        ("Bocavirus infection", r"^what does bocavirus infection lead to", QuestionType.ANALYTICAL),
        ("The sieve", r"^what is the sieve", QuestionType.FACTUAL),
        ("Condensate", r"^(?:how is condensate carried away|what is carried away by)", QuestionType.FACTUAL),
        ("The bellows", r"^how soon must the bellows be bled", QuestionType.FACTUAL),
    ],
)
def test_a_sentence_is_asked_about_in_the_form_that_fits_it(corpus, sentence, pattern, kind):
    written = [q for seed in range(12) for q in questions(corpus, seed=seed) if q.answer.startswith(sentence)]
    assert any(re.match(pattern, q.question.lower()) and q.question_type is kind for q in written), {
        q.question for q in written
    }


def test_contrasted_products_are_compared(corpus):
    compared = [q for q in questions(corpus) if q.question_type is QuestionType.COMPARATIVE]
    assert any("Skarn 6" in q.question and "Skarn 8" in q.question for q in compared)


def test_comparisons_keep_to_their_share(corpus):
    assert not any(q.question_type is QuestionType.COMPARATIVE for q in questions(corpus, comparative_share=0))


def test_no_chunks_give_no_questions():
    assert write_questions([], SynthesisConfig(), {}) == []
