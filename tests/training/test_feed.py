import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.trials import finish

from automl.data.dataset import TrainingSplit
from automl.data.rows_in_place import RowsInPlace
from automl.models.convnet import ConvNet
from automl.models.mlp import MLP
from automl.training import feed
from automl.training.augmentation import Shift
from automl.training.distillation import Distill
from automl.training.feed import Feed
from automl.training.loop import Train
from automl.training.optimizers import GradientDescent
from automl.training.schedules import Staircase


@pytest.fixture
def far(monkeypatch):
    """No rows are held: all are gathered."""
    feed.held.cache_clear()
    monkeypatch.setattr(feed, "HELD_SHARE", 0.0)
    yield
    feed.held.cache_clear()


def numbered(num_rows, in_place=False, row_size=3):
    """Rows that hold their numbers."""
    inputs = np.arange(num_rows, dtype=np.float32)[:, None].repeat(row_size, 1)
    rows = np.arange(num_rows)
    if in_place:
        inputs = RowsInPlace(inputs[::-1].copy(), rows[::-1].copy())
    return TrainingSplit(inputs, rows, rows)


def planned(*batches):
    return ((0.0, len(rows), torch.tensor(rows)) for rows in batches)


def gathered(one, rows, number=1):
    return torch.cat(list(one.parts(rows, number)))[:, 0].tolist()


@pytest.mark.parametrize(
    "step",
    [
        Train(augmentations=(Shift(1),), mixup=0.4, batch_size=Staircase(32, 2, 2), epochs=2),
        Train(optimizer=GradientDescent(), epochs=2),
        Train(loss=Distill(), epochs=2),
    ],
    ids=["changed_rows", "full_batch", "taught"],
)
def test_rows_from_afar_train_the_same_weights(step, context, build, request):
    asked = replace(context, teacher=lambda label: build(MLP((16,))))
    held = finish(step.run(build(ConvNet((8,))), asked))
    context.checkpoints.clear()
    request.getfixturevalue("far")
    data = context.data
    inside = RowsInPlace(data.train.inputs, np.arange(len(data.train.inputs)))
    for inputs in (data.train.inputs, inside):
        rows = replace(data, train=replace(data.train, inputs=inputs))
        ahead = finish(step.run(build(ConvNet((8,))), replace(asked, data=rows)))
        context.checkpoints.clear()
        for name, value in held.state_dict().items():
            assert torch.equal(value, ahead.state_dict()[name])


@pytest.mark.parametrize("in_place", [False, True])
def test_batches_come_in_their_order_in_parts(far, in_place, monkeypatch):
    monkeypatch.setattr(feed, "PIECE_BYTES", 24)
    batches = [[5, 3, 1, 0], [9, 8], [2], [4, 6, 7]]
    one = Feed(numbered(10, in_place), "cpu")
    seen = [gathered(one, rows, number=2) for _, _, rows in one.ahead(planned(*batches))]
    assert seen == batches


def test_a_batch_may_be_taken_again(far):
    one = Feed(numbered(10), "cpu")
    for _, _, rows in one.ahead(planned([1, 2, 3], [4])):
        assert gathered(one, rows, 1) == gathered(one, rows, 2) == rows.tolist()


def test_few_batches_are_ahead(far, monkeypatch):
    monkeypatch.setattr(feed, "AHEAD_BATCHES", 3)
    one, drawn = Feed(numbered(100), "cpu"), []
    source = (
        drawn.append(i) or batch for i, batch in enumerate(planned(*[[i] for i in range(100)]))
    )
    batches = one.ahead(source)
    next(batches)
    assert len(drawn) == 3
    next(batches)
    assert len(drawn) == 4


def test_few_bytes_are_ahead_and_a_batch_of_more_is_not(far, monkeypatch):
    monkeypatch.setattr(feed, "AHEAD_BYTES", 40)
    one = Feed(numbered(100), "cpu")
    batches = [[1, 2], [3, 4], [5, 6], list(range(50))]
    most, seen = 0, []
    for _, _, rows in one.ahead(planned(*batches)):
        most = max(most, sum(kept.buffer.nbytes for kept in one.gathered.values()))
        seen.append(gathered(one, rows))
    assert seen == batches
    assert 0 < most <= 72


def test_an_epoch_that_is_given_up_leaves_no_thread(far):
    before = threading.active_count()
    batches = Feed(numbered(10), "cpu").ahead(planned(*[[i] for i in range(10)]))
    next(batches)
    assert threading.active_count() > before
    batches.close()
    assert threading.active_count() == before


def test_what_a_thread_raises_is_raised(far, monkeypatch):
    def broken(*_, **__):
        raise OSError("the disk is gone")

    one = Feed(numbered(10), "cpu")
    monkeypatch.setattr(np, "take", broken)
    _, _, rows = next(batches := one.ahead(planned([1])))
    with pytest.raises(OSError, match="the disk is gone"):
        gathered(one, rows)
    batches.close()


def test_rows_that_fit_are_held_and_kept_for_the_next_step():
    split = numbered(10)
    assert Feed(split, "cpu").held is Feed(split, "cpu").held
    assert gathered(Feed(split, "cpu"), torch.tensor([7, 2])) == [7, 2]


def test_all_rows_are_answered_in_their_order(far, monkeypatch):
    monkeypatch.setattr(feed, "MAX_ANSWERED", 4)
    for in_place in (False, True):
        answers = Feed(numbered(10, in_place), "cpu").answers(torch.nn.Identity())
        assert answers[:, 0].tolist() == list(range(10))
