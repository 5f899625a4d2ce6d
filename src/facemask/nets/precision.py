"""Mixed precision by name, for training and prediction alike."""

import torch

KINDS = {"no": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def autocast(device: torch.device, amp: str) -> torch.autocast:
    return torch.autocast(device.type, KINDS[amp], enabled=amp != "no")


def grad_scaler(device: torch.device, amp: str) -> torch.amp.GradScaler:
    """Scales the loss, so that float16 gradients do not vanish; it does nothing in other precisions."""
    return torch.amp.GradScaler(device.type, enabled=amp == "fp16")
