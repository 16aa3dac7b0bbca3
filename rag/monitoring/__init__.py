"""How a collection is used: by whom, how well, and what has changed."""

MAX_DAYS = 366
"""That may be shown one by one."""
