"""(query, chunks) -> scores."""
