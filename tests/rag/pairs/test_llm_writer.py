"""Questions by a language model: a server that speaks Groq's protocol answers from the passages it is shown."""

import json
import re
from collections import Counter

import pytest

from rag.config import LanguageModelConfig, SynthesisConfig
from rag.corpus.document import Chunk
from rag.errors import LanguageModelUnavailable
from rag.llm.groq import GroqProvider
from rag.llm.language_model import LanguageModel
from rag.llm.ledger import Ledger
from rag.pairs.llm_writer import LanguageModelWriter
from rag.pairs.pair import QuestionType
from storage.keyring import Keyring
from storage.sealing import Sealer
from tests.groq_server import WANTED, refuses, says, serving, written

THINGS = ("sieve", "hush band", "moor line", "bellows")


PRODUCTS = ("Alder", "Birk", "Cedern", "Dogel")


def text_about(product: str) -> str:
    m = 10 * PRODUCTS.index(product)
    return " ".join(
        f"The {thing} of the {product} must be looked at every {m + n + 7} weeks by a warden of the house. "
        f"Its {thing} loses about {m + n + 50} percent of its strength if nobody of the {product} house cares for it."
        for n, thing in enumerate(THINGS)
    )


@pytest.fixture
def corpus() -> tuple[list[Chunk], dict[str, str]]:
    texts = {f"{product}.md": text_about(product) for product in PRODUCTS}
    chunks = [
        Chunk(
            doc_id=name,
            document=name,
            page_no=1,
            chunk_index=0,
            char_start=0,
            char_end=len(text),
            n_tokens=150,
            text=text,
        )
        for name, text in texts.items()
    ]
    return chunks, texts


@pytest.fixture
def server():
    with serving() as groq:
        yield groq


@pytest.fixture
def make_writer(server, tmp_path):
    """A writer as a new process makes it, over the ledger that stays."""
    ledger = Ledger(tmp_path / "ledger", Sealer(Keyring.load_or_create(tmp_path / "keyring.json", create=True)))

    def make(style=(), **bounds):
        config = LanguageModelConfig(**{"backoff_s": 0, "requests_per_minute": None, "attempts": 2, **bounds})
        provider = GroqProvider("a-key", server.url, None, config.at_once, config.timeout_s, config.max_wait_s)
        return LanguageModelWriter(LanguageModel(provider, ledger, config), list(style), 0.6)

    return make


def config(**fields):
    return SynthesisConfig(**{"writer": "groq", "questions_per_chunk": 3, "comparative_share": 0, **fields})


def by_type(questions):
    return dict(Counter(question.question_type.value for question in questions))


def test_counts_by_type_are_what_was_asked_for(corpus, make_writer):
    writer = make_writer()
    questions = writer.write(corpus[0], config(comparative_share=0.2), corpus[1])
    facts = writer.facts()
    assert by_type(questions) == facts["wanted"] == {**facts["wanted"], "comparative": 3}
    assert facts["wanted"]["factual"] + facts["wanted"]["analytical"] == 12
    assert facts["missing"] == {}


def test_the_evidence_is_the_quoted_sentence_where_the_offsets_say(corpus, make_writer):
    chunks, texts = corpus
    for question in make_writer().write(chunks, config(improve_answers=False), texts):
        assert texts[question.doc_id][question.answer_start : question.answer_end] == question.answer
        assert question.question.split(": ")[1][:24] == question.answer[:24]
        assert question.form == "groq"


def test_comparisons_rest_on_a_quote_of_either_document(corpus, make_writer):
    chunks, texts = corpus
    questions = make_writer().write(chunks, config(comparative_share=0.2), texts)
    compared = [question for question in questions if question.question_type is QuestionType.COMPARATIVE]
    assert compared
    for question in compared:
        doc_id, start, end = question.second
        assert doc_id != question.doc_id
        assert texts[doc_id][start:end].endswith(".")
        assert [chunk_id.split(":")[0] for chunk_id in question.chunk_ids] == [question.doc_id, doc_id]


