"""pairs -> embedder; texts -> vectors."""
