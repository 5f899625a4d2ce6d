"""Mixed precision by name, for training and prediction alike."""

import torch

from facemask.core.errors import chosen

KINDS = {"no": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def autocast(device: torch.device, amp: str) -> torch.autocast:
    """Raises UserError for a name other than no, bf16 and fp16."""
    return torch.autocast(device.type, chosen(KINDS, "training.amp", amp), enabled=amp != "no")


def grad_scaler(device: torch.device, amp: str) -> torch.amp.GradScaler:
    """Of the loss, so that float16 gradients do not vanish; it does nothing in other precisions."""
    return torch.amp.GradScaler(device.type, enabled=amp == "fp16")
