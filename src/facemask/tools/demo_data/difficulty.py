"""How hard the drawn data is: every number that decides it, in one place.

Raise a noise to make the labels harder to see; raise a shift to make classes further apart.
"""

AGE_LOOK_NOISE = 2.5  # years: how much older or younger a person looks as a whole (standard deviation)
AGE_CUE_NOISE = 5.0  # years: the same for each cue on its own (grey hair, forehead, eyes, sagging, ...)
DYED_SHARE = {0: 0.10, 1: 0.25}  # share of men and women who hide their grey hair

GENDER_CUE_NOISE = 0.75  # each gender cue is -1 (male) or +1 (female) plus noise of this standard deviation
OTHER_HAIR_SHARE = 0.06  # share of persons with a hair style of the other gender's
OTHER_CLOTHES_SHARE = 0.2  # share of persons in clothes of the other gender's
MAKE_UP_SHARE = 0.65  # share of grown-up women who wear some

TOPS = {  # where a mask's upper edge lies, in face units: between the eyes (0.0) and the nose tip (0.62) if worn well
    "wear": (0.14, 0.52),
    "nose_out": (0.69, 0.86),  # just below the nostrils: a small step from worn
    "below_lip": (1.12, 1.22),
    "chin": (1.30, 1.42),
}
INCORRECT_SHARES = {"nose_out": 0.5, "below_lip": 0.2, "chin": 0.3}

LOOKALIKE_BARE_SHARE = 0.25  # bare faces with a scarf, a hand, a cup or a high collar over the mouth
LOOKALIKE_MASKED_SHARE = 0.08  # the same beside a mask

YAW, PITCH, ROLL = 9.0, 5.0, 3.0  # degrees (standard deviations)
CAMERA_NOISE = (1.5, 7.0)  # grey levels
CAMERA_BLUR = (0.45, 1.5)  # pixels
LIGHT_STRENGTH = (0.15, 0.5)
