from hypothesis import given
from hypothesis import strategies as st

from rag.pairs.folding import FoldedText, fold


def test_finds_a_quotation_over_line_ends_hyphens_and_ligatures():
    text = "The ﬁrst trans-\nmission  of “MTCT” rose."
    ((start, end),) = FoldedText(text).find("first transmission of MTCT")
    assert text[start:end] == "ﬁrst trans-\nmission  of “MTCT"


def test_keeps_punctuation_that_both_have_at_the_ends():
    text = "A rate of (12 %) . Then 12 more."
    spans = FoldedText(text).find("(12%).")
    assert text[slice(*spans[0])] == "(12 %) ."


def test_a_short_quotation_must_be_whole_words():
    assert FoldedText("catalogue of cats").find("cat") == []
    assert FoldedText("the cat sat").find("cat") == [(4, 7)]


def test_an_empty_quotation_is_nowhere():
    assert FoldedText("text").find("--") == []


@given(st.text(max_size=60), st.data())
def test_any_cut_of_a_text_is_found_at_a_span_that_folds_alike(text, data):
    start = data.draw(st.integers(0, len(text)))
    cut = text[start : data.draw(st.integers(start, len(text)))]
    for begin, end in FoldedText(text).find(cut):
        assert fold(text[begin:end]) == fold(cut)
