import gc

import pytest

from automl.loading import uncollected, without_collections


@pytest.mark.parametrize("context", [uncollected, without_collections])
def test_nothing_is_collected_in_the_meantime(context):
    with context():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_what_was_loaded_is_passed_over_later():
    before, loaded = gc.get_freeze_count(), []
    with without_collections():
        loaded += [[] for _ in range(100)]
    assert gc.get_freeze_count() >= before + len(loaded)
    gc.unfreeze()


@pytest.mark.parametrize("context", [uncollected, without_collections])
def test_who_has_switched_collections_off_finds_them_so(context):
    gc.disable()
    try:
        with context():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
        gc.unfreeze()
