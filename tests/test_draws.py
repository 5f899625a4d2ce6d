from facemask.core.rng import generator, seed_of


def test_a_draw_depends_on_seed_stage_and_key_alone():
    assert generator(1, "draw", "a").random() == generator(1, "draw", "a").random()
    seeds = {seed_of(1, "draw", "a"), seed_of(2, "draw", "a"), seed_of(1, "oof", "a"), seed_of(1, "draw", "b")}
    assert len(seeds) == 4
    assert seed_of(1, "draw", "a", "b") != seed_of(1, "draw", "ab")
