"""Where the head is in a photo: face units to pixels, and the light that falls on it.

Face units: half the face's width is 1, the line of the eyes is y = 0, y grows downwards, x to the right of the picture.
The nose tip is near y = 0.62, the mouth near 1.0, the chin near 1.45, the top of the skull near -1.45.
"""

import math
from dataclasses import dataclass

import numpy as np

from facemask.core.labels import Array
from facemask.tools.demo_data.canvas import Layer

DEPTH = 0.85  # how far the face's middle stands out of the plane of its outline
HALF_WIDTH, HALF_HEIGHT, MIDDLE = 1.06, 1.62, 0.05


@dataclass(frozen=True)
class Pose:
    """Turns in radians, `scale` in pixels a face unit, `x` and `y` the pixel of the head's middle between the eyes."""

    yaw: float
    pitch: float
    roll: float
    scale: float
    x: float
    y: float

    def place(
        self, points: Array | list[tuple[float, float]], lift: Array | list[float] | float = 0.0, flat: bool = False
    ) -> Array:
        """Pixels (n, 2) of points (n, 2), `lift` units before the head's surface or, if `flat`, the outline's plane."""
        at = np.asarray(points, np.float64)
        depth = np.asarray(lift, np.float64) + (0.0 if flat else surface(at))
        x = at[:, 0] * math.cos(self.yaw) + depth * math.sin(self.yaw)
        behind = -at[:, 0] * math.sin(self.yaw) + depth * math.cos(self.yaw)
        y = at[:, 1] * math.cos(self.pitch) - behind * math.sin(self.pitch)
        return self._turned(x, y)

    def place_body(self, points: Array | list[tuple[float, float]]) -> Array:
        """Pixels (n, 2) of points below the head, which neither turn nor nod with it."""
        at = np.asarray(points, np.float64)
        shift = np.clip(1.6 - at[:, 1], 0, 1.6) / 1.6
        turned = self._turned(at[:, 0] + 0.25 * math.sin(self.yaw) * shift, at[:, 1])
        upright = np.stack(
            [self.x + self.scale * (at[:, 0] - 1.3 * math.sin(self.roll)), self.y + self.scale * at[:, 1]], 1
        )
        return turned * shift[:, None] + upright * (1 - shift[:, None])

    def _turned(self, x: Array, y: Array) -> Array:
        cos, sin = math.cos(self.roll) * self.scale, math.sin(self.roll) * self.scale
        turned = np.empty((len(x), 2))
        turned[:, 0] = self.x + x * cos - y * sin
        turned[:, 1] = self.y + x * sin + y * cos
        return turned

    def units(self, layer: Layer) -> tuple[Array, Array]:
        """Face units x, y (float32, h x w) of the layer's pixels, as if the head faced the camera."""
        height, width = layer.alpha.shape
        across = (np.arange(width, dtype=np.float32) + np.float32(layer.left - self.x)) / np.float32(self.scale)
        down = (np.arange(height, dtype=np.float32) + np.float32(layer.top - self.y)) / np.float32(self.scale)
        cos, sin = np.float32(math.cos(self.roll)), np.float32(math.sin(self.roll))
        return across[None] * cos + down[:, None] * sin, down[:, None] * cos - across[None] * sin


@dataclass(frozen=True)
class Light:
    """Direction towards the light (x, y, z; z towards the camera) and how much of the brightness depends on it."""

    x: float
    y: float
    z: float
    strength: float

    def shading(self, pose: Pose, layer: Layer, swell: float = 1.0) -> Array:
        """Brightness factor (float32, h x w) of a head-shaped surface; `swell` > 1 for what lies around the head."""
        across, down = pose.units(layer)
        normal_x = across * np.float32(1 / (1.12 * swell)) - np.float32(0.7 * np.sin(pose.yaw))
        normal_y = (down - np.float32(MIDDLE)) * np.float32(0.85 / (HALF_HEIGHT * swell))
        normal_z = np.sqrt(np.maximum(np.float32(0.06), 1 - normal_x * normal_x - normal_y * normal_y))
        facing = normal_x * np.float32(self.x) + normal_y * np.float32(self.y) + normal_z * np.float32(self.z)
        shading: Array = np.clip(1 + np.float32(self.strength) * (facing - np.float32(0.75)), 0.25, 1.35)
        return shading


def surface(points: Array) -> Array:
    """How far the head's surface stands out (n,) at points (n, 2) in face units."""
    across, down = points[:, 0] / HALF_WIDTH, (points[:, 1] - MIDDLE) / HALF_HEIGHT
    return DEPTH * np.sqrt(np.maximum(0.0, 1 - across**2 - down**2))
