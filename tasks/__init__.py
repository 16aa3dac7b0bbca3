"""Every task: resolve references, call one function of the library, return a reference."""

import rag  # noqa: F401  sets the switches that Prefect reads when it is imported
