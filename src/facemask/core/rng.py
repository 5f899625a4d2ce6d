"""Random numbers that depend on what they are for, and on nothing else."""

import hashlib

import numpy as np


def seed_of(seed: int, stage: str, *key: object) -> int:
    """A 128-bit integer that is a function of (seed, stage, key) alone: the same for any order of work and any number of workers."""
    text = "\x1f".join([str(seed), stage, *map(str, key)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big")


def generator(seed: int, stage: str, *key: object) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed_of(seed, stage, *key)))
