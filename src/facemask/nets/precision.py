"""Mixed precision by name, for training and prediction alike."""

import torch

from facemask.errors import UserError


def autocast(device: torch.device, amp: str) -> torch.autocast:
    """Raises UserError for a name other than no, bf16 and fp16."""
    kinds = {"no": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    if amp not in kinds:
        raise UserError(f"training.amp={amp!r} is unknown; choose no, bf16 or fp16")
    return torch.autocast(device.type, kinds[amp], enabled=amp != "no")
