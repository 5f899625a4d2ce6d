import pytest
import torch
from learning import job, recipe, world

from facemask.core.errors import UserError
from facemask.nets.model import FaceNet
from facemask.train.fit import fit
from facemask.train.memory import enough_memory
from facemask.train.rows import learnable

MEMBER = recipe("beit_age", epoch_photos=32, dropout={"rate": 0.0, "samples": 1})


@pytest.fixture
def small_memory(monkeypatch):
    """A device that takes no more than `most` photos at a time in training."""

    def limit(most: int) -> None:
        def forward(self, images):
            if self.training and len(images) > most:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
            return whole(self, images)

        monkeypatch.setattr(FaceNet, "forward", forward)

    whole = FaceNet.forward
    return limit


def trained(folder, member, **training):
    own = job(member, folder, "beit_age-0", **training)
    photos, stores = world(folder)
    return fit(own, learnable(photos, member, 0), stores)[0]


def test_without_enough_memory_the_sentence_names_a_batch_that_fits(tmp_path, small_memory):
    small_memory(5)
    with pytest.raises(
        UserError, match=r"beit_age-0: a batch of 16 .* set batch=4, or .*accumulate=4 or training\.fit_batch"
    ):
        trained(tmp_path / "a", MEMBER)


def test_fit_batch_cuts_the_batch_and_trains_as_if_it_had_been_asked_to(tmp_path, small_memory):
    asked = trained(tmp_path / "asked", MEMBER | {"schedule": MEMBER["schedule"] | {"accumulate": 4}})
    small_memory(5)
    found = trained(tmp_path / "found", MEMBER, fit_batch=True)
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(found.parameters(), asked.parameters(), strict=True))


def test_where_not_one_photo_fits_the_sentence_says_so(tmp_path, small_memory):
    small_memory(0)
    with pytest.raises(UserError, match="not even one photo"):
        trained(tmp_path / "a", MEMBER, fit_batch=True)


def test_work_that_cannot_be_cut_ends_with_the_advice():
    with pytest.raises(UserError, match=r"^lower pretrain\.batch$"), enough_memory("lower pretrain.batch"):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
    with pytest.raises(RuntimeError, match="shapes"), enough_memory("lower pretrain.batch"):
        raise RuntimeError("shapes do not match")


def test_another_fault_is_not_taken_for_lack_of_memory(tmp_path, monkeypatch):
    def broken(self, images):
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(FaceNet, "forward", broken)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        trained(tmp_path / "a", MEMBER)
