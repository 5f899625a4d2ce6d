"""dvc.yaml tells the truth: what the stages of the miniature opened, against what they declare."""

import audit_log
import pytest

# data.folders is not given here, and an empty store or file of features is not opened.
EMPTY = {"data/photos/folders.pixels", "data/features/lite0/folders.npy"}


@pytest.fixture(scope="module")
def pairs(clone):
    seen, declared = audit_log.seen(clone.parent / "audit.log"), audit_log.declared(clone)
    assert set(seen) == set(declared), "every stage ran under the audit, and nothing else did"
    return {name: (seen[name], declared[name]) for name in declared}


def test_no_stage_reads_what_it_does_not_declare(pairs):
    found = {
        name: sorted(path for path in seen.read if not audit_log.within(path, declared.reads | declared.writes))
        for name, (seen, declared) in pairs.items()
    }
    assert {name: paths for name, paths in found.items() if paths} == {}


def test_no_stage_declares_what_it_does_not_read(pairs):
    found = {
        name: sorted(
            place
            for place in declared.reads - EMPTY
            if not any(audit_log.within(path, {place}) for path in seen.read | seen.free)
        )
        for name, (seen, declared) in pairs.items()
        if name != "code"  # its folders of source are no data
    }
    assert {name: places for name, places in found.items() if places} == {}


def test_no_stage_writes_what_it_does_not_declare(pairs):
    found = {
        name: sorted(path for path in seen.written if not audit_log.within(path, declared.writes))
        for name, (seen, declared) in pairs.items()
    }
    assert {name: paths for name, paths in found.items() if paths} == {}


def test_a_stage_declares_the_sections_of_params_that_it_reads_and_no_other(pairs):
    seen, declared = {}, {}
    for name, (own_seen, own_declared) in pairs.items():
        stage = name.partition("@")[0]  # of ingest@... some look at the licence and some have no tree
        seen.setdefault(stage, set()).update(own_seen.sections)
        declared.setdefault(stage, set()).update(own_declared.sections)
    assert seen == declared
