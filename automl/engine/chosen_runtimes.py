"""The runtimes of a search, and where its files are timed: read, and refused where they are not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace

from automl.cluster.measuring import Where
from automl.config import choices, import_choices
from automl.engine.search_options import Options
from automl.errors import UserError, unknown
from automl.measure.device import device
from automl.measure.machine import chosen_kind
from automl.measure.timed_elsewhere import place
from automl.runtimes.onnx import ONE_THREAD, OnnxRuntime
from automl.runtimes.providers import spelled
from automl.space.runtime import Runtime, by_name
from automl.space.space import Space

EXAMPLE = "--runtime onnxruntime:threads=4,batch=8"


def with_runtimes(space: Space, wanted: Sequence[Runtime | str] | None) -> Space:
    """The space with these runtimes in place of its own, where some are wanted.

    Where latency is an objective, it is one on each of them. Before one that takes no ONNX file,
    onnxruntime is the first. Raises UserError on one that there is not.
    """
    if not wanted:
        return space
    runtimes = tuple(read(one) if isinstance(one, str) else one for one in wanted)
    if runtimes[0].format:
        runtimes = (ONE_THREAD, *runtimes)
    further = [f"{name}/latency_ms" for name in list(by_name(runtimes))[1:]]
    own = [name for name in space.objectives if not name.endswith("/latency_ms")]
    latencies = further if "latency_ms" in own else []
    return replace(space, runtimes=runtimes, objectives=(*own, *latencies))


def read(text: str) -> Runtime:
    """A runtime as `--runtime` spells it: a name, and fields behind a colon. Raises UserError."""
    name, _, given = text.partition(":")
    kinds = {cls.__name__.lower(): cls for cls in _kinds()}
    if (cls := kinds.get(name.lower())) is not None:
        runtime = cls()
    else:
        runtime = OnnxRuntime(_provider(name, list(kinds)))
    known = [f.name for f in fields(runtime) if f.name in ("threads", "batch")]
    for item in filter(None, given.split(",")):
        field, _, number = item.partition("=")
        if field not in known or not number.isdecimal():
            raise UserError(
                f"--runtime {text}: {item!r} is no {' or '.join(known)}, as in {EXAMPLE}"
            )
        runtime = replace(runtime, **{field: int(number)})
    return runtime


def where(space: Space, options: Options, kind: str = "") -> Where:
    """The place that times the files of a search; `kind` is that of the machine up to now.

    Raises UserError where a device cannot be reached or is of another kind, or a runtime is not
    there.
    """
    runtimes = space.runtimes or (ONE_THREAD,)
    for runtime in runtimes:
        if runtime.from_space_file():
            raise UserError(
                f"{type(runtime).__name__} is a class of the space file, which the process that "
                "measures does not load; take a runtime of automl, such as OnnxRuntime()"
            )
    if not (options.measure_over or options.measure_python):
        for runtime in runtimes:
            runtime.check_here()
        return Where(options.measure_on, kind=kind)
    if options.measure_on:
        raise UserError(
            "--measure-on names nodes, --measure-over and --measure-python do not; leave one out"
        )
    there = place(options.measure_over, options.measure_python, "--measure-over")
    found = device(there, runtimes)
    chosen_kind([found.kind], kind)
    return Where(device=found, kind=kind)


def _kinds() -> list[type[Runtime]]:
    import_choices()
    return list(choices(Runtime).values())


def _provider(name: str, kinds: Sequence[str]) -> str:
    """The provider of this name. Raises UserError that names the other runtimes, too."""
    try:
        return spelled(name)
    except UserError:
        raise UserError(
            f"--runtime: {unknown('runtime', name, [*kinds, 'openvino', 'cuda'])}"
        ) from None
