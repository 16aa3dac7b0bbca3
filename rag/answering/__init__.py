"""A question in; a grounded answer with its sources out."""
