"""What a pool process does before its first task."""

import gc

from workers import children


def test_what_is_loaded_is_no_longer_looked_through_for_garbage():
    try:
        children.spare_what_is_loaded()
        assert gc.get_freeze_count() > 10_000
        assert len(gc.get_objects()) < 10_000
    finally:
        gc.unfreeze()
