"""The library of ragloop. It knows no Prefect.

The switches below are read by torch, Prefect, ragas and the Hugging Face libraries when those are first imported, so
they are set here, before any of them can be; each gives way to what the environment already says.
"""

import logging
import os

_SWITCHES = {
    "OMP_WAIT_POLICY": "PASSIVE",  # spinning threads starve each other: measured five times slower on two busy cores
    "TOKENIZERS_PARALLELISM": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",  # a failed flow's error would be pickled to a file
    "RAGAS_DO_NOT_TRACK": "true",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}
for _name, _value in _SWITCHES.items():
    os.environ.setdefault(_name, _value)

logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it warns of a kernel that nothing here needs
