"""Render `sources/pdf/*.md` and `sources/docx/*.md` into `corpus/`, the same bytes every time.

The Markdown understood is that of the sources: `#` and `##` headings, paragraphs of one line, numbered and bulleted
lists, pipe tables. The other Markdown files of `corpus/` are written by hand and stay as they are.
"""

import argparse
import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal
from xml.sax.saxutils import escape

import docx
from docx.enum.text import WD_PARAGRAPH_ALIGNMENT
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.platypus import Flowable, KeepTogether, Paragraph, SimpleDocTemplate, Table, TableStyle

HERE = Path(__file__).resolve().parent
COMPANY = "Osterholm"
ISSUED = datetime(2025, 3, 3, 9, 0, tzinfo=UTC)

Kind = Literal["title", "heading", "paragraph", "numbered", "bulleted", "table"]

_ITEM = re.compile(r"(\d+\.|[-*])\s+")
_MARGIN = 25 * mm
_TEXT_WIDTH = A4[0] - 2 * _MARGIN
_CELL_PADDING = 5

_BODY = ParagraphStyle("body", fontName="Helvetica", fontSize=10, leading=14, spaceAfter=7)
_ITEMS = ParagraphStyle("item", _BODY, leftIndent=18, spaceAfter=3)
_HEADING = ParagraphStyle(
    "heading", _BODY, fontName="Helvetica-Bold", fontSize=13, leading=17, spaceBefore=10, keepWithNext=1
)
_TITLE = ParagraphStyle("title", _HEADING, fontSize=20, leading=26, spaceBefore=0, spaceAfter=10)
_CELL = ParagraphStyle("cell", _BODY, fontSize=9, leading=12, spaceAfter=0)
_HEAD_CELL = ParagraphStyle("head", _CELL, fontName="Helvetica-Bold")
_STYLES = {"title": _TITLE, "heading": _HEADING, "paragraph": _BODY}


@dataclass(frozen=True)
class Block:
    """A piece of a document: one line of text, the items of a list, or the rows of a table, its head first."""

    kind: Kind
    lines: tuple[str, ...]

    @property
    def rows(self) -> list[list[str]]:
        """The cells of a table, without the line of dashes."""
        cells = [[cell.strip() for cell in line.strip("| ").split("|")] for line in self.lines]
        return [cells[0], *cells[2:]]


def parse(text: str) -> list[Block]:
    """Part the text of a source into its blocks, which blank lines separate."""
    return [_block(chunk.strip().splitlines()) for chunk in re.split(r"\n\s*\n", text.strip())]


def render_pdf(blocks: list[Block]) -> bytes:
    """Return a PDF with running headers and footers. The fonts are built in, so only Windows-1252 can be shown.

    :raises ValueError: if a sign is not in the fonts.
    """
    for block in blocks:
        "".join(block.lines).encode("cp1252")
    pages = _build_pdf(blocks, 0)[1]
    return _build_pdf(blocks, pages)[0]


def render_docx(blocks: list[Block]) -> bytes:
    """Return a Word document with real headings, lists and tables."""
    document = docx.Document()
    core = document.core_properties
    core.title, core.author, core.last_modified_by, core.comments = blocks[0].lines[0], COMPANY, COMPANY, ""
    core.created = core.modified = ISSUED.replace(tzinfo=None)
    footer = document.sections[0].footer.paragraphs[0]
    footer.text, footer.alignment = f"{COMPANY} - {core.title}", WD_PARAGRAPH_ALIGNMENT.CENTER
    for block in blocks:
        _add_to_docx(document, block)
    buffer = io.BytesIO()
    document.save(buffer)
    return _with_fixed_times(buffer.getvalue())


RENDERERS = {"pdf": render_pdf, "docx": render_docx}


def render_all(sources: Path, corpus: Path) -> Iterator[Path]:
    """Write each source below `pdf/` and `docx/` in that format, and yield what was written."""
    corpus.mkdir(parents=True, exist_ok=True)
    for suffix, render in RENDERERS.items():
        for source in sorted((sources / suffix).glob("*.md")):
            target = corpus / f"{source.stem}.{suffix}"
            target.write_bytes(render(parse(source.read_text(encoding="utf-8"))))
            yield target


def main() -> None:
    """Render from the command line."""
    parser = argparse.ArgumentParser(description="Render the example's sources into PDF and DOCX.")
    parser.add_argument("--sources", type=Path, default=HERE / "sources", help="folder with pdf/ and docx/")
    parser.add_argument("--corpus", type=Path, default=HERE / "corpus", help="folder to write to")
    arguments = parser.parse_args()
    for target in render_all(arguments.sources, arguments.corpus):
        print(target)


def _block(lines: list[str]) -> Block:
    first = lines[0]
    if first.startswith("|"):
        return Block("table", tuple(lines))
    item = _ITEM.match(first)
    if item:
        kind: Kind = "numbered" if item.group(1)[0].isdigit() else "bulleted"
        return Block(kind, tuple(_ITEM.sub("", line, count=1) for line in lines))
    text = " ".join(lines)
    if first.startswith("#"):
        return Block("title" if first.startswith("# ") else "heading", (text.lstrip("# "),))
    return Block("paragraph", (text,))


