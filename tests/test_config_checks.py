"""Values against the annotations of their fields, and the sentences where they differ."""

import math
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any, Literal, Optional

import pytest

from automl.config import Config, import_choices
from automl.config_checks import check, hints
from automl.errors import UserError
from automl.field_types import Above0To1, Count, From0To1, NotNegative, Positive
from automl.training.optimizers import SGD, AdamW, Optimizer


class Kind(StrEnum):
    WIDE = "wide"
    THIN = "thin"


class Level(IntEnum):
    LOW = 1


@dataclass(frozen=True)
class Typed(Config):
    """A field of every kind of annotation that is checked."""

    count: int = 1
    share: float = 0.5
    name: str = ""
    is_on: bool = False
    sizes: tuple[int, ...] = ()
    pair: tuple[int, str] = (1, "a")
    maybe: Optional[int] = None  # noqa: UP045
    either: int | str = 1
    mode: Literal["fast", "slow"] = "fast"
    table: dict[str, int] | None = None
    anything: Any = None
    optimizer: Optimizer = field(default_factory=SGD)
    optimizers: tuple[Optimizer | None, ...] = ()
    kind: Kind | None = None
    widths: list[int] | None = None
    rows: list | None = None
    follows: object = field(init=False, default=Level)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"share": 1, "sizes": (1, 2), "maybe": 3, "either": "x", "mode": "slow"},
        {"table": {"a": 1}, "anything": {"b": (1, SGD())}, "optimizer": AdamW()},
        {"optimizers": (SGD(), None)},
    ],
)
def test_values_as_annotated_pass(fields):
    check(Typed(**fields))


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"count": True}, "Typed.count is True; it must be an integer"),
        ({"count": 1.0}, "Typed.count is 1.0; it must be an integer"),
        ({"share": "a"}, "Typed.share is 'a'; it must be a number"),
        ({"share": False}, "Typed.share is False; it must be a number"),
        ({"name": None}, "Typed.name is None; it must be a text"),
        ({"is_on": 1}, "Typed.is_on is 1; it must be True or False"),
        ({"sizes": 8}, "Typed.sizes is 8; it must be a tuple, each item an integer"),
        ({"sizes": (8, "a")}, "Typed.sizes is (8, 'a'); it must be a tuple, each item an integer"),
        ({"pair": (1,)}, "Typed.pair is (1,); it must be a tuple of an integer, a text"),
        ({"maybe": "x"}, "Typed.maybe is 'x'; it must be an integer or None"),
        ({"either": None}, "Typed.either is None; it must be an integer or a text"),
        ({"mode": "fats"}, "Typed.mode is 'fats'; it must be 'fast' or 'slow'"),
        (
            {"table": {"a": "b"}},
            "Typed.table is {'a': 'b'}; it must be a dict from a text to an integer or None",
        ),
        ({"anything": {1: 2}}, "Typed.anything is {1: 2}; it must be what JSON can hold"),
        (
            {"kind": Kind.WIDE},
            "Typed.kind is <Kind.WIDE: 'wide'>; it must be plain, annotated "
            "Literal['wide', 'thin'] in place of Kind or None, such as 'wide'",
        ),
        ({"count": Level.LOW}, "Typed.count is <Level.LOW: 1>; it must be an integer, such as 1"),
        ({"anything": {Kind.WIDE: (1,)}}, "WIDE: 'wide'>: (1,)}; it must be what JSON can hold"),
        (
            {"widths": (1,)},
            "Typed.widths is (1,); it must be a tuple, annotated tuple[int, ...] in place of "
            "list[int] or None",
        ),
        ({"rows": (1,)}, "it must be a tuple, annotated tuple in place of list or None"),
        ({"optimizer": "SGD"}, "Typed.optimizer is 'SGD'; it must be an Optimizer (Gradient"),
        ({"optimizers": (SGD,)}, "it must be a tuple, each item an Optimizer (GradientDescent, "),
        ({"optimizer": SGD(weight_decay="0")}, "SGD.weight_decay is '0'; it must be a number"),
        ({"anything": (SGD(weight_decay=None),)}, "SGD.weight_decay is None; it must be a number"),
    ],
)
def test_a_value_unlike_its_annotation_is_told(fields, sentence):
    with pytest.raises(UserError) as caught:
        check(Typed(**fields))
    assert sentence in str(caught.value)


@dataclass(frozen=True)
class Ranged(Config):
    count: Count = 1
    positive: Positive = 1.0
    not_negative: NotNegative = 0
    share: From0To1 = 0.0
    part: Above0To1 = 1
    maybe: Count | None = None
    counts: tuple[Count, ...] = ()

    def check_ranges(self):
        if self.count > self.positive:
            raise UserError("more than there are")


def test_numbers_at_the_ends_of_their_ranges_pass():
    check(Ranged(maybe=1, counts=(1, 2)))
    check(Ranged(share=1, part=5e-324))


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"count": 0}, "count must be at least 1, not 0"),
        ({"positive": 0}, "positive must be above 0, not 0"),
        ({"positive": math.inf}, "positive must be above 0, not inf"),
        ({"positive": math.nan}, "positive must be above 0, not nan"),
        ({"not_negative": math.inf}, "not_negative must be at least 0, not inf"),
        ({"share": 1.5}, "share must be from 0 to 1, not 1.5"),
        ({"part": 0.0}, "part must be above 0 and at most 1, not 0.0"),
        ({"maybe": 0}, "maybe must be at least 1, not 0"),
        ({"counts": (2, 0)}, "counts must be at least 1, not 0"),
        ({"counts": (2.0,)}, "Ranged.counts is (2.0,); it must be a tuple, each item an integer"),
        ({"count": 2}, "more than there are"),
    ],
)
def test_a_number_out_of_its_range_is_told(fields, sentence):
    with pytest.raises(UserError) as caught:
        check(Ranged(**fields))
    assert sentence in str(caught.value)


@dataclass(frozen=True)
class Unresolved(Config):
    size: int = 1
    place: "Nowhere | None" = None  # noqa: F821


def test_an_annotation_that_cannot_be_resolved_is_told():
    with pytest.raises(UserError) as caught:
        check(Unresolved())
    assert str(caught.value) == (
        "the annotation place: Nowhere | None of class Unresolved cannot be resolved: "
        "name 'Nowhere' is not defined; import it"
    )


def test_every_annotation_of_ours_is_resolved():
    import_choices()
    ours = [cls for cls in Config.registered.values() if cls.__module__.startswith("automl.")]
    assert len(ours) > 80
    for cls in ours:
        if cls.__dict__.get("__dataclass_fields__"):
            hints(cls)
