"""A training that can be caught in the act."""

import os
import time


def pause_in_forward(model_class: type, training: bool, nth: int) -> None:
    """Say "here" and sleep in the nth forward pass that models of this class make in training, or in evaluation."""
    from torch.nn.modules.module import register_module_forward_pre_hook

    passes = 0

    def pause(module, _):
        nonlocal passes
        if isinstance(module, model_class) and module.training is training:
            passes += 1
            if passes == nth:
                os.write(1, b"here\n")
                time.sleep(2)

    register_module_forward_pre_hook(pause)
