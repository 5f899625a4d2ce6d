import pytest
from photo_trees import all_age_faces, face_points, settings, write

from facemask.core.errors import UserError
from facemask.ingest import all_age_faces as aaf
from facemask.ingest import ray_pool as cluster
from facemask.ingest.decode_worker import Task, answer
from facemask.ingest.ingest import Outputs, ingest
from facemask.ingest.mask_overlay import choose_overlays
from facemask.ingest.ray_pool import Cluster, answer_shard
from facemask.ingest.store import PIXELS
from facemask.ingest.tree import Entry, open_tree

ROOT = "All-Age-Faces Dataset/original images"


def digests(listing, folder, **changes):
    outputs = Outputs(folder / "t.parquet", folder / "t.pixels", folder / "q.csv")
    overlays = choose_overlays(list(listing.landmarks), {"wear": 0.6, "incorrect": 0.2, "bare": 0.2}, 1)
    ingest(listing, overlays, settings(short_side=64, **changes), outputs, folder / "checkpoints")
    return [path.read_bytes() for path in (outputs.table, outputs.pixels, outputs.quarantine)]


def test_a_ray_cluster_gives_the_same_bytes(tmp_path, monkeypatch):
    """A real Ray on two cores of this machine; more shards than it holds at a time, and broken photos among them."""
    pytest.importorskip("ray")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(cluster, "TASKS_A_SHARD", 8)
    files = all_age_faces([f"{number:05d}A{20 + number % 50}" for number in range(60)])
    files |= {f"{ROOT}/00007A27.jpg": b"", f"{ROOT}/00033A53.jpg": files[f"{ROOT}/00033A53.jpg"][:-200]}
    write(tmp_path / "tree", files)
    listing = aaf.list_photos(open_tree(tmp_path / "tree", "data.all_age_faces"))
    assert digests(listing, tmp_path / "ray", engine="ray") == digests(listing, tmp_path / "local")


def test_a_shard_answers_as_one_machine_does_also_of_photos_that_kill_the_decoder(tmp_path):
    files = all_age_faces([f"{number:05d}A20" for number in range(6)])
    write(tmp_path, files | {"points.txt": "\n".join(f"{x} {y}" for x, y in face_points())})
    tasks = [Task(Entry(str(tmp_path / ROOT / f"{number:05d}A20.jpg")), 24, 10**6, PIXELS) for number in range(6)]
    deadly = Task(tasks[0].entry, 24, 10**6, PIXELS, "no overlay", Entry(str(tmp_path / "points.txt")))
    for _ in range(2):  # the second shard finds a pool that has lost a process
        found = answer_shard([tasks[0], deadly, *tasks[1:]])
        assert [one.broken for one in found] == ["", "the decoder's process died of it", "", "", "", "", ""]
        assert [found[0], *found[2:]] == [answer(task) for task in tasks]
    cluster._pool().__exit__()
    cluster._pool.cache_clear()


def test_a_machine_that_does_not_see_the_photos_is_an_error_and_not_a_quarantine(tmp_path):
    task = Task(Entry(str(tmp_path / "nowhere/a.jpg")), 24, 10**6, PIXELS)
    with pytest.raises(
        UserError, match=r"does not see .*nowhere; the photos must lie at the same path on every machine"
    ):
        answer_shard([task])


def test_without_ray_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setattr(cluster, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r'needs Ray: pip install -e "\.\[cluster\]"'):
        Cluster(1)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.0.0.1:head"])
def test_a_cluster_that_does_not_answer_is_one_sentence(monkeypatch, address):
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(UserError, match=f"no Ray cluster answers at RAY_ADDRESS={address}"), Cluster(1):
        pass
