"""What an embedder gives; apart from the encoder, so that its type costs no import of torch."""

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
"""float32 (n, dim), each row of length 1."""