def test_a_quote_that_is_not_in_the_passage_is_refused_and_asked_for_again(corpus, make_writer, server):
    def invented_first(messages):
        if "turn 2" in messages[-1]["content"]:
            return written(messages)
        return re.sub(
            r'"quote": "[^"]*"', '"quote": "The moon is made of a blue cheese from Denmark."', written(messages)
        )

    server.write = invented_first
    writer = make_writer()
    questions = writer.write(corpus[0][:1], config(improve_answers=False), corpus[1])
    assert len(questions) == 3
    assert writer.facts()["refused"] == {"its quote is not in the passage": 3}
    assert "not in the passage" in server.prompts[1]


def test_a_quote_with_other_spaces_dashes_and_a_slip_is_found(corpus, make_writer, server):
    server.write = lambda messages: (
        written(messages).replace("must be looked", "must  be Looked").replace("weeks", "week")
    )
    questions = make_writer().write(corpus[0][:1], config(improve_answers=False), corpus[1])
    assert len(questions) == 3
    assert all(corpus[1]["Alder.md"][q.answer_start : q.answer_end].strip() for q in questions)


def test_what_is_too_much_is_trimmed(corpus, make_writer, server):
    def too_many(messages):
        more = [{**messages[-1], "content": WANTED.sub(r"3 \2", messages[-1]["content"], count=2)}]
        return written(more)

    server.write = too_many
    writer = make_writer()
    questions = writer.write(corpus[0], config(improve_answers=False), corpus[1])
    assert by_type(questions) == writer.facts()["wanted"]
    assert writer.facts()["refused"]["more than was asked for"] > 0


def test_what_a_model_cannot_fill_is_said_after_bounded_turns(corpus, make_writer, server):
    server.write = lambda messages: written(messages).replace('"analytical"', '"factual"')
    writer = make_writer()
    questions = writer.write(corpus[0], config(improve_answers=False, rounds=2, analytical_share=1 / 3), corpus[1])
    facts = writer.facts()
    assert facts["missing"] == {"analytical": facts["wanted"]["analytical"]}
    assert len(questions) == facts["wanted"]["factual"]
    assert len(server.requests) <= 8


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ("What does the passage say of sieves?", "points at the text"),
        ("Sieve weeks?", "too short or too long"),
        ("How often does one look after that sieve?", "asked already"),
    ],
)
def test_questions_that_nobody_would_ask_are_refused(corpus, make_writer, server, question, reason):
    server.write = lambda messages: re.sub(r'"question": "[^"]*"', f'"question": "{question}"', written(messages))
    writer = make_writer(style=["How often does one look after that sieve?"])
    with pytest.raises(LanguageModelUnavailable, match=reason):
        writer.write(corpus[0][:1], config(rounds=1), corpus[1])
        writer.facts()


def test_an_answer_with_a_number_of_its_own_gives_way_to_the_quote(corpus, make_writer, server):
    server.write = lambda messages: re.sub(r'"answer": "[^"]*"', '"answer": "Every 999 weeks."', written(messages))
    questions = make_writer().write(corpus[0][:1], config(improve_answers=False), corpus[1])
    assert questions and all("999" not in question.answer for question in questions)


def test_the_second_step_improves_answers_and_invents_nothing(corpus, make_writer, server):
    def improving(messages):
        answer = written(messages)
        if "Answer so far:" in messages[-1]["content"]:
            answer = re.sub(r"^2\. .*$", "2. It is 4711 crowns.", answer, flags=re.MULTILINE)
        return answer

    server.write = improving
    writer = make_writer()
    questions = writer.write(corpus[0][:1], config(), corpus[1])
    assert [question.answer.startswith("Surely, ") for question in questions] == [True, False, True]
    assert "4711" not in questions[1].answer
    assert writer.facts()["answers_improved"] == 2


def test_the_second_step_may_fail_and_the_first_answers_stay(corpus, make_writer, server):
    server.faults = [
        lambda exchange, request: says(written(request["messages"]))(exchange, request),
        says("?"),
        says("?"),
    ]
    writer = make_writer(at_once=1)
    questions = writer.write(corpus[0][:1], config(), corpus[1])
    assert len(questions) == 3 and not any("Surely" in question.answer for question in questions)
    assert writer.facts()["bill"]["given_up"] == 1


