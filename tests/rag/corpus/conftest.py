"""Files made on the spot: PDFs with reportlab, locked ones with pypdf, DOCX with python-docx."""

import io
from collections.abc import Callable, Sequence

import docx
import pypdf
import pytest
from hypothesis import settings
from reportlab.lib.pagesizes import A5
from reportlab.pdfgen import canvas

from rag.config import ChunkingConfig
from rag.corpus.chunking import Chunker

settings.register_profile("the same anywhere", deadline=None, derandomize=True)  # however busy the machine
settings.load_profile("the same anywhere")


@pytest.fixture(scope="session")
def make_pdf() -> Callable[..., bytes]:
    def build(pages: Sequence[Sequence[str]], title: str = "", user: str | None = None, owner: str = "owner") -> bytes:
        buffer = io.BytesIO()
        page = canvas.Canvas(buffer, pagesize=A5)
        page.setTitle(title)
        for lines in pages:
            for row, line in enumerate(lines):
                page.drawString(30, 560 - 14 * row, line)
            page.showPage()
        page.save()
        if user is None:
            return buffer.getvalue()
        writer = pypdf.PdfWriter(pypdf.PdfReader(buffer))
        writer.encrypt(user_password=user, owner_password=owner, algorithm="RC4-128")
        locked = io.BytesIO()
        writer.write(locked)
        return locked.getvalue()

    return build


@pytest.fixture(scope="session")
def docx_bytes() -> Callable[..., bytes]:
    def save(document: "docx.document.Document") -> bytes:
        buffer = io.BytesIO()
        document.save(buffer)
        return buffer.getvalue()

    return save


@pytest.fixture(scope="session")
def chunker() -> Chunker:
    return Chunker(ChunkingConfig())


@pytest.fixture(scope="session")
def small_chunker() -> Chunker:
    return Chunker(ChunkingConfig(chunk_tokens=50, overlap_tokens=10))
