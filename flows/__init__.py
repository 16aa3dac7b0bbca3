"""Orchestration only: each flow reads like the list of its steps."""

import os

import rag  # noqa: F401  sets the switches that Prefect reads when it is imported
from rag.background import step_back
from rag.settings import Settings

if os.environ.get("PREFECT__FLOW_RUN_ID"):  # a worker has made this process for one run
    step_back(Settings().nice)
