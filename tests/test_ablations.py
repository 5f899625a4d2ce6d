import sys
from functools import cache

import numpy as np
import pytest

from facemask import params
from facemask.core.errors import UserError

sys.path.append("bench")
from ablations import ALWAYS, REFERENCES, ROWS, Setting, Workspaces, difference, document


def test_the_difference_is_paired_and_its_interval_is_students():
    found = difference([0.5, 0.6, 0.7], [0.4, 0.5, 0.5])
    assert found.mean == pytest.approx(np.mean([0.1, 0.1, 0.2]))
    assert found.spread == pytest.approx(4.3027 * np.std([0.1, 0.1, 0.2], ddof=1) / np.sqrt(3), rel=1e-4)
    assert found.verdict == "nothing seen"
    assert difference([0.5, 0.51], [0.4, 0.411]).verdict == "better"
    assert difference([0.4, 0.411], [0.5, 0.51]).verdict == "worse"
    with pytest.raises(UserError, match="at least two seeds"):
        difference([0.5], [0.4])


def test_the_document_has_a_line_a_row_and_tells_what_failed():
    scores = {"plain": {"2021": 0.4, "2022": 0.5}, "focal loss, gamma 2": {"2021": 0.41, "2022": 0.51}}
    written = document(scores, ["focal loss, gamma 2", "pseudo-labels"], "make ablations", "abc1234")
    assert "| focal loss, gamma 2 | plain | 0.450 | +0.010 ± 0.000 | +0.010 +0.010 | better |" in written
    assert "| pseudo-labels | plain | | | | failed" in written


@cache
def composed(setting: Setting) -> str:
    return params.compose([f"model={setting.model}", *ALWAYS, *setting.overrides])


@pytest.mark.parametrize("name", [*REFERENCES, *ROWS])
def test_every_setting_composes_and_is_not_its_reference(name):
    setting = REFERENCES.get(name) or ROWS[name][1]
    assert composed(setting)
    if name in ROWS:
        assert composed(setting) != composed(REFERENCES[ROWS[name][0]])


def test_no_two_experiments_share_a_clone_and_a_kept_folder_stays_as_it_is(tmp_path):
    first = tmp_path / "2021"
    (first / ".dvc/cache").mkdir(parents=True)
    (first / ".dvc/cache/large").touch()
    (first / "params.yaml").touch()
    for kept in ("2021-1", "2021-3"):
        (tmp_path / kept).mkdir()
        (tmp_path / kept / "result").touch()
    workspaces = Workspaces(2021, [], tmp_path)
    with workspaces.one() as one, workspaces.one() as two, workspaces.one() as three, workspaces.one() as four:
        assert len({first, one, two, three, four}) == 5
        assert (tmp_path / "2021-3/result").exists()
        assert (four / "params.yaml").exists()
        assert (four / ".dvc").exists()
        assert not (four / ".dvc/cache").exists()
    with workspaces.one() as again:
        assert again in {one, two, three, four}
