import pytest
import torch

from automl.training.image_augmentation import Affine, Colour, RandAugment

torch.manual_seed(0)
images = torch.rand(6, 3, 8, 8) * 255
grey = images[:, :1]
AUGMENTATIONS = [Affine(30.0, 0.3, 20.0), Colour(), RandAugment(magnitude=1.0)]


def always(monkeypatch, value):
    """Have what is drawn from -1 to 1 be this number."""
    monkeypatch.setattr(
        "automl.training.image_augmentation._either_way", lambda count: torch.full((count,), value)
    )


def dot(height, width, y, x):
    image = torch.zeros(1, 1, height, width)
    image[0, 0, y, x] = 1.0
    return image


def test_nothing_to_do_leaves_images_as_they_are():
    assert torch.allclose(Affine(0.0, 0.0, 0.0)(images), images, atol=1e-2)
    assert torch.allclose(Colour(0.0, 0.0, 0.0)(images), images, atol=1e-3)
    assert torch.allclose(RandAugment(3, magnitude=0.0)(images), images, atol=1.0)


@pytest.mark.parametrize(("way", "y"), [(1.0, 0), (-1.0, 4)])
def test_a_rotation_keeps_distances_in_images_that_are_no_squares(way, y, monkeypatch):
    always(monkeypatch, way)
    turned = Affine(90.0, 0.0, 0.0)(dot(5, 9, 2, 6))
    assert torch.allclose(turned, dot(5, 9, y, 4), atol=1e-4)


def test_a_larger_image_has_its_edges_cut_and_a_smaller_one_is_filled_with_zero(monkeypatch):
    ones = torch.ones(1, 1, 8, 8)
    always(monkeypatch, 1.0)
    assert torch.allclose(Affine(0.0, 0.5, 0.0)(ones), ones, atol=1e-4)
    always(monkeypatch, -1.0)
    smaller = Affine(0.0, 0.5, 0.0)(ones)
    assert smaller.sum() == pytest.approx(16, rel=0.01)
    assert not smaller[..., 0].any()


def test_a_shear_moves_rows_along_themselves(monkeypatch):
    always(monkeypatch, 1.0)
    sheared = Affine(0.0, 0.0, 45.0)(dot(5, 5, 4, 2))
    assert torch.allclose(sheared, dot(5, 5, 4, 0), atol=1e-4)


def test_brightness_is_a_factor_of_each_image():
    factors = (Colour(0.5, 0.0, 0.0)(images) / images).flatten(1)
    assert torch.allclose(factors, factors[:, :1].expand_as(factors), atol=1e-4)
    assert len(set(factors[:, 0].tolist())) == len(images)
    assert ((factors > 0.5) & (factors < 1.5)).all()


def test_contrast_keeps_the_mean_and_saturation_the_grey():
    assert torch.allclose(Colour(0.0, 0.9, 0.0)(grey).mean((1, 2, 3)), grey.mean((1, 2, 3)))
    assert torch.allclose(Colour(0.0, 0.0, 0.9)(grey), grey, atol=1e-3)
    luma = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    changed = Colour(0.0, 0.0, 0.9)(images)
    assert not torch.allclose(changed, images, atol=1.0)
    assert torch.allclose((changed * luma).sum(1), (images * luma).sum(1), atol=1e-2)


def test_every_image_is_changed_on_its_own():
    same = images[:1].expand(200, -1, -1, -1)
    changed = RandAugment(2, magnitude=0.5)(same)
    assert len({row.sum().item() for row in changed}) > 100
    assert any(torch.allclose(row, same[0], atol=1e-2) for row in changed)


@pytest.mark.parametrize("augmentation", AUGMENTATIONS, ids=lambda a: type(a).__name__)
@pytest.mark.parametrize("rows", [images, grey, torch.zeros(3, 1, 5, 9)], ids=["3", "1", "zeros"])
def test_the_seed_decides(augmentation, rows):
    def run(seed):
        torch.manual_seed(seed)
        return augmentation(rows)

    assert torch.equal(run(1), run(1))
    assert run(1).shape == rows.shape
    assert run(1).isfinite().all()
    assert not rows.any() or not torch.equal(run(1), run(2))
