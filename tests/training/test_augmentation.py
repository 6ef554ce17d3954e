import pytest
import torch

from automl.training.augmentation import Flip, RandomErasing, Shift

images = torch.arange(1.0, 2 * 3 * 8 * 8 + 1).reshape(2, 3, 8, 8)
series = torch.arange(1.0, 4 * 2 * 16 + 1).reshape(4, 2, 16)


def test_a_shift_moves_each_row_and_fills_with_zero():
    torch.manual_seed(0)
    many = images[:1].expand(200, -1, -1, -1)
    shifted = Shift(2)(many)
    moves = set()
    for row in shifted:
        (place,) = (row[0] == many[0, 0, 4, 4]).nonzero().tolist()
        moves.add((place[0] - 4, place[1] - 4))
        kept = row[row != 0]
        assert kept.numel() == 3 * (8 - abs(place[0] - 4)) * (8 - abs(place[1] - 4))
    assert moves == {(x, y) for x in range(-2, 3) for y in range(-2, 3)}


def test_a_shift_moves_a_series_in_time():
    torch.manual_seed(0)
    shifted = Shift(3)(series)
    for before, after in zip(series, shifted):
        assert torch.equal(after[1] == 0, after[0] == 0)
        assert set(after[after != 0].tolist()) <= set(before.flatten().tolist())


def test_a_flip_mirrors_about_half_of_the_images():
    torch.manual_seed(0)
    many = images[:1].expand(400, -1, -1, -1)
    flipped = sum(torch.equal(row, images[0].flip(-1)) for row in Flip()(many))
    same = sum(torch.equal(row, images[0]) for row in Flip()(many))
    assert 150 < flipped < 250
    assert 150 < same < 250


@pytest.mark.parametrize("rows", [images, series])
def test_erasing_sets_one_box_to_zero_in_every_channel(rows):
    erased = RandomErasing(0.5)(rows) == 0
    per_row = (0.5 * rows.shape[2]) ** (rows.ndim - 2) * rows.shape[1]
    assert erased.flatten(1).sum(1).tolist() == [per_row] * len(rows)
    assert torch.equal(erased[:, 0], erased[:, 1])


@pytest.mark.parametrize("augmentation", [Shift(), Flip(), RandomErasing()])
def test_the_seed_decides(augmentation):
    def run(seed):
        torch.manual_seed(seed)
        return augmentation(images.repeat(10, 1, 1, 1))

    assert torch.equal(run(1), run(1))
    assert not torch.equal(run(1), run(2))
