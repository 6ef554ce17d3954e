import gc

from automl.loading import without_collections


def test_nothing_is_collected_while_libraries_load():
    with without_collections():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_what_was_loaded_is_passed_over_later():
    before, loaded = gc.get_freeze_count(), []
    with without_collections():
        loaded += [[] for _ in range(100)]
    assert gc.get_freeze_count() >= before + len(loaded)
    gc.unfreeze()


def test_who_has_switched_collections_off_finds_them_so():
    gc.disable()
    try:
        with without_collections():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
        gc.unfreeze()
