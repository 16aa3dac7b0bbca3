import pytest

from rag.corpus.extract import extract
from rag.errors import UnreadableDocument


def _text(body: str) -> str:
    return extract("a.html", body.encode()).text


def test_scripts_styles_navigation_and_comments_are_dropped():
    page = "<nav>Home</nav><script>x()</script><style>p{}</style><p>One<!-- no --> two</p><noscript>js</noscript>"
    assert _text(page) == "One two"


def test_blocks_become_paragraphs_and_items_become_lines():
    page = (
        "<h1>Title</h1>\n<p>First\n  line<br>second <b>bold</b> end.</p><ul><li>a</li> <li>b</li></ul><div>last</div>"
    )
    assert _text(page) == "Title\n\nFirst line\nsecond bold end.\n\na\nb\n\nlast"


def test_table_rows_are_lines_with_bars_between_cells():
    page = "<table>\n<tr>\n<th>Model</th> <th>kW</th></tr><tr><td><p>A</p></td><td></td><td> 6 </td></tr>\n</table>"
    assert _text(page) == "Model | kW\nA |  | 6"


def test_preformatted_text_keeps_its_spaces():
    assert _text("<pre>a  b\n   c</pre>") == "a  b\n   c"


def test_the_title_is_metadata_and_not_text():
    document = extract("a.htm", b"<html><head><title> The\n page </title></head><body>Text</body></html>")
    assert (document.text, document.metadata) == ("Text", {"title": "The page"})


def test_the_declared_encoding_is_used():
    page = '<?xml version="1.0"?><html><head><meta charset="iso-8859-2"></head><body><p>Łódź</p></body></html>'
    assert extract("a.html", page.encode("iso-8859-2")).text == "Łódź"
    assert extract("a.html", "<p>Größe</p>".encode()).text == "Größe"


def test_tags_nested_beyond_measure_are_refused_rather_than_cut_short():
    assert _text("<div>" * 1000 + "deep" + "</div>" * 1000) == "deep"
    with pytest.raises(UnreadableDocument, match="a.html nests its tags too deep"):
        _text("<p>seen</p>" + "<div>" * 9000 + "deep" + "</div>" * 9000)


@pytest.mark.parametrize("page", ["<script>x()</script>", "<html><body> </body></html>", "<!-- nothing -->", "   "])
def test_a_page_without_text_is_refused(page):
    with pytest.raises(UnreadableDocument, match="a.html has no text"):
        _text(page)
