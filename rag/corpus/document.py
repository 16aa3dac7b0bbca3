"""What a file becomes: the text of its pages, and the chunks that are searched.

Every offset in ragloop counts characters of `DocumentText.text`, the text as it was extracted. Cleaning only ever
leaves spans out; it never moves an offset.
"""

from pydantic import BaseModel, ConfigDict


class Page(BaseModel):
    """One page of a document; a format without pages is one page."""

    model_config = ConfigDict(frozen=True)

    page_no: int
    """Counted from 1."""
    char_start: int
    char_end: int


class DocumentText(BaseModel):
    """The extracted text of one file. `pages` lie end to end over `text`, in order."""

    model_config = ConfigDict(frozen=True)

    name: str
    media_type: str
    text: str
    pages: tuple[Page, ...]
    metadata: dict[str, str] = {}
    """Title, author and the like, where the format has them."""


class Chunk(BaseModel):
    """A passage of a document, the unit that is retrieved."""

    model_config = ConfigDict(frozen=True)

    doc_id: str
    document: str
    """The document's name: its path within the folder that was ingested."""
    page_no: int
    """The page on which the chunk starts."""
    chunk_index: int
    """Its place in the document, from 0."""
    char_start: int
    char_end: int
    """Offsets into the document's extracted text; `char_end` is exclusive."""
    n_tokens: int
    text: str
    """The cleaned text of the span."""

    @property
    def chunk_id(self) -> str:
        """The chunk's key, unique over all documents."""
        return f"{self.doc_id}:{self.chunk_index}"
