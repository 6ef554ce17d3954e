"""Batches that do not fit: learned from in parts, as the same batches, on one rank and on two."""

import tempfile

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from helpers.small_memory import SEEN, Cramped
from helpers.trials import DIGITS, drive, finish, load

from automl.models.deployed import predict
from automl.models.family import untrained
from automl.models.mlp import MLP
from automl.recipe import Context
from automl.space.space import TrialConfig
from automl.store import Store
from automl.training import batches
from automl.training.augmentation import Shift
from automl.training.distillation import Distill
from automl.training.loop import Train
from automl.training.optimizers import SGD, AdamW, GradientDescent
from automl.training.parallel import DataParallel
from automl.training.schedules import Fixed, Staircase
from automl.trial.checkpoints import Checkpoints

ROUNDING = 1e-5


@pytest.fixture(autouse=True)
def forget():
    SEEN.clear()


def trained(context, family, **options):
    context.checkpoints.clear()
    context.notes.clear()
    torch.manual_seed(0)
    network = untrained(family, context.data.info)
    step = Train(**{"optimizer": SGD(), "batch_size": Fixed(64), "epochs": 2, **options})
    return finish(step.run(network, context)).state_dict()


def largest(learning):
    return max(rows for was_learning, rows in SEEN if was_learning is learning)


def alike(found, expected):
    return all(torch.allclose(found[name], expected[name], atol=ROUNDING) for name in expected)


@pytest.mark.parametrize("late", [False, True], ids=["forward", "backward"])
def test_a_batch_in_parts_moves_the_weights_as_the_whole_would(late, context):
    whole = trained(context, Cramped())
    assert context.notes == []
    parts = trained(context, Cramped(learning=20, late=late))
    assert alike(parts, whole)
    (note,) = context.notes
    assert note.startswith("step 'train' learned from at most 16 rows at once: more did not fit")


def test_after_the_first_batch_no_other_is_too_large(context):
    trained(context, Cramped(learning=20))
    too_large = [rows for learning, rows in SEEN if learning and rows > 20]
    assert too_large == [64, 32]


@pytest.mark.parametrize(
    "options",
    [
        {"augmentations": (Shift(1),)},
        {"mixup": 0.4},
        {"optimizer": GradientDescent()},
        {"batch_size": Staircase(16, 4.0, stairs=2)},
    ],
    ids=["augmented", "mixed", "full", "growing"],
)
def test_what_is_drawn_for_a_batch_stays(options, context):
    assert alike(
        trained(context, Cramped(learning=10), **options), trained(context, Cramped(), **options)
    )


def test_a_part_of_a_large_batch_is_taken_back_alone(context, monkeypatch):
    options = {"optimizer": GradientDescent(), "epochs": 1}
    whole = trained(context, Cramped(), **options)
    monkeypatch.setattr(batches, "MAX_ROWS_AT_ONCE", 300)
    calls = iter(range(10_000))
    monkeypatch.setattr(
        "helpers.small_memory.Memory.forward",
        lambda self, rows: raise_at(rows, self.training and next(calls) == 2),
    )
    assert alike(trained(context, Cramped(), **options), whole)
    assert "at most 135 rows" in context.notes[0]


def raise_at(rows, is_short):
    if is_short:
        raise torch.OutOfMemoryError("CUDA out of memory.")
    return rows


def test_a_second_try_begins_where_the_first_did(context):
    """Dropout and running statistics are those of a training that knew its parts at once."""
    family = Cramped(learning=32, norms=True, dropout=0.5)
    known = Cramped(norms=True, dropout=0.5)
    found = trained(context, family)
    assert "batch norms took the moments of so many" in context.notes[0]

    with_parts = trained_in_parts(context, known, 32)
    assert all(torch.equal(found[name], with_parts[name]) for name in found)


def trained_in_parts(context, family, rows):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("automl.training.loop.MAX_ROWS_AT_ONCE", rows)
        return trained(context, family)


