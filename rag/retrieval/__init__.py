"""Dense and lexical search, and their fusion."""
