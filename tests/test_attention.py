"""Grad-CAM on every family of backbones, and on a network whose right answer is known."""

import numpy as np
import pytest
import torch
from learning import recipe
from torch import nn

from facemask.core.predictions import GRAD_CAM_FRAME
from facemask.nets.model import FaceNet, build
from facemask.tools.explain.grad_cam import attention, watched

CPU = torch.device("cpu")
torch.set_num_threads(1)


class RedChannel(nn.Module):
    """A backbone with one convolution that sees how red each place is."""

    feature_info = ({"module": "layer"},)
    default_cfg = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0), "input_size": (3, 40, 30)}  # noqa: RUF012
    pretrained_cfg = default_cfg

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 1, 1, bias=False)
        with torch.no_grad():
            self.layer.weight[:] = torch.tensor([1.0, -1.0, -1.0]).reshape(1, 3, 1, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.layer(images).clamp(min=0).mean((2, 3))


def test_the_map_is_warm_where_the_evidence_is_and_nowhere_else() -> None:
    member = recipe("effnet_mask", size=[40, 30])
    member["augment"] = member["augment"] | {"share": 0.5}
    model = FaceNet(RedChannel(), 1, member)
    with torch.no_grad():
        model.heads["mask"].weight[:] = torch.tensor([[1.0], [0.0], [0.0]])
        model.heads["mask"].bias.zero_()
    photo = np.full((96, 72, 3), 90, dtype=np.uint8)
    photo[30:42, 40:50] = (250, 20, 20)  # inside the crop, right of its middle
    photo[2:12, 2:12] = (250, 20, 20)  # outside
    called, maps = attention(model, [photo, photo[:, ::-1]], member, CPU)["mask"]
    assert called.tolist() == [0, 0]
    assert maps.shape == (2, *GRAD_CAM_FRAME)
    assert maps[0, 33:39, 43:47].min() > 200
    assert maps[0, :24].max() == 0, "outside of the crop there is no map"
    assert maps[0, 50:70, 20:35].max() < 30
    np.testing.assert_array_equal(maps[0], maps[1][:, ::-1])


@pytest.mark.parametrize("name", ["nfnet", "effnet_mask", "resnet", "beit_maskgender", "deit"])
def test_every_family_of_backbones_has_a_map_that_depends_on_the_photo(name: str) -> None:
    torch.manual_seed(0)
    model = build(recipe(name), None, pretrained=False)
    photos = list(np.random.default_rng(0).integers(0, 256, (2, 96, 72, 3), dtype=np.uint8))
    first, again = (attention(model, photos, recipe(name), CPU) for _ in range(2))
    assert list(first) == recipe(name)["predicts"]
    for head, (called, maps) in first.items():
        assert maps.shape == (2, *GRAD_CAM_FRAME)
        assert called.max() < model.heads[head].out_features
        assert not np.array_equal(maps[0], maps[1])
        np.testing.assert_array_equal(maps, again[head][1])
    assert not model.backbone._forward_hooks


def test_a_backbone_without_places_is_left_out() -> None:
    assert watched(nn.Linear(3, 3)) is None
