"""Retrieval quality on public data: what is asked, what is trained, what is measured, and how it is shown."""
