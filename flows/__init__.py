"""Orchestration only: each flow reads like the list of its steps."""

import rag  # noqa: F401  sets the switches that Prefect reads when it is imported
