"""Trainings on a device: as on the processor, gone on with to the bit, in too small a memory."""

import torch
from made import (
    FAMILIES,
    IMAGE,
    InMemory,
    context,
    data,
    equal,
    moved_apart,
    network,
    step,
    trained,
)
from torch import nn

from automl.config import choices
from automl.models.convnet import ConvNet
from automl.models.out_of_memory import is_out_of_memory
from automl.training.optimizers import SGD, AdamW, Momentum, Optimizer
from automl.training.parallel import Spread, Trainee
from automl.training.precision import PRECISIONS, gradient_scaler
from automl.training.schedules import Fixed

LIMITS = {"fp32": 0.05, "fp16": 0.1, "bf16": 0.4}
"""How far a device's weights may be from the processor's, in what the training moved them. TF32
and fp16 round at 11 bits, bf16 at 8. No card has tried these bounds yet."""

RATE = Fixed(0.003)


def as_on_the_processor(settings):
    """Every family in every precision with Momentum, then every optimizer in every precision."""
    cases = [(name, Momentum()) for name in FAMILIES]
    cases += [("ConvNet", kind()) for kind in choices(Optimizer).values()]
    figures, failed = {}, []
    for name, optimizer in cases[:: settings.every]:
        family, shape = FAMILIES[name]
        some = data(shape, settings.rows)
        start = network(family, some).state_dict()
        for precision in PRECISIONS:
            train = step(optimizer, learning_rate=RATE, precision=precision)
            there, *_ = trained(family, some, train, settings.device)
            here, *_ = trained(family, some, train, "cpu")
            case = f"{name} {type(optimizer).__name__} {precision}"
            figures[case] = round(moved_apart(there, here, start), 5)
            if figures[case] > LIMITS[precision]:
                failed.append(case)
    return {"ok": not failed, "failed": failed, "limits": LIMITS, "apart": figures}


def gone_on_to_the_bit(settings):
    """A training that was cut off after two of three epochs, against one that was not."""
    cases, figures = [(name, False) for name in list(FAMILIES)[:: settings.every]], {}
    for name, channels_last in [*cases, ("ConvNet", True)]:
        family, shape = FAMILIES[name]
        some = data(shape, settings.rows)
        for precision in PRECISIONS:
            options = {"precision": precision, "channels_last": channels_last, "epochs": 3}
            train = step(AdamW(), learning_rate=RATE, **options)
            whole, *_ = trained(family, some, train, settings.device)
            kept = InMemory()
            cut = train.run(network(family, some), context(some, settings.device, kept))
            next(cut), next(cut)
            cut.close()
            resumed, *_ = trained(family, some, train, settings.device, kept)
            case = f"{name} {precision}{' channels_last' if channels_last else ''}"
            figures[case] = equal(resumed, whole)
    return {"ok": all(figures.values()), "equal": figures}


def overflown_without_a_trace(settings):
    """A first step whose gradients overflow, as in fp16, then a good one, by every optimizer."""
    figures = {}
    for name, kind in choices(Optimizer).items():
        torch.manual_seed(0)
        weight = nn.Parameter(torch.rand(64, 64, device=settings.device))
        optimizer = kind().build([weight])
        scaler = gradient_scaler("fp16", settings.device)
        spread = Spread(Trainee(weight, weight, optimizer, None, None, scaler), weight, optimizer)
        before = weight.detach().clone()
        junk = [torch.full_like(before, 1e30) for _ in range(50)]
        del junk
        scaler.scale(1e38 * weight.sum()).backward()
        spread.step(0.01)
        is_left_out = torch.equal(weight, before)
        scaler.scale(weight.square().mean()).backward()
        spread.step(0.01)
        figures[name] = is_left_out and 0 < (weight - before).abs().max().item() < 1
    return {"ok": all(figures.values()), "left_no_trace": figures}


def halved_where_memory_is_short(settings):
    """A batch of which the device holds a part, against the same batch as a whole."""
    family, some = ConvNet((64, 64), normalisation="none"), data((3, 64, 64), settings.large_rows)
    train = step(SGD(), learning_rate=Fixed(0.01), batch_size=Fixed(settings.large_rows))
    start = network(family, some).state_dict()
    whole, _, notes = trained(family, some, train, settings.device)
    with settings.short_memory() as most:
        parts, _, halved = trained(family, some, train, settings.device)
    apart = moved_apart(parts, whole, start)
    figures = {"memory_bytes": most, "notes": halved, "apart": round(apart, 6)}
    is_halved = settings.device == "cpu" or bool(halved)
    return {"ok": not notes and is_halved and apart < LIMITS["fp32"], **figures}


def refused_where_no_row_fits(settings):
    """Of a network that the device does not hold, the training ends by the device's own error."""
    if settings.device == "cpu":
        return {"skipped": "the processor's memory cannot be made small"}
    try:
        with settings.short_memory(0.0):
            trained(ConvNet((64, 64)), data(IMAGE, 64), step(SGD()), settings.device)
    except RuntimeError as error:
        return {"ok": is_out_of_memory(error), "error": str(error).splitlines()[0]}
    return {"ok": False, "error": "nothing was raised"}


def compiled_as_it_is(settings):
    """A compiled training, of CUDA graphs on an NVIDIA device, against one that is not."""
    family, shape = FAMILIES[settings.compiled]
    some = data(shape, settings.rows)
    start, figures = network(family, some).state_dict(), {}
    plain, *_ = trained(family, some, step(SGD(), learning_rate=RATE, epochs=2), settings.device)
    train = step(SGD(), learning_rate=RATE, epochs=2, compile=True)
    torch.compiler.reset()
    found, _, notes = trained(family, some, train, settings.device)
    figures["apart"] = round(moved_apart(found, plain, start), 6)
    return {"ok": not notes and figures["apart"] < LIMITS["fp32"], "notes": notes, **figures}
