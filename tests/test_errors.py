import subprocess
import sys

import pytest

from facemask.core.errors import UserError, one_sentence


@pytest.mark.parametrize(
    "error", [UserError("train.csv is missing; give data.root"), OSError(28, "No space left on device", "store")]
)
def test_what_a_user_can_cause_is_one_line_and_a_nonzero_exit(error):
    with pytest.raises(SystemExit, match=r"error: .*; ") as exit_info, one_sentence():
        raise error
    assert "\n" not in str(exit_info.value.code)


def test_a_fault_of_the_code_keeps_its_traceback():
    with pytest.raises(KeyError), one_sentence():
        raise KeyError("fault")


WRITER = """
import resource, signal
import torch
from facemask.core.errors import one_sentence
from facemask.nets.weights import save_tensors
from pathlib import Path
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
with one_sentence():
    save_tensors({"weight": torch.zeros(10_000)}, Path("weights.safetensors"))
"""


def test_weights_that_the_disk_does_not_take_are_one_sentence(tmp_path):
    done = subprocess.run([sys.executable, "-c", WRITER], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: weights.safetensors: File too large; mend that")
    assert "Traceback" not in done.stderr