def _build_pdf(blocks: list[Block], pages: int) -> tuple[bytes, int]:
    """Return the PDF and its number of pages; `pages` is what the footers say."""
    title = blocks[0].lines[0]
    buffer = io.BytesIO()
    template = SimpleDocTemplate(
        buffer, pagesize=A4, leftMargin=_MARGIN, rightMargin=_MARGIN, topMargin=_MARGIN, bottomMargin=_MARGIN,
        title=title, author=COMPANY, subject="Handbook", invariant=1,
    )  # fmt: skip
    edges = partial(_draw_edges, title=title, pages=pages)
    template.build([piece for block in blocks for piece in _unbroken(block)], onFirstPage=edges, onLaterPages=edges)
    return buffer.getvalue(), template.page


def _draw_edges(canvas: Any, template: SimpleDocTemplate, title: str, pages: int) -> None:
    """Draw a page's header and footer; the header is more than the title, so that the title is no repeated line."""
    canvas.saveState()
    canvas.setFont("Helvetica", 8)
    canvas.drawString(_MARGIN, A4[1] - 15 * mm, f"{COMPANY} Handbook: {title}")
    canvas.drawCentredString(A4[0] / 2, 13 * mm, f"{COMPANY} - page {template.page} of {pages}")
    canvas.restoreState()


def _unbroken(block: Block) -> list[Flowable]:
    """Keep what can be quoted on one page: no header or footer comes between the halves of a sentence."""
    pieces = _flowables(block)
    return pieces if block.kind in ("title", "heading") else [KeepTogether([piece]) for piece in pieces]


def _flowables(block: Block) -> list[Flowable]:
    if block.kind == "table":
        return [_pdf_table(block.rows)]
    if block.kind in _STYLES:
        return [Paragraph(escape(block.lines[0]), _STYLES[block.kind])]
    marks = [f"{number}." if block.kind == "numbered" else "\u2022" for number in range(1, len(block.lines) + 1)]
    return [Paragraph(escape(line), _ITEMS, bulletText=mark) for mark, line in zip(marks, block.lines, strict=True)]


def _pdf_table(rows: list[list[str]]) -> Table:
    """Lay out a table whose columns are as wide as their texts, shrunk to the page, but never within a word."""
    columns = list(zip(*rows, strict=True))
    widest = [max(_width(cell) for cell in column) for column in columns]
    least = [max(_width(word) for cell in column for word in cell.split()) for column in columns]
    scale = min(1.0, (_TEXT_WIDTH - sum(least)) / max(1.0, sum(widest) - sum(least)))
    widths = [low + scale * (high - low) for low, high in zip(least, widest, strict=True)]
    cells = [
        [Paragraph(escape(cell), _CELL if row_no else _HEAD_CELL) for cell in row] for row_no, row in enumerate(rows)
    ]
    style = TableStyle(
        [
            ("GRID", (0, 0), (-1, -1), 0.5, colors.grey),
            ("BACKGROUND", (0, 0), (-1, 0), colors.whitesmoke),
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("LEFTPADDING", (0, 0), (-1, -1), _CELL_PADDING),
            ("RIGHTPADDING", (0, 0), (-1, -1), _CELL_PADDING),
        ]
    )
    return Table(cells, colWidths=widths, style=style, hAlign="LEFT", spaceAfter=9)


def _width(text: str) -> float:
    """Return the width of a cell in points, in the wider font of the head."""
    return float(stringWidth(text, _HEAD_CELL.fontName, _HEAD_CELL.fontSize)) + 2 * _CELL_PADDING + 1


def _add_to_docx(document: Any, block: Block) -> None:
    if block.kind == "table":
        _add_table(document, block.rows)
    elif block.kind in ("numbered", "bulleted"):
        _add_list(document, block)
    elif block.kind == "paragraph":
        document.add_paragraph(block.lines[0])
    else:
        document.add_heading(block.lines[0], level=1 if block.kind == "title" else 2)


def _add_table(document: Any, rows: list[list[str]]) -> None:
    table = document.add_table(rows=len(rows), cols=len(rows[0]), style="Light Grid Accent 1")
    for row, texts in zip(table.rows, rows, strict=True):
        for cell, text in zip(row.cells, texts, strict=True):
            cell.text = text
    document.add_paragraph()


def _add_list(document: Any, block: Block) -> None:
    """Add a list with a numbering of its own: the style's is one for all lists, and would go on counting."""
    style = document.styles["List Number" if block.kind == "numbered" else "List Bullet"]
    definitions = document.part.numbering_part.element
    shared = definitions.num_having_numId(style.element.pPr.numPr.numId.val)
    own = definitions.add_num(shared.abstractNumId.val)
    own.add_lvlOverride(ilvl=0).add_startOverride(1)
    for line in block.lines:
        numbering = document.add_paragraph(line, style=style)._p.get_or_add_pPr().get_or_add_numPr()
        numbering.get_or_add_ilvl().val = 0
        numbering.get_or_add_numId().val = own.numId


def _with_fixed_times(data: bytes) -> bytes:
    """Return the archive with the same time on each entry."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(buffer, "w") as fixed:
        for entry in archive.infolist():
            info = zipfile.ZipInfo(entry.filename, ISSUED.timetuple()[:6])
            info.compress_type = zipfile.ZIP_DEFLATED
            fixed.writestr(info, archive.read(entry))
    return buffer.getvalue()


if __name__ == "__main__":
    main()
