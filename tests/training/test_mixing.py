import pytest
import torch
from scipy.stats import beta

from automl.training.mixing import Cutmix, Mix, mixup


def numbered(*shape):
    """Rows of which each is full of its number."""
    return torch.arange(float(shape[0])).view(-1, *[1] * (len(shape) - 1)).expand(shape)


@pytest.mark.parametrize("shape", [(8, 3, 9, 6), (8, 2, 16)])
def test_a_box_of_each_row_is_its_partners(shape):
    torch.manual_seed(0)
    rows, seen = numbered(*shape), set()
    for _ in range(30):
        mix = Cutmix(probability=1.0).mix(len(rows), shape[2:], "cpu")
        mixed = mix(rows)
        for number, row in enumerate(mixed):
            partner = mix.partners[number].item()
            assert set(row.flatten().tolist()) <= {number, partner}
            if partner != number:
                assert (row == number).float().mean().item() == pytest.approx(mix.share)
        assert torch.equal(mixed[:, 0], mixed[:, -1])
        seen.add(mix.share)
    assert len(seen) > 10


def test_a_share_of_the_batches_is_cut():
    torch.manual_seed(0)
    mixes = [Cutmix(probability=0.25).mix(4, (8, 8), "cpu") for _ in range(400)]
    assert 60 < sum(mix is not None for mix in mixes) < 140
    assert Cutmix(probability=0.0).mix(4, (8, 8), "cpu") is None


def test_mixup_takes_a_share_of_each_number():
    torch.manual_seed(0)
    rows, mix = numbered(5, 3), mixup(0.4, 5, "cpu")
    assert torch.allclose(mix(rows), mix.share * rows + (1 - mix.share) * rows[mix.partners])
    assert 0 < mix.share < 1
    assert mixup(0.0, 5, "cpu") == Mix()
    assert Mix()(rows) is rows


@pytest.mark.parametrize("alpha", [1e-40, 0.0001, 0.003, 0.0099, 0.01, 0.1])
def test_a_small_alpha_mixes_little(alpha):
    torch.manual_seed(0)
    shares = torch.tensor([mixup(alpha, 4, "cpu").share for _ in range(4000)])
    assert shares.isfinite().all() and shares.mean().item() == pytest.approx(0.5, abs=0.03)
    for edge in (0.001, 0.1):
        expected = 2 * beta(alpha, alpha).cdf(0.5) - 2 * beta(alpha, alpha).cdf(edge)
        mixed = ((shares > edge) & (shares < 1 - edge)).float().mean().item()
        assert mixed == pytest.approx(expected, abs=0.015)


def test_a_usual_alpha_draws_what_it_drew():
    torch.manual_seed(0)
    expected = [torch.distributions.Beta(0.2, 0.2).sample().item() for _ in range(5)]
    torch.manual_seed(0)
    assert [mixup(0.2, 0, "cpu").share for _ in range(5)] == expected
