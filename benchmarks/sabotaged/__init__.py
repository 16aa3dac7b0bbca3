"""Candidates that are better than what serves but for one thing, and what serves."""
