"""Chunks and logs -> query pairs."""
