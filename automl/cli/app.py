"""The `automl` command; each subcommand imports its work when it is called."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from automl.cli import render
from automl.errors import UserError

if TYPE_CHECKING:
    from automl.home import Home
    from automl.study.study import Study

app = typer.Typer(
    help="Find the best compressed model for your data.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

HomeOption = Annotated[
    Path | None,
    typer.Option("--home", help="Folder of all searches [default: $AUTOML_HOME or ./automl-home]"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The study's name.")]
SpaceArgument = Annotated[
    str, typer.Argument(metavar="SPACE", help="A space file, or the name of a shipped space.")
]
Trials = Annotated[
    int | None, typer.Option(help="Trials in all, over resumes [default: 50 without any budget]")
]
Minutes = Annotated[float | None, typer.Option(help="Minutes of this run.")]
GpuHours = Annotated[
    float | None, typer.Option(help="Hours of trials times their GPUs, over resumes.")
]
Patience = Annotated[
    int | None, typer.Option(help="End when so many trials have not raised the hypervolume.")
]
RefitMinutes = Annotated[
    float | None,
    typer.Option(
        help="Minutes to train the front's members again, longer, inside --minutes "
        "[default: a quarter of those searched; 0: none]"
    ),
]
Concurrency = Annotated[
    int | None, typer.Option(help="Trials at once [default: as many as the cluster holds]")
]
CpusPerTrial = Annotated[float, typer.Option(help="CPUs of a trial, or of a worker.")]
GpusPerTrial = Annotated[float, typer.Option(help="GPUs of a trial, or of a worker.")]
WorkersPerTrial = Annotated[int | None, typer.Option(help="Ray Train workers of a trial.")]
TrialMinutes = Annotated[
    float | None, typer.Option(help="A trial that works for longer is ended, and failed.")
]
Address = Annotated[
    str | None, typer.Option(help="A Ray cluster's address [default: this machine alone]")
]
Where = Annotated[
    str | None, typer.Option(help='Conditions, e.g. "size_bytes<=20000 and accuracy>=0.95".')
]
Prefer = Annotated[
    str | None,
    typer.Option(
        help="Figures that decide, the most important first, e.g. "
        '"accuracy within 0.01, size_bytes within 10%, latency_ms".'
    ),
]
TrialId = Annotated[str | None, typer.Option("--trial", help="A trial by its id.")]
TrackingUri = Annotated[
    str | None, typer.Option(help="An MLflow server or database [default: the home's own]")
]


@app.command()
def search(
    space: SpaceArgument,
    name: Annotated[
        str | None, typer.Option(help="Name of the study [default: the file's]")
    ] = None,
    trials: Trials = None,
    minutes: Minutes = None,
    gpu_hours: GpuHours = None,
    patience: Patience = None,
    refit_minutes: RefitMinutes = None,
    trial_minutes: TrialMinutes = None,
    concurrency: Concurrency = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of split, trials and sampler [default: the space's]")
    ] = None,
    sampler: Annotated[str, typer.Option(help="tpe, nsga2, gp (small spaces) or random.")] = "tpe",
    cpus_per_trial: CpusPerTrial = 1.0,
    gpus_per_trial: GpusPerTrial = 0.0,
    workers_per_trial: WorkersPerTrial = None,
    parallelism: Annotated[str | None, typer.Option(help="How they share a trial.")] = None,
    no_reuse: Annotated[
        bool, typer.Option("--no-reuse", help="Propose no compressions of others' trainings.")
    ] = False,
    no_early_stopping: Annotated[
        bool, typer.Option("--no-early-stopping", help="Pause no trial that falls behind.")
    ] = False,
    sets: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Fix a leaf of the space; repeatable."),
    ] = None,
    initial_points: Annotated[
        Path | None,
        typer.Option(help="JSON list of {path: value} to try first; what is left out is drawn."),
    ] = None,
    warm_start: Annotated[
        str | None, typer.Option(help="A study of the home to learn from before the first trial.")
    ] = None,
    measure_on: Annotated[
        str | None, typer.Option(help="Ray resource that names the machine to measure on.")
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(help="Path or URL for what trials make, e.g. s3://… [default: the home's]"),
    ] = None,
    study_storage: Annotated[
        str | None,
        typer.Option(help="A database for the study, e.g. postgresql://… [default: the home's]"),
    ] = None,
    tracking_uri: TrackingUri = None,
    address: Address = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search a space for its Pareto front of quality, bytes and latency."""
    from automl.cli.progress import Progress
    from automl.engine import api

    found = api.search(
        space,
        name=name,
        home=home,
        seed=seed,
        sampler=sampler,
        workers_per_trial=workers_per_trial,
        parallelism=parallelism,
        sets=_assignments(sets or []),
        initial_points=initial_points,
        warm_start=warm_start,
        measure_on=measure_on,
        store=store,
        study_storage=study_storage,
        watch=Progress(),
        trials=trials,
        minutes=minutes,
        gpu_hours=gpu_hours,
        reuse=not no_reuse,
        early_stopping=not no_early_stopping,
        patience=patience,
        refit_minutes=refit_minutes,
        trial_minutes=trial_minutes,
        concurrency=concurrency,
        cpus_per_trial=cpus_per_trial,
        gpus_per_trial=gpus_per_trial,
        tracking_uri=tracking_uri,
        address=address,
    )
    _show_found(found, as_json)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def submit(
    context: typer.Context,
    space: SpaceArgument,
    address: Annotated[
        str, typer.Option(help="The head's dashboard, e.g. http://HEAD:8265; its ports are Ray's.")
    ],
    home: Annotated[
        str,
        typer.Option(
            "--home", help="Folder of all searches there, on a path that all nodes share."
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    """Search on a cluster, as a Ray job; takes the options of `search` too, and follows it."""
    from automl.cluster import jobs
    from automl.space import space_file

    command: Any = typer.main.get_command(app)
    rest = context.args
    given = command.commands["search"].make_context("search", [space, *rest]).params
    files, path = [], space_file.find(space)
    if path == Path(space):
        files.append(path)
        space = path.name
    if given["initial_points"] is not None:
        files.append(given["initial_points"])
        rest = [
            text.replace(str(given["initial_points"]), given["initial_points"].name)
            for text in rest
        ]
    arguments = ["search", space, "--address", "auto", "--home", home, *rest]
    job = jobs.submit(address, arguments, files)
    print(f"job {job.name} at {address}", file=sys.stderr)
    out = sys.stderr if as_json else sys.stdout
    try:
        code = job.follow(lambda text: print(text, end="", flush=True, file=out))
    except KeyboardInterrupt:
        _end(f"{job.name} goes on; end it: ray job stop {job.name} --address {address}", 130)
    if as_json:
        render.as_json({"job": job.name, "address": address, "exit_code": code})
    raise typer.Exit(code)


@app.command()
def resume(
    name: Name,
    trials: Trials = None,
    minutes: Minutes = None,
    gpu_hours: GpuHours = None,
    patience: Patience = None,
    refit_minutes: RefitMinutes = None,
    trial_minutes: TrialMinutes = None,
    concurrency: Concurrency = None,
    tracking_uri: TrackingUri = None,
    address: Address = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Go on with a search that was stopped, killed, or is to run longer."""
    from automl.cli.progress import Progress
    from automl.engine import api

    found = api.resume(
        name,
        home=home,
        watch=Progress(),
        trials=trials,
        minutes=minutes,
        gpu_hours=gpu_hours,
        patience=patience,
        refit_minutes=refit_minutes,
        trial_minutes=trial_minutes,
        concurrency=concurrency,
        tracking_uri=tracking_uri,
        address=address,
    )
    _show_found(found, as_json)


@app.command("list")
def list_studies(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """The home's studies."""
    from automl.engine import searches as found

    place = _home(home)
    rows = found.statuses(place)
    if as_json:
        render.as_json({"searches": rows})
    elif not rows:
        print(f"no search in {place.path}; start one: automl search digits")
    else:
        render.table(rows)


@app.command()
def status(name: Name, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """How far a search is."""
    from automl.engine import searches as found

    row = found.status(found.open_study(_home(home), name))
    if as_json:
        render.as_json(row)
    else:
        render.table([row])


@app.command()
def stop(name: Name, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Ask a running search to end; what finished is kept."""
    from automl.engine import searches as found

    stopped = found.stop(_home(home), name)
    if as_json:
        render.as_json({"search": name, "stopping": stopped})
    elif stopped:
        print(f"{name} ends within seconds; to go on later: automl resume {name}")
    else:
        print(f"{name} is not running")


@app.command()
def front(
    name: Name,
    csv: Annotated[bool, typer.Option("--csv", help="As CSV.")] = False,
    html: Annotated[
        Path | None, typer.Option(help="Write the report, one page, to a file.")
    ] = None,
    test: Annotated[bool, typer.Option("--test", help="Measure on the test rows too.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """The best trade-offs found: a model better in one figure is worse in another."""
    from automl.engine import searches as found

    place = _home(home)
    search = found.Search(found.open_study(place, name), place)
    summary: dict[str, Any] = search.summary().as_json()
    if test:
        for member, record in zip(summary["front"], search.front(), strict=True):
            member["test"] = search.test_figures(record).as_json()
    if html is not None:
        from automl.tracking.pages import files as report

        try:
            report.write_page(search.study, html)
        except OSError as error:
            raise UserError(f"cannot write {html}: {error.strerror}") from None
    if as_json:
        render.as_json(summary)
    elif csv:
        from automl.tracking.pages import files as report

        print(report.table(search.front()), end="")
    else:
        _show_front(search.study, summary)


@app.command()
def export(
    name: Name,
    out: Annotated[Path, typer.Option(help="Folder to write to.")],
    where: Where = None,
    best: Annotated[
        str | None, typer.Option(help="Figure that decides [default: the first objective]")
    ] = None,
    knee: Annotated[
        bool, typer.Option("--knee", help="The front's knee, the best compromise between all.")
    ] = False,
    prefer: Prefer = None,
    trial: TrialId = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the chosen model, with its card and its figures on untouched test rows."""
    from automl.engine import searches as found

    place = _home(home)
    search = found.Search(found.open_study(place, name), place)
    exported = search.export(out, best=best, knee=knee, prefer=prefer, where=where, trial=trial)
    if as_json:
        render.as_json(exported.as_json())
        return
    figures = exported.test.figures
    print(f"trial {exported.record.trial_id} in {out}:")
    for file, size in exported.files.items():
        print(f"  {file:18} {size:>9} bytes")
    quality = ", ".join(f"{name} {figures[name]:.4f}" for name in exported.test.quality)
    print(f"on test rows: {quality}, {figures['latency_ms']:.4f} ms a row")


@app.command()
def explain(
    name: Name,
    html: Annotated[Path | None, typer.Option(help="Write the page to a file.")] = None,
    where: Where = None,
    best: Annotated[str | None, typer.Option(help="Figure that decides.")] = None,
    knee: Annotated[bool, typer.Option("--knee", help="The front's knee [default].")] = False,
    prefer: Prefer = None,
    trial: TrialId = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Why the front is as it is: what matters, and one model's recipe taken apart and run again."""
    from automl.engine import searches as found

    place = _home(home)
    search = found.Search(found.open_study(place, name), place)
    wishes: dict[str, Any] = {"best": best, "knee": knee, "prefer": prefer, "where": where}
    explained = search.explain(
        **wishes, trial=trial, html=html, say=lambda sentence: print(sentence, file=sys.stderr)
    )
    if as_json:
        render.as_json(explained)
    else:
        render.explanation(explained)


@app.command()
def measure(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An exported .onnx file.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bytes, load time and latency of one exported file, on this machine."""
    from automl.measure.measurement import machine, measure_file

    if not file.is_file():
        raise UserError(f"there is no file {file}; check the path")
    figures = {**measure_file(file), "machine": machine()}
    if as_json:
        render.as_json(figures)
    else:
        render.table([{key: value for key, value in figures.items() if key != "machine"}])


@app.command()
def ui(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="A study to open.")] = None,
    port: Annotated[int, typer.Option(help="Port on this machine.", min=1, max=65535)] = 5000,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Serve the MLflow UI on the home's searches, on this machine only."""
    from automl.engine import searches as found
    from automl.tracking import server

    place = _home(home)
    server.check_port(port)
    searches = [found.open_study(place, name)] if name else found.open_studies(place)
    address = f"http://{server.HOST}:{port}"
    places = {search.name: search.attribute("mlflow", {}) for search in searches}
    pages = {known: server.address(address, at) for known, at in places.items()}
    tables = {known: server.trials_address(address, at) for known, at in places.items() if at}
    if as_json:
        shown = {"address": server.address(address, {}), "searches": pages, "trials": tables}
        render.as_json(shown)
    else:
        for known, page in pages.items():
            print(f"{known}: {page}")
            if known in tables:
                print(f"{known}, its trials: {tables[known]}")
        print(f"all: {server.address(address, {})}\nCtrl-C ends it.", flush=True)
    sys.stdout.flush()
    raise typer.Exit(server.serve(place, port))


@app.command()
def sync(
    name: Name,
    tracking_uri: TrackingUri = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Deliver to MLflow what it could not be told while its server was away."""
    from automl.engine import api

    left = api.sync(name, home=home, tracking_uri=tracking_uri)
    if as_json:
        render.as_json({"search": name, "delivered": not left})
    elif not left:
        print(f"MLflow has all of {name}")
    if left:
        _end(left, 1)


@app.command()
def check(
    space: SpaceArgument,
    run: Annotated[bool, typer.Option("--run", help="Run one tiny trial of it, here.")] = False,
    sets: Annotated[list[str] | None, typer.Option("--set", metavar="PATH=VALUE")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Validate a space; print its parameters and how large its models are."""
    from automl.cli import check

    report = check.check(space, _assignments(sets or []), _home(home), run=run)
    if as_json:
        render.as_json(report)
    else:
        render.table([{"parameter": k, "values": v} for k, v in report["parameters"].items()])
        print("\n".join(f"{key}: {value}" for key, value in report.items() if key != "parameters"))


@app.command()
def doctor(
    cpus_per_trial: CpusPerTrial = 1.0,
    gpus_per_trial: GpusPerTrial = 0.0,
    workers_per_trial: WorkersPerTrial = None,
    address: Address = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Versions, devices, storage, open ports, and how many trials would run at once."""
    from automl.cli import doctor as examine
    from automl.cluster.placement import Request

    request = Request(cpus_per_trial, gpus_per_trial)
    findings = examine.examine(_home(home), address, request, workers_per_trial or 0)
    if as_json:
        render.as_json(findings)
    else:
        for key, value in findings.items():
            print(f"{key:16} {value}")


def main() -> None:
    """Run the command. Exit 2 is the user's mistake, told in one sentence."""
    try:
        app()
    except UserError as error:
        _end(f"error: {error}", 2)
    except KeyboardInterrupt:
        _end("interrupted", 130)


def _end(sentence: str, code: int) -> NoReturn:
    print(sentence, file=sys.stderr)
    sys.exit(code)


def _home(path: Path | None) -> Home:
    from automl.home import home_at

    return home_at(path)


def _assignments(sets: list[str]) -> dict[str, str]:
    for item in sets:
        if "=" not in item:
            raise UserError(f"--set {item}: write PATH=VALUE")
    return dict(item.split("=", 1) for item in sets)


def _show_front(study: Study, summary: dict[str, Any]) -> None:
    from automl.study import selection

    render.front(summary)
    render.scatter(summary, [record.values for record in study.measured()])
    advice = selection.advise(study, study.front().members)
    if advice is not None:
        print(f"take {advice.record.trial_id}, {advice.why}: {advice.command}")


def _show_found(found: Any, as_json: bool) -> None:
    summary = found.summary().as_json()
    if as_json:
        render.as_json(summary)
    else:
        _show_front(found.study, summary)
    if found.interrupted:
        raise typer.Exit(130)
