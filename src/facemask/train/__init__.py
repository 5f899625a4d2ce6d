"""The loop, sampling, augmentation and checkpoints."""
