"""A page as a browser would take it apart."""

from html.parser import HTMLParser


class Page(HTMLParser):
    """Collects the elements of a page, and checks that each is closed."""

    VOID = {"meta", "img", "br", "link", "input", "base", "source", "embed", "hr"}

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.elements, self.text, self.styles, self.rows, self._open = [], [], [], [], []
        self.feed(html)
        self.close()
        assert not self._open, self._open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open and self._open[-1] == tag, (tag, self._open[-3:])
        self._open.pop()

    def handle_data(self, data):
        inside = self._open[-1] if self._open else ""
        (self.styles if inside == "style" else self.text).append(data)
        if inside in ("td", "th"):
            self.rows[-1][-1] += data

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def said(self):
        return " ".join(" ".join(self.text).split())
