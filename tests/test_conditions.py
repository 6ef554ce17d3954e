import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.conditions import (
    Condition,
    Limit,
    Wish,
    limits,
    parse,
    parse_wishes,
    satisfies,
    violation,
)
from automl.errors import UserError

REFERENCE = {"accuracy": 0.98, "size_bytes": 100_000.0, "latency_ms": 0.2}


def test_conditions_by_numbers_are_read_and_checked():
    known = limits(parse("size_bytes<=2e4 and accuracy >= 0.95,r2>-1"), {})
    assert known == [("size_bytes", "<=", 2e4), ("accuracy", ">=", 0.95), ("r2", ">", -1)]
    good, bad = {"size_bytes": 1e4, "accuracy": 0.96}, {"size_bytes": 3e4, "accuracy": 0.96}
    assert satisfies(good, known[:2])
    assert not satisfies(bad, known[:2])
    assert not satisfies(good, known), "what was not measured meets no condition"
    assert violation(good, known) == math.inf
    assert (violation(good, known[:2]), violation(bad, known[:2])) == (0.0, 0.5)


@pytest.mark.parametrize(
    ("text", "figure", "comparison", "bound"),
    [
        ("accuracy within 1% of reference", "accuracy", ">=", 0.98 * 0.99),
        ("accuracy within 0.01 of the reference", "accuracy", ">=", 0.97),
        ("latency_ms within 10% of reference", "latency_ms", "<=", 0.22),
        ("latency_ms <= 50% of reference", "latency_ms", "<=", 0.1),
        ("accuracy>=99 % of reference", "accuracy", ">=", 0.98 * 0.99),
        ("size_bytes<10%of reference", "size_bytes", "<", 10_000),
    ],
)
def test_conditions_by_the_reference_become_numbers_once_it_is_known(
    text, figure, comparison, bound
):
    (condition,) = parse(text)
    assert condition.limit({}) is None
    assert condition.limit(REFERENCE) == (figure, comparison, pytest.approx(bound))
    assert parse(str(condition)) == [condition]


def test_what_is_just_within_the_reference_counts():
    (limit,) = limits(parse("accuracy within 0.059 of reference"), {"accuracy": 0.901})
    assert limit.holds({"accuracy": 0.842}) and not limit.holds({"accuracy": 0.8419})


def test_wishes_are_figures_with_tolerances_and_conditions():
    wishes = parse_wishes(
        "accuracy within 1% of reference, macro_f1 within 0.01, size_bytes within 10%,"
        "load_ms<=5, latency_ms"
    )
    assert wishes == [
        Condition("accuracy", "within", 1, is_percent=True, of_reference=True),
        Wish("macro_f1", 0.01),
        Wish("size_bytes", 10, is_percent=True),
        Condition("load_ms", "<=", 5),
        Wish("latency_ms"),
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("size<=3", "'size<=3', character 1: unknown figure 'size'; did you mean 'size_bytes'?"),
        ("accuracy>0 and acuracy>1", "character 16: unknown figure 'acuracy'; did you mean 'acc"),
        ("size_bytes==3", "at character 11 '==3' stands in place of <=, >=, <, > or within, e.g."),
        ("accuracy>=high", "at character 11 'high' stands in place of a number, e.g. 0.97"),
        ("accuracy>=1.2.3", "at character 11 '1.2.3' stands in place of a number"),
        ("accuracy>=nan", "'nan' stands in place of a number"),
        ("accuracy>=", "at character 11 nothing stands in place of a number"),
        ("accuracy", "nothing stands in place of <=, >=, <, > or within"),
        ("", "at character 1 nothing stands in place of a figure's name, e.g. accuracy"),
        ("accuracy>=0.9 or r2>0", "at character 15 'or r2>0' stands in place of the end, or ano"),
        ("accuracy>=0.9 and", "nothing stands in place of a figure's name"),
        ("accuracy>=97%", "'of reference', e.g. accuracy>=97% of reference or accuracy>=0.97"),
        ("accuracy within 1%", "nothing stands in place of 'of reference', e.g. accuracy within"),
        ("accuracy within 1% of parent", "'of parent' stands in place of 'of reference'"),
        ("accuracy within -1% of reference", "'-1% of reference' stands in place of a number"),
    ],
)
def test_a_condition_that_cannot_be_read_is_told_with_its_place(text, sentence):
    with pytest.raises(UserError) as error:
        parse(text)
    assert sentence in str(error.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "nothing stands in place of a figure's name"),
        ("accuracy within", "nothing stands in place of a number"),
        ("accuracy~0.1", "'~0.1' stands in place of <=, >=, <, > or within"),
        ("accuracy, sise_bytes", "did you mean 'size_bytes'"),
        ("accuracy, size_bytes, accuracy", "wishes for accuracy twice; name it once"),
        ("accuracy and size_bytes", "'and size_bytes' stands in place of <=, >="),
        ("accuracy>0 and size_bytes", "'and size_bytes' stands in place of the end, or another wi"),
    ],
)
def test_a_wish_that_cannot_be_read_is_told(text, sentence):
    with pytest.raises(UserError) as error:
        parse_wishes(text)
    assert sentence in str(error.value)


@given(st.text(alphabet=st.sampled_from("accuracysize_bytes<>=%., 01-within of reference\t\n")))
def test_any_text_is_read_or_refused(text):
    for read in (parse, parse_wishes):
        with contextlib.suppress(UserError):
            assert read(text)


def test_a_limit_is_plain_numbers():
    assert Limit("accuracy", ">", 0.5).holds({"accuracy": 0.6})
    assert not Limit("accuracy", "<", 0.5).holds({"accuracy": 0.6})
