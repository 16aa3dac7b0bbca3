"""A small collection with windows that overlap, for rerankers to score."""

import numpy as np

from rag.config import ChunkingConfig, IndexConfig
from rag.corpus.chunking import Chunker
from rag.corpus.document import Chunk
from rag.retrieval.index import build_index

TEXTS = [
    "The badger digs its sett into a slope of loose soil. It comes out at dusk, eats earthworms, and lives in a clan "
    "of six. In winter it sleeps for days, but it does not hibernate in the strict sense of the word.",
    "The otter hunts trout in cold rivers at night. Its fur holds air, which keeps the skin dry. A holt has an "
    "entrance under water. Young otters learn to swim at ten weeks, and leave their mother after a year.",
    "The swift sleeps in flight. It lands only to breed, under the tiles of old roofs, and flies to the Congo in "
    "August. Its legs are short, so it can hardly rise from flat ground.",
    "The hedgehog hibernates from November to March under leaves. It rolls itself up when a fox comes near. Its "
    "spines, some six thousand, are hairs that have grown hard.",
]
QUESTIONS = ["When does the hedgehog hibernate?", "What does a badger eat?", "Where does the swift breed?"]
OWN = [3, 0, 2]
"""Which text answers each question."""
ALL = np.arange(len(TEXTS))


def windows(tokens=24, stride=16):
    """Return the spans of each text's windows, which overlap."""
    cut = Chunker(ChunkingConfig()).windows
    return [cut(text, tokens, stride) for text in TEXTS]


def build(encoder, texts=TEXTS, spans=None):
    """Index the texts as chunks of one document."""
    spans = spans or windows()
    one = {"doc_id": "a1", "document": "animals.txt", "page_no": 1, "char_start": 0, "n_tokens": 50}
    chunks = [Chunk(**one, chunk_index=i, char_end=len(text), text=text) for i, text in enumerate(texts)]
    vectors = encoder.encode_passages([t[a:b] for t, own in zip(texts, spans, strict=True) for a, b in own])
    return build_index(chunks, spans, vectors, IndexConfig())
