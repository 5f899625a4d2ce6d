import pytest

from facemask.errors import UserError, one_sentence


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
