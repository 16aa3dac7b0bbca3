"""How a collection is used: by whom, how well, and what has changed."""
