import numpy as np
import pytest

from facemask.core import labels


def test_the_joint_class_is_6_mask_3_gender_and_age():
    mask, gender, band = np.meshgrid(range(3), range(2), range(3), indexing="ij")
    classes = labels.encode(mask, gender, band)
    np.testing.assert_array_equal(classes, 6 * mask + 3 * gender + band)
    np.testing.assert_array_equal(labels.encode(*labels.decode(np.arange(18))), np.arange(18))


def test_bands_begin_at_30_and_60_and_the_upper_boundary_moves():
    np.testing.assert_array_equal(labels.age_band(np.array([18, 29, 30, 58, 59, 60])), [0, 0, 1, 1, 1, 2])
    np.testing.assert_array_equal(labels.age_band(np.array([57, 58]), old_age=58), [1, 2])


def test_marginals_undo_a_joint_of_independent_attributes():
    random = np.random.default_rng(0)
    parts = [random.dirichlet(np.ones(count), 5) for count in labels.SHAPE]
    joint = labels.joint(*parts)
    np.testing.assert_allclose(joint.sum(1), 1)
    for attribute, part in zip(labels.ATTRIBUTES, parts, strict=True):
        np.testing.assert_allclose(labels.marginals(joint)[attribute], part)


def test_a_code_out_of_range_is_refused():
    with pytest.raises(ValueError, match="invalid entry"):
        labels.encode(3, 0, 0)
