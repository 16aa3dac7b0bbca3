import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.corpus.extract import extract
from rag.errors import UnreadableDocument

printable = st.text(st.characters(blacklist_categories=("C",)) | st.sampled_from("\n\r\t\f"), min_size=1)


@given(printable.filter(str.strip).filter(lambda text: text[0] != "\ufeff"))
def test_text_is_the_files_characters_unchanged(text):
    document = extract("a.txt", text.encode())
    assert document.text == text
    assert [(page.page_no, page.char_start, page.char_end) for page in document.pages] == [(1, 0, len(text))]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "cp1252"])
def test_other_encodings_are_told_from_their_bytes(encoding):
    text = " Größe “12 kW” – naïve café\r\n" * 3
    assert extract("a.md", text.encode(encoding)).text == text


def test_a_few_broken_bytes_do_not_turn_utf_8_into_gibberish():
    data = ("Größenänderung für Kühlgeräte. " * 20).encode() + b"\xff end"
    assert extract("a.txt", data).text.startswith("Größenänderung für")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "a.txt is empty"),
        (b"\0" * 9000, "a.txt holds nothing but zeros"),
        (b"some text \0\0\0 and more", "a.txt holds binary data"),
        (bytes(range(1, 32)) * 10, "a.txt holds binary data"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "a.txt holds binary data"),
        (b"%PDF-1.4\n\x81\x8d\x8f\x90\x9d", "a.txt"),
        ("Привет, мир. Как дела?".encode("cp1251"), "a.txt is in an encoding that cannot be told"),
        (b"\xff\xfea", "a.txt is broken UTF-16"),
        (b" \n\t ", "a.txt has no text in it"),
    ],
)
def test_what_is_no_text_is_refused_in_one_line(data, reason):
    with pytest.raises(UnreadableDocument) as caught:
        extract("a.txt", data)
    assert str(caught.value).startswith(reason)
    assert "\n" not in str(caught.value)


def test_an_unknown_kind_is_refused_with_the_known_ones():
    with pytest.raises(UnreadableDocument, match=r"a\.xlsx is of a kind that is not read: .*\.pdf"):
        extract("a.xlsx", b"data")
