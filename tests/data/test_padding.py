import numpy as np

from automl.data.padding import lengths


def test_equal_numbers_at_the_end_of_a_text_are_its_padding():
    rows = np.array([[5, 6, 0, 0], [7, 8, 9, 0], [1, 1, 1, 1], [5, 6, 7, 8], [3, 9, 9, 9]])
    # One last number may be the text's own; of a text at least two numbers are left.
    assert lengths(rows).tolist() == [2, 4, 2, 4, 2]
