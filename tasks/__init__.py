"""Every task: resolve references, call one function of the library, return a reference."""

import logging

import rag  # noqa: F401  sets the switches that Prefect reads when it is imported

# Prefect ships what these log to the run; it leaves their level to us.
for _name in ("rag", "storage"):
    logging.getLogger(_name).setLevel(logging.INFO)
