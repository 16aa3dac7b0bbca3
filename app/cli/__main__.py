"""`python -m app.cli` is the `ragloop` command."""

from app.cli import main

main()