def test_a_training_that_was_cut_off_goes_on_in_the_same_parts(context):
    options = {"optimizer": AdamW(), "epochs": 4}
    family = Cramped(learning=24, norms=True, dropout=0.2)
    whole = trained(context, family, **options)
    context.checkpoints.clear()
    torch.manual_seed(0)
    step = Train(batch_size=Fixed(64), **options)
    cut = step.run(untrained(family, context.data.info), context)
    next(cut), next(cut)
    cut.close()
    SEEN.clear()
    resumed = finish(step.run(untrained(family, context.data.info), context)).state_dict()
    assert largest(learning=True) <= 24
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)


def test_batch_norms_never_see_a_single_row(context):
    trained(context, Cramped(learning=3, norms=True), batch_size=Fixed(33))
    assert min(rows for learning, rows in SEEN if learning) == 2


def test_validation_is_asked_in_parts(context):
    whole = trained(context, Cramped())
    SEEN.clear()
    assert alike(trained(context, Cramped(asked=50)), whole)
    rows = [rows for learning, rows in SEEN if not learning]
    assert sorted({count for count in rows if count > 50}) == [90, 180, 359]
    assert min(rows) <= 45


def test_a_teacher_is_asked_in_parts(context):
    teacher = untrained(Cramped(asked=40), context.data.info)
    free = untrained(Cramped(), context.data.info)
    free.load_state_dict(teacher.state_dict())
    found, whole_batches = [], []
    for teaches in (teacher, free):
        own = Context(context.data, 0, "cpu", lambda label, t=teaches: t, context.checkpoints)
        options = {"loss": Distill(), "augmentations": (Shift(1),), "label": "taught"}
        found.append(trained(own, Cramped(), **options))
        whole_batches.append(SEEN.count((False, 64)))
        SEEN.clear()
    assert alike(*found)
    assert whole_batches[0] == 1 < whole_batches[1], "tried again and again"


def test_predictions_do_not_depend_on_the_parts(context):
    network, rows = untrained(Cramped(asked=7), context.data.info), torch.rand(100, 1, 8, 8)
    free = untrained(Cramped(), context.data.info)
    free.load_state_dict(network.state_dict())
    assert torch.allclose(predict(network, rows), predict(free, rows), atol=1e-6)


def test_a_trial_of_which_no_row_fits_is_rejected_with_the_reason(store):
    config = TrialConfig(DIGITS, Cramped(learning=0), (Train(epochs=1),))
    _, result = drive(config, store)
    assert result.status == "rejected"
    assert result.reason.startswith("it does not fit the memory of 'cpu', however few rows at once")


def test_another_error_is_as_it_was(context, monkeypatch):
    def fail(self, rows):
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr("helpers.small_memory.Memory.forward", fail)
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        trained(context, Cramped())


ROWS_OF_THE_SECOND = (10, 0)


def rank(index, folder):
    """One of two ranks, of which the second has memory for fewer rows, or for none."""
    torch.set_num_threads(1)
    ranks = dist.FileStore(f"{folder}/ranks", 2)
    dist.init_process_group("gloo", store=ranks, rank=index, world_size=2)
    for most in ROWS_OF_THE_SECOND:
        context = Context(load(DIGITS), 0, "cpu", None, Checkpoints(Store(folder), f"{most}"))
        family = Cramped(learning=most if index else 4096, norms=True)
        try:
            found = trained(context, family, parallelism=DataParallel(2), epochs=1)
        except torch.OutOfMemoryError:
            found = {}
        torch.save((found, context.notes), f"{folder}/{most}-{index}")
    # One that leaves while the other still talks to it would abort that.
    dist.barrier()
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def on_two_ranks():
    """The weights and the notes of both ranks, by the rows that the second has memory for."""
    with tempfile.TemporaryDirectory() as folder:
        mp.spawn(rank, (folder,), nprocs=2)
        return {
            most: [torch.load(f"{folder}/{most}-{i}", weights_only=False) for i in range(2)]
            for most in ROWS_OF_THE_SECOND
        }


def test_ranks_agree_on_the_parts_before_they_begin(on_two_ranks):
    (first, notes), (second, _) = on_two_ranks[10]
    assert "learned from at most 8 rows at once" in notes[0]
    assert first
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_ranks_end_together_where_one_has_no_memory(on_two_ranks):
    assert [found for found, _ in on_two_ranks[0]] == [{}, {}]


def test_a_plain_training_makes_no_note(context, build):
    finish(Train(epochs=1).run(build(MLP((8,))), context))
    assert context.notes == []
