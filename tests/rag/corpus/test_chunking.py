from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.config import ChunkingConfig
from rag.corpus.chunking import Chunker
from rag.corpus.cleaning import clean_text, kept_spans
from rag.corpus.document import DocumentText
from rag.corpus.extract import lay_pages
from rag.errors import ConfigError

words = st.text(st.sampled_from("abcdefgzä ÀÉ.,!-\n\n\t\u00ad한국。、 "), min_size=1, max_size=25)
blobs = st.builds(
    lambda char, n: char * n, st.sampled_from(["x", "word", "한", "漢。", "a-", "z9"]), st.integers(1, 700)
)
texts = st.lists(
    words | blobs | st.sampled_from(["The lung hums. ", " e\ufb03cient ", "It breathes.\n\n"]), max_size=60
).map("".join)


def _doc(*pages: str) -> DocumentText:
    return lay_pages("a.txt", "text/plain", pages, {})


def _prose(n: int, start: int = 0) -> str:
    return " ".join(f"Sentence number {i} tells of heat pumps and of value {i * 37}." for i in range(start, start + n))


@given(texts)
def test_chunks_keep_to_the_limit_and_lose_nothing(small_chunker, text):
    doc = _doc(text)
    chunks = small_chunker.chunk(doc, "d")
    covered = set()
    for index, chunk in enumerate(chunks):
        assert chunk.n_tokens == small_chunker.count(chunk.text) <= 50
        assert (chunk.chunk_index, chunk.chunk_id) == (index, f"d:{index}")
        span = doc.text[chunk.char_start : chunk.char_end]
        assert span == span.strip() != ""
        covered |= set(range(chunk.char_start, chunk.char_end))
    for start, end in kept_spans(doc, small_chunker.config):
        missed = [doc.text[i] for i in range(start, end) if i not in covered]
        assert not "".join(missed).replace("\u00ad", "").strip()
    assert chunks == small_chunker.chunk(doc, "d")


@given(texts)
def test_chunks_move_forward_and_their_text_is_the_clean_text_of_their_span(small_chunker, text):
    doc = _doc(text)
    chunks = small_chunker.chunk(doc, "d")
    assert all(a.char_start < b.char_start and a.char_end < b.char_end for a, b in pairwise(chunks))
    for chunk in chunks:
        spans = [(chunk.char_start, chunk.char_end)]
        assert "".join(chunk.text.split()) == "".join(clean_text(doc.text, spans).split())


@given(texts, st.integers(1, 40), st.integers(1, 40))
def test_windows_hold_at_most_their_tokens_and_leave_no_word_out(small_chunker, text, tokens, stride):
    spans = small_chunker.windows(text, tokens, stride)
    covered = {i for start, end in spans for i in range(start, end)}
    assert all(text[i].isspace() for i in range(len(text)) if i not in covered)
    assert all(a[0] < b[0] and a[1] < b[1] for a, b in pairwise(spans))
    for start, end in spans:
        assert small_chunker.count(text[start:end]) <= max(tokens, 3)  # one Korean syllable is up to three tokens


def test_chunks_are_full_overlap_and_end_at_sentences(chunker):
    chunks = chunker.chunk(_doc(_prose(300)), "d")
    assert all(330 <= chunk.n_tokens <= 400 for chunk in chunks[:-1])
    assert all(chunk.text.startswith("Sentence") and chunk.text.endswith(".") for chunk in chunks)
    for a, b in pairwise(chunks):
        shared = a.text[a.text.rindex(b.text[:25]) :]
        assert 10 <= chunker.count(shared) <= 50


def test_the_end_of_a_paragraph_is_preferred_to_that_of_a_sentence(small_chunker):
    text = "Eight little words stand in this sentence here. " * 4
    text += "Then more words come, and so it ends.\n\nIt is so. " + "It goes on and on. " * 9
    assert small_chunker.chunk(_doc(text), "d")[0].text.endswith("so it ends.")


def test_a_title_or_figure_does_not_end_a_sentence(small_chunker):
    text = "one " * 40 + "two. " + "as seen in Fig. 3 by Dr. Lind and others " * 5
    assert small_chunker.chunk(_doc(text), "d")[0].text.endswith("two.")


def test_words_are_never_cut(small_chunker):
    doc = _doc(_prose(60))
    whole = set(doc.text.split())
    assert all(set(chunk.text.split()) <= whole for chunk in small_chunker.chunk(doc, "d"))


def test_a_chunk_is_on_the_page_where_it_starts(small_chunker):
    doc = _doc(_prose(6), "", _prose(6, 6))
    chunks = small_chunker.chunk(doc, "d")
    for chunk in chunks:
        page = doc.pages[chunk.page_no - 1]
        assert page.char_start <= chunk.char_start < page.char_end
    assert {chunk.page_no for chunk in chunks} == {1, 3}


def test_running_headers_are_in_no_chunk_and_offsets_stay_true(small_chunker):
    doc = _doc(*[f"HEADER LINE\n{_prose(5, 5 * n)}\nPage {n + 1}" for n in range(5)])
    chunks = small_chunker.chunk(doc, "d")
    assert not any("HEADER" in chunk.text or "Page" in chunk.text for chunk in chunks)
    for chunk in chunks:
        assert doc.text[chunk.char_start :].startswith(chunk.text[:20])
        assert doc.text[: chunk.char_end].endswith(chunk.text[-20:])


@pytest.mark.parametrize("text", ["", " \n ", "\u00ad"])
def test_a_document_without_words_has_no_chunks(small_chunker, text):
    assert small_chunker.chunk(_doc(text), "d") == []


def test_a_short_text_is_one_window_and_the_last_window_reaches_the_end(chunker):
    text = _prose(40)
    n_tokens = chunker.count(text)
    assert chunker.windows(text, n_tokens, 96) == [(0, len(text))]
    assert chunker.windows("", 128, 96) == [(0, 0)]
    spans = chunker.windows(text, 128, 96)
    assert spans[-1][1] == len(text)
    assert all(100 < chunker.count(text[start:end]) <= 128 for start, end in spans)


def test_counting_leaves_out_the_encoders_own_marks(chunker):
    assert chunker.count("") == 0
    assert chunker.count("heat pump") == 2


def test_an_overlap_of_more_than_half_a_chunk_is_refused():
    with pytest.raises(ConfigError, match="overlap_tokens 60 is over half of chunk_tokens 100"):
        Chunker(ChunkingConfig(chunk_tokens=100, overlap_tokens=60))


def test_a_missing_tokenizer_is_refused_by_name(tmp_path):
    with pytest.raises(ConfigError, match="nowhere.json cannot be loaded"):
        Chunker(ChunkingConfig(), tmp_path / "nowhere.json")
