import pytest

from automl.cluster.gpu_share import settle
from automl.cluster.placement import Plan, Request

GB = 10**9


@pytest.mark.parametrize(
    ("trial_bytes", "workers", "cards", "count", "why"),
    [
        (2 * GB, 0, [80 * GB], 16, "given 4.0 GB of the GPU's 80.0 GB"),
        (10 * GB, 0, [80 * GB, 24 * GB], 1, "given 16.0 GB of the GPU's 24.0 GB"),
        (4 * GB, 0, [80 * GB, 24 * GB], 3, "given 7.0 GB of the GPU's 24.0 GB"),
        (0, 0, [80 * GB], 16, "given 1.0 GB"),
        (99 * GB, 0, [80 * GB], 1, "given 149.5 GB of the GPU's 80.0 GB"),
        (None, 0, [80 * GB], 1, "the memory of some model is not known"),
        (1, 0, [], 1, "no GPU of the cluster tells its memory"),
        (1, 2, [80 * GB], 1, "each of several workers takes a whole GPU"),
    ],
)
def test_a_share_is_what_the_largest_trial_needs(trial_bytes, workers, cards, count, why):
    share, told = settle(trial_bytes, workers, cards)
    assert why in told
    assert Plan(Request(gpus=share), [0], [{"CPU": 64.0, "GPU": 2.0}]).slots == 2 * count


def test_as_many_shares_as_fit_are_a_gpu_as_ray_counts():
    for count in range(1, 17):
        share, _ = settle((80 * GB // count - GB) * 2 // 3, 0, [80 * GB])
        parts = round(share * 10_000)
        assert parts == pytest.approx(10_000 * share) and 10_000 // parts == count
