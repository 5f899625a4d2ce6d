import numpy as np
import pytest
import torch
from learning import recipe
from safetensors.torch import save_file
from timm.models.beit import Beit

from facemask.core.errors import UserError
from facemask.core.rng import generator
from facemask.nets.model import build
from facemask.tools.pretrain.masked import MaskedNet, block_mask, patches_in
from facemask.tools.pretrain.published import DalleEncoder, published_tokenizer
from facemask.tools.pretrain.tokens import kmeans_codebook, patches_of, projection_codebook

IMAGES = torch.rand(6, 3, 64, 48, generator=torch.Generator().manual_seed(0))
PATCH, GRID = (16, 16), (4, 3)


def neighbours(mask: np.ndarray) -> float:
    """Mean number of hidden neighbours (of four) of a hidden patch."""
    around = np.pad(mask, 1).astype(int)
    near = around[:-2, 1:-1] + around[2:, 1:-1] + around[1:-1, :-2] + around[1:-1, 2:]
    return float(near[mask].mean())


@pytest.mark.parametrize("grid", [(14, 14), (24, 24), (8, 6), (4, 3), (1, 2)])
def test_a_mask_hides_exactly_its_share_and_is_a_function_of_its_draws(grid):
    for key in range(50):
        mask = block_mask(grid, 0.4, generator(1, "mask", key))
        assert mask.sum() == round(0.4 * grid[0] * grid[1])
        np.testing.assert_array_equal(mask, block_mask(grid, 0.4, generator(1, "mask", key)))


def test_a_mask_hides_blocks_and_reaches_every_patch():
    random = np.random.default_rng(0)
    masks = [block_mask((14, 14), 0.4, random) for _ in range(200)]
    scattered = np.zeros(196, dtype=bool)
    scattered[random.permutation(196)[:78]] = True
    assert min(map(neighbours, masks)) > neighbours(scattered.reshape(14, 14)) + 0.5
    often = np.mean(masks, 0)
    assert often.min() > 0.02
    assert often.max() < 0.9


@pytest.mark.parametrize("make", [projection_codebook, kmeans_codebook])
def test_tokens_are_a_function_of_the_seed_and_of_their_own_patch_alone(make):
    sample = patches_of(IMAGES, PATCH).flatten(0, 1)
    books = [make(sample, PATCH, 16, generator(seed, "codebook")) for seed in (1, 1, 2)]
    tokens = [book(IMAGES) for book in books]
    assert tokens[0].shape == (6, 12)
    assert len(tokens[0].unique()) > 4
    torch.testing.assert_close(tokens[0], tokens[1])
    assert (tokens[0] != tokens[2]).any()
    changed = IMAGES.clone()
    changed[:, :, 16:32, 32:48] = 0.9 * torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    moved = books[0](changed) != tokens[0]
    assert not moved[:, [place for place in range(12) if place != 5]].any(), "row 1, column 2 is patch 5"