def test_real_questions_are_shown_as_the_manner_to_ask_in(corpus, make_writer, server):
    make_writer(style=["how do i mend my yurt"]).write(corpus[0][:1], config(), corpus[1])
    assert "how do i mend my yurt" in server.prompts[0]


def test_another_document_changes_no_prompt_that_was_paid(corpus, make_writer, server):
    chunks, texts = corpus
    make_writer().write(chunks[:3], config(), texts)
    n_before = len(server.requests)
    make_writer().write(chunks, config(), texts)
    added = server.requests[n_before:]
    assert len(added) == 2 and all("Dogel" in json.dumps(request) for request in added)


def test_a_request_beyond_the_limit_is_asked_in_parts(corpus, make_writer, server):
    server.faults = [refuses(413, "Request too large (TPM): Limit 3000, Requested 3100, please reduce")]
    writer = make_writer(at_once=1)
    questions = writer.write(corpus[0][:1], config(improve_answers=False), corpus[1])
    assert len(questions) == 3
    assert writer.facts()["too_large"] == 0
    sizes = [len(request["messages"][-1]["content"]) for request in server.requests]
    assert all(size < sizes[0] for size in sizes[1:])


def test_a_passage_that_fits_no_limit_is_refused_by_name(corpus, make_writer, server, caplog):
    writer = make_writer(tokens_per_minute=100)
    assert writer.write(corpus[0][:1], config(), corpus[1]) == []
    assert "not asked about Alder.md:0: a request of about" in caplog.text
    assert server.requests == []
    with pytest.raises(LanguageModelUnavailable):
        writer.facts()


def test_short_chunks_get_fewer_questions_and_scraps_none(corpus, make_writer):
    text = corpus[0][0].text
    short, scrap = " ".join(text.split()[:30]) + ".", "Alder handbook, 2024."
    chunks = [
        Chunk(doc_id=t, document=t, page_no=1, chunk_index=0, char_start=0, char_end=len(t), n_tokens=9, text=t)
        for t in (short, scrap)
    ]
    questions = make_writer().write(chunks, config(), {t: t for t in (short, scrap)})
    assert [question.doc_id for question in questions] == [short]


def test_the_bill_adds_up_over_faults_and_a_second_run(corpus, make_writer, server):
    server.faults = [
        says("not JSON"),
        refuses(429, "Rate limit reached", headers={"retry-after": "0.1"}),
        says('{"questions": [', finish="length"),
    ]
    first = make_writer(at_once=1, attempts=3)
    questions = first.write(corpus[0], config(), corpus[1])
    second = make_writer(at_once=1, attempts=3)
    assert second.write(corpus[0], config(), corpus[1]) == questions
    for writer in (first, second):
        bill = writer.facts()["bill"]
        assert (bill["tokens_in"], bill["tokens_out"]) == (server.tokens_in, server.tokens_out)
        assert (bill["requests"], bill["retries"]) == (len(server.requests), 3)
        assert bill["cost_usd"] == pytest.approx((server.tokens_in * 0.075 + server.tokens_out * 0.3) / 1e6, abs=1e-6)
    assert second.facts()["bill"]["reused"] == second.facts()["bill"]["prompts"]


def test_what_is_written_from_a_document_is_known_by_it(corpus, make_writer, tmp_path):
    chunks, texts = corpus
    make_writer().write(chunks, config(comparative_share=0.2), texts)
    files = set((tmp_path / "ledger").rglob("*.encrypted"))
    ledger = Ledger(tmp_path / "ledger", Sealer(Keyring.load_or_create(tmp_path / "keyring.json", create=True)))
    gone, *others = sorted({chunk.doc_id for chunk in chunks})
    records = {path: ledger.read(path.stem) for path in files}
    assert ledger.forget({gone}) == sum(gone in record.about for record in records.values()) > 0
    left = [record.text for path, record in records.items() if path.exists()]
    assert left
    assert all(record.about and set(record.about) <= {gone, *others} for record in records.values())
