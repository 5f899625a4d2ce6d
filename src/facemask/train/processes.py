"""One process or several (accelerate launch), hidden from the training loop."""

from typing import Any

import torch
import torch.distributed as distributed
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs
from torch import Tensor
from torch.distributed.nn.functional import all_reduce

from facemask.nets.device import device_of, use_threads


def accelerator(training: dict[str, Any], recipe: dict[str, Any]) -> Accelerator:
    """Connects the processes on training.device. training.amp sets the precision, not the launcher."""
    device = device_of(training)
    if device.index is not None:
        torch.cuda.set_device(device)
    # Frozen layers leave parameters without gradients, which DDP has to search for.
    freezes = max(recipe["schedule"]["freeze"], recipe["schedule"]["frozen"]) > 0
    parallel = DistributedDataParallelKwargs(find_unused_parameters=freezes)
    connected = Accelerator(cpu=device.type == "cpu", mixed_precision="no", kwargs_handlers=[parallel])
    use_threads(training["threads"])
    return connected


def summed(tensor: Tensor) -> Tensor:
    """The tensor's sum over all processes, with its gradient."""
    if not distributed.is_initialized():
        return tensor
    return all_reduce(tensor)  # type: ignore[no-untyped-call, no-any-return]