def test_kmeans_gives_patches_of_one_kind_one_token():
    dark, light = torch.full((20, 3, 16, 16), 0.1), torch.full((20, 3, 16, 16), 0.9)
    images = torch.cat([dark, light]) + 0.02 * torch.rand(40, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    book = kmeans_codebook(patches_of(images, PATCH).flatten(0, 1), PATCH, 2, generator(1, "codebook"))
    tokens = book(images)[:, 0]
    assert len(tokens[:20].unique()) == len(tokens[20:].unique()) == 1
    assert tokens[0] != tokens[20]
    with pytest.raises(UserError, match="more than the 40 sampled patches"):
        kmeans_codebook(patches_of(images, PATCH).flatten(0, 1), PATCH, 41, generator(1, "codebook"))


def test_dalles_encoder_comes_from_its_published_names_and_gives_a_token_a_patch(tmp_path):
    torch.manual_seed(0)
    encoder = DalleEncoder(GRID, 8, 32)
    published = {
        key.removesuffix(".weight") + ".w" if key.endswith(".weight") else key.removesuffix(".bias") + ".b": tensor
        for key, tensor in encoder.state_dict().items()
    }
    assert {"blocks.input.w", "blocks.group_2.block_1.id_path.w", "blocks.group_4.block_2.res_path.conv_4.b"} <= set(
        published
    )
    save_file(published, tmp_path / "encoder.safetensors")
    loaded, codes = published_tokenizer(tmp_path / "encoder.safetensors", GRID)
    tokens = loaded(IMAGES)
    assert codes == 32
    assert tokens.shape == (6, 12)
    assert 0 <= tokens.min() <= tokens.max() < 32
    torch.testing.assert_close(tokens, encoder.eval()(IMAGES))
    save_file({"blocks.input.w": published["blocks.input.w"]}, tmp_path / "half.safetensors")
    save_file({"weight": published["blocks.input.w"]}, tmp_path / "other.safetensors")
    for name, message in (("half", "whole tokenizer"), ("other", "no tokenizer known"), ("none", "does not exist")):
        with pytest.raises(UserError, match=message):
            published_tokenizer(tmp_path / f"{name}.safetensors", GRID)


def test_vq_kd_comes_from_its_published_names_and_tells_the_nearest_code_of_each_patch(tmp_path):
    torch.manual_seed(0)
    encoder = Beit(img_size=64, patch_size=16, num_classes=0, embed_dim=64, depth=2, num_heads=1)
    torch.nn.init.normal_(encoder.pos_embed)
    task = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.Tanh(), torch.nn.Linear(64, 8))
    codes = torch.nn.functional.normalize(torch.randn(20, 8), dim=1)
    published = {f"encoder.{name}": tensor for name, tensor in encoder.state_dict().items()}
    published |= {f"encode_task_layer.{name}": tensor for name, tensor in task.state_dict().items()}
    published |= {"quantize.embedding.weight": codes, "quantize.embedding.initted": torch.ones(1)}
    published |= {"decoder.cls_token": torch.zeros(1, 1, 64)}
    assert {"encoder.blocks.1.attn.q_bias", "encoder.fc_norm.weight", "encode_task_layer.2.bias"} <= set(published)
    save_file(published, tmp_path / "vqkd.safetensors")
    images = torch.rand(3, 3, 64, 64)
    told, count = published_tokenizer(tmp_path / "vqkd.safetensors", (4, 4))
    with torch.no_grad():
        features = encoder.eval().forward_features(images * 255 / 127.5 - 1)[:, 1:]
        points = torch.nn.functional.normalize(task(encoder.fc_norm(features)), dim=2)
    torch.testing.assert_close(told(images), torch.cdist(points, codes.expand(3, -1, -1)).argmin(2))
    assert count == 20
    other_grid, _ = published_tokenizer(tmp_path / "vqkd.safetensors", GRID)
    assert other_grid(IMAGES).shape == (6, 12)
    del published["encoder.blocks.0.mlp.fc1.weight"]
    save_file(published, tmp_path / "half.safetensors")
    with pytest.raises(UserError, match="whole tokenizer"):
        published_tokenizer(tmp_path / "half.safetensors", GRID)


@pytest.mark.parametrize("member", ["beit_age", "deit"])
def test_what_is_hidden_does_not_reach_the_network_and_the_rest_does(member):
    torch.manual_seed(0)
    net = MaskedNet(build(recipe(member), None, pretrained=False).backbone, 16).eval()
    hidden = torch.from_numpy(block_mask(GRID, 0.4, generator(1, "mask")).ravel()).repeat(6, 1)
    logits = net(IMAGES, hidden)
    assert logits.shape == (6 * 5, 16)
    under = hidden.reshape(6, 1, *GRID).repeat_interleave(16, 2).repeat_interleave(16, 3)
    noise = torch.rand(IMAGES.shape, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(net(torch.where(under, noise, IMAGES), hidden), logits)
    assert not torch.allclose(net(torch.where(under, IMAGES, noise), hidden), logits)


def test_a_backbone_without_patches_is_one_sentence():
    with pytest.raises(UserError, match="no sequence of patches to hide"):
        patches_in(build(recipe("nfnet"), None, pretrained=False).backbone)
