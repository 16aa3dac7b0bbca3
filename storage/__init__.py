"""Bytes, ids and rows. Knows nothing of retrieval."""
