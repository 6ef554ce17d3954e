import numpy as np

from automl.measure.compressed_bytes import compressed_bytes


def test_what_repeats_is_sent_in_fewer_bytes_and_what_is_random_in_no_fewer():
    noise = np.random.default_rng(0).bytes(10_000)
    assert 10_000 <= compressed_bytes(noise) < 10_050
    assert compressed_bytes(noise + noise) < 10_100
    assert compressed_bytes(bytes(10_000)) < 100


def test_a_file_is_always_sent_in_as_many_bytes():
    file = bytes(range(256)) * 40
    assert compressed_bytes(file) == compressed_bytes(file)
