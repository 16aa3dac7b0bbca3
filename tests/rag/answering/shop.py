"""A home with a few short documents in production, and engines over it that a loopback Groq may answer for."""

from contextlib import contextmanager

from pydantic import SecretStr

from rag.answering.engines import Engines
from rag.config import AnsweringConfig
from rag.corpus.ingestion import ingest_uploads, seal_uploads
from rag.profiles import Profile, load_config
from rag.releases import refresh_release
from rag.settings import Settings
from rag.workspace import Workspace

SMOKE = load_config(Profile.SMOKE)
DOCUMENTS = {
    "bakery.txt": (
        "The bakery opens at six in the morning on weekdays (11). It closes at noon, and at ten on Sundays [12]. "
        "Rye bread costs 4.20 crowns a loaf."
    ),
    "cheese.txt": (
        "Cheese is sold on Fridays from a cart in front of the church. The dairy does not deliver to the island. "
        "A wheel of Comte weighs 40 kilograms."
    ),
    "boats.txt": "The ferry to the island leaves every 90 minutes. Bicycles travel free of charge on the lower deck.",
}


def open_shop(folder, **settings):
    """Return a workspace of a fresh home with the documents in production."""
    settings |= {"home": folder / "home", "key_file": folder / "keyring.json"}
    space = Workspace.open(Settings(**settings), create=True)
    add(space, folder, DOCUMENTS)
    return space


def add(space, folder, documents):
    """Ingest documents, and release them."""
    folder = folder / "documents"
    folder.mkdir(exist_ok=True)
    for name, text in documents.items():
        (folder / name).write_text(text)
    uploads = seal_uploads(space.artifacts, space.database, "default", [str(folder)]).uploads
    ingest_uploads(space.artifacts, space.database, "default", uploads, SMOKE.chunking)
    return refresh_release(space, "default", SMOKE)


@contextmanager
def engines_of(space, groq=None, **answering):
    """Open engines; Groq is the server given, or cannot be had."""
    if groq is not None:
        settings = space.settings.model_copy(update={"groq_api_key": SecretStr("k"), "groq_base_url": groq.url})
        space = Workspace(settings, space.sealer, space.database, space.artifacts, space.registry)
    patient = {"first_piece_s": 30, "gap_s": 30}
    engines = Engines(space, SMOKE.model_copy(update={"answering": AnsweringConfig(**patient | answering)}))
    try:
        yield engines
    finally:
        engines.close()
