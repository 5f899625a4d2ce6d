import pytest

from facemask.errors import UserError
from facemask.files import locked, replacing, write_json, write_text


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "table.csv"
    write_text("old\n", target)
    with pytest.raises(RuntimeError), replacing(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old\n"
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]


def test_a_folder_is_replaced_whole(tmp_path):
    target = tmp_path / "folder"
    for name in ("old", "new"):
        with replacing(target) as temporary:
            temporary.mkdir()
            (temporary / name).touch()
    assert [path.name for path in target.iterdir()] == ["new"]


def test_nan_is_not_json(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json({"score": float("nan")}, tmp_path / "scores.json")
    assert not list(tmp_path.iterdir())


def test_a_lock_is_for_one_and_free_afterwards(tmp_path):
    path = tmp_path / "folder" / "lock"
    with locked(path, "busy"):
        with pytest.raises(UserError, match="busy"), locked(path, "busy"):
            pass
        with pytest.raises(UserError, match="busy"), locked(path, "busy"):
            pass
    with locked(path, "busy"):
        path.unlink()
    with locked(path, "busy"):
        pass
