import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.config import ChunkingConfig
from rag.corpus.cleaning import clean, clean_text, kept_spans
from rag.corpus.extract import lay_pages

CONFIG = ChunkingConfig()


def _kept(pages: list[str]) -> str:
    doc = lay_pages("a.pdf", "application/pdf", pages, {})
    return "".join(doc.text[start:end] for start, end in kept_spans(doc, CONFIG))


def test_running_headers_and_page_numbers_are_left_out():
    kept = _kept([f"Osterholm handbook\nbody {word}\nPage {n} of 4" for n, word in enumerate("abcd", 1)])
    assert kept == "body a\nbody b\nbody c\nbody d\n"


def test_bare_page_numbers_are_left_out_though_they_start_anywhere():
    assert _kept([f"body {word}\n{n}" for n, word in zip(range(17, 21), "abcd", strict=True)]) == "".join(
        f"body {word}\n" for word in "abcd"
    )


def test_readings_at_the_edge_of_pages_are_kept():
    pages = [f"Site {word}\nTotal: {total} kWh" for word, total in zip("abcd", (512, 77, 1031, 400), strict=True)]
    assert _kept(pages) == "\n".join(pages)


@pytest.mark.parametrize("n_with", [2, 3])
def test_a_line_on_few_pages_or_not_on_most_is_kept(n_with):
    pages = ["Notes\nbody"] * n_with + [f"other {word}\nlines {word}" for word in ("x", "y", "z")]
    assert _kept(pages).count("Notes") == n_with


def test_a_line_that_repeats_within_pages_is_kept():
    pages = [f"{a}\n{a}{a}\n{a}{a}{a}\nwarning\n{a}4\n{a}5\n{a}6" for a in ("ant", "bee", "cat", "dog")]
    assert _kept(pages).count("warning") == 4


def test_control_characters_are_left_out():
    assert _kept(["a\x00b\x07c\td\n"]) == "abc\td\n"


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        ("  a \t b\u00a0c  ", "a b c"),
        ("a\r\n\r\n  b\n\n\nc", "a\nb\nc"),
        ("power trans-\nmission", "power transmission"),
        ("power trans-  \r\n  mission", "power transmission"),
        ("Skarn-\nFjell, 3-\n4", "Skarn-\nFjell, 3-\n4"),
        ("- item\n- item", "- item\n- item"),
        ("soft\u00adhyphen, end\u00ad\ning, zero\u200bwidth", "softhyphen, ending, zerowidth"),
        ("\ufb01nd e\ufb03cient", "find efficient"),
        ("10\u2075 m\u00b2 \u00bd", "10\u2075 m\u00b2 \u00bd"),
        ("", ""),
        (" \n ", ""),
    ],
)
def test_text_reads_clean(raw, read):
    assert clean_text(raw, [(0, len(raw))]) == read


def test_words_are_joined_across_a_footer_that_is_left_out():
    text = "trans-\nfooter\nmission"
    assert clean_text(text, [(0, 7), (14, 21)]) == "transmission"


@given(st.text(st.sampled_from("ab .-\n\r\t\u00ad\ufb01\u00a0\u200bÄ"), max_size=60))
def test_each_clean_character_knows_where_it_comes_from(text):
    cleaned = clean(text, [(0, len(text))])
    assert len(cleaned.origins) == len(cleaned.text)
    assert list(cleaned.origins) == sorted(cleaned.origins)
    for char, origin in zip(cleaned.text, cleaned.origins, strict=True):
        assert text[origin] in (char, "\ufb01") or (char.isspace() and text[origin].isspace())
    assert cleaned.text == cleaned.text.strip()
