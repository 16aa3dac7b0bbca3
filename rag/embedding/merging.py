"""Tuned weights mixed with those of the base: most of the gain, and most of what the base could do elsewhere.

After WiSE-FT (Wortsman et al. 2022) and LM-Cocktail (Xiao et al. 2023).
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch

Weights = Mapping[str, torch.Tensor]


def mix(tuned: Weights, base: Weights, share: float) -> dict[str, torch.Tensor]:
    """Return `share` of the tuned weights and the rest of the base's; what is no float stays as tuned."""
    return {
        name: torch.lerp(base[name].to(value), value, share) if value.is_floating_point() else value
        for name, value in tuned.items()
    }


def merge_with_base(model: Any, base: Weights, shares: Iterable[float], score: Callable[[float], float]) -> float:
    """Leave `model` at the share of its own weights that scores best, the largest of equals; return the share.

    :param score: of the model as it stands, given its share; asked for the base alone (0) too, which is no choice.
    """
    tuned = {name: value.detach().clone() for name, value in model.state_dict().items()}

    def reach(share: float) -> float:
        model.load_state_dict(mix(tuned, base, share))
        return score(share)

    reach(0.0)
    best = max(sorted(set(shares), reverse=True), key=reach)
    model.load_state_dict(mix(tuned, base, best))
    return best
