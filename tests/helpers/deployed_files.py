"""Checks of the files in deploy/: each gives the faults that a file's text has."""

import configparser
import functools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import click
import yaml
from jsonschema import Draft202012Validator

from automl.cluster.live_metrics import DESCRIPTIONS
from helpers import deployed_names as names

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "deploy"
SERIES_OF_RAY = {
    "ray_node_cpu_utilization",
    "ray_node_disk_free",
    "ray_node_disk_usage",
    "ray_node_gpus_utilization",
    "ray_node_mem_available",
    "ray_node_mem_total",
    "ray_node_mem_used",
}
KINDS = {
    "RayCluster": "ray.io/v1",
    "RayJob": "ray.io/v1",
    "NetworkPolicy": "networking.k8s.io/v1",
    "Deployment": "apps/v1",
    "PersistentVolumeClaim": "v1",
    "Service": "v1",
}


@functools.cache
def definitions():
    return yaml.safe_load((ROOT / "tests" / "deploy" / "schemas.yaml").read_text())["$defs"]


def against(document, schema):
    """The places where a document breaks one of our schemas."""
    whole = {**schema, "$defs": definitions()}
    found = Draft202012Validator(whole).iter_errors(document)
    return [f"{'.'.join(map(str, error.path))}: {error.message}" for error in found]


def compose(text):
    document = yaml.safe_load(text)
    faults = against(document, definitions()["compose"])
    for name, service in document["services"].items():
        for words in (service.get("command", []), service.get("healthcheck", {}).get("test", [])):
            faults += command([word for word in words if word != "CMD"])
        faults += [f"{name} has a secret of its own" for key in _open_secrets(service)]
        faults += names.mounts(name, service, document["volumes"])
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if "/" in source and not (DEPLOY / "compose" / source).exists():
                faults.append(f"{name} mounts {source}, which does not exist")
        unknown = {*service.get("depends_on", {})} - {*document["services"]}
        faults += [f"{name} waits for {other}" for other in unknown]
    return faults + names.images(document["services"]) + names.settings(text)


def _open_secrets(service):
    """The names of secrets for which the file has a value, or takes an empty one."""
    for name, value in service.get("environment", {}).items():
        if re.search("PASSWORD|TOKEN|SECRET|ACCESS_KEY", name) and not re.match(
            r"\$\{\w+:\?.+\}$", str(value)
        ):
            yield name


def kubernetes(text):
    faults = []
    for document in yaml.safe_load_all(text):
        kind = document.get("kind")
        if document.get("apiVersion") != KINDS.get(kind):
            faults.append(f"{kind} of {document.get('apiVersion')}")
            continue
        if {*document} != {"apiVersion", "kind", "metadata", "spec"}:
            faults.append(f"{kind} has {sorted(document)}")
            continue
        faults += against(document["spec"], definitions()["specs"][kind]) + by_operator(document)
        if kind == "RayJob":
            faults += command(document["spec"]["entrypoint"].split(), ["automl", "search"])
        faults += names.labels(document) + names.pod_mounts(document)
        if kind == "Deployment":
            args = document["spec"]["template"]["spec"]["containers"][0]["args"]
            faults += command(args, ["mlflow", "server"])
    return faults + names.settings(text)


def by_operator(document):
    """Faults by KubeRay's own definitions, where `AUTOML_KUBERAY_CRDS` names their folder."""
    folder = os.environ.get("AUTOML_KUBERAY_CRDS")
    schema = _operators(folder).get(document["kind"]) if folder else None
    found = Draft202012Validator(schema).iter_errors(document["spec"]) if schema else ()
    return [f"{document['kind']}: {error.message}" for error in found]


@functools.cache
def _operators(folder):
    """The schemas of KubeRay's kinds, by kind."""
    found = {}
    for file in Path(folder).glob("*.yaml"):
        defined = yaml.load(file.read_text(), yaml.CSafeLoader)["spec"]
        (v1,) = (v for v in defined["versions"] if v["name"] == "v1")
        schema = v1["schema"]["openAPIV3Schema"]["properties"]["spec"]
        found[defined["names"]["kind"]] = _closed(schema)
    return found


def _closed(schema):
    """Kubernetes' schema as JSON Schema: no other fields, and numbers or texts where it says so."""
    if isinstance(schema, list):
        return [_closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    either = schema.get("x-kubernetes-int-or-string")
    made = {key: _closed(part) for key, part in schema.items() if not (either and key == "type")}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        made.setdefault("additionalProperties", False)
    return made


def command(words, begin=()):
    """The options of a command that the program does not know, and another begin than it has."""
    if words[: len(begin)] != [*begin]:
        return [f"{' '.join(words[:2])} does not begin as {' '.join(begin)}"]
    match words:
        case ["mlflow", "server", *rest]:
            from mlflow.cli import cli

            return _unknown(cli.commands["server"], rest) or names.tracking_server(rest)
        case ["ray", "start" | "health-check" as name, *rest]:
            from ray.scripts.scripts import cli

            return _unknown(cli.commands[name], rest)
        case ["ray", "symmetric-run", *rest]:
            from ray.scripts.scripts import cli

            own = rest.index("--min-nodes") if "--min-nodes" in rest else len(rest)
            return _unknown(cli.commands["start"], rest[:own] + rest[own + 2 :])
        case ["automl", name, *rest] if not name.startswith("-"):
            import typer

            from automl.cli.app import app

            commands = typer.main.get_command(app).commands
            return _unknown(commands[name], rest) if name in commands else [f"no command {name}"]
    return []


def _unknown(made, words):
    try:
        made.make_context(made.name, list(words), resilient_parsing=True)
        made.make_parser(click.Context(made)).parse_args(list(words))
    except Exception as error:
        return [f"{made.name}: {error}"]
    return []


def commands_of_shell(text):
    """The commands of automl and Ray in a script, each as words."""
    joined = text.replace("\\\n", " ")
    begin = r"(?:automl search(?= )|ray start|ray symmetric-run|ray health-check)"
    for line in joined.splitlines():
        for found in re.finditer(begin + r"(?:(?! -- )[^;|&])*", line):
            yield [word.strip('"') for word in found.group().split()]


def shell(text):
    with tempfile.NamedTemporaryFile("w", suffix=".sh") as script:
        script.write(text if text.startswith("#!") else "#!/usr/bin/env bash\n" + text)
        script.flush()
        faults = []
        for check in (["bash", "-n"], [_tool("shellcheck"), "--severity=info"]):
            done = subprocess.run([*check, script.name], capture_output=True, text=True)
            faults += [done.stdout + done.stderr] if done.returncode else []
    for words in commands_of_shell(text):
        faults += command(words)
    return faults + names.settings(text) + names.programs(text)


def sbatch(text):
    given = re.findall(r"^#SBATCH --([a-z-]+)=?", text, re.M)
    known = {"job-name", "mem", "nodes", "ntasks-per-node", "gpus-per-node", "exclusive", "time"}
    known |= {"requeue", "open-mode", "output", "signal"}
    faults = [f"--{name} is no option" for name in given if name not in known]
    others = [line for line in text.splitlines() if re.match(r"#S\w+ --", line)]
    faults += [f"Slurm passes over {line}" for line in others if not line.startswith("#SBATCH ")]
    return faults + shell(text)


def sky(text):
    document = yaml.safe_load(text)
    faults = against(document, definitions()["sky"])
    return faults or shell(document["setup"]) + shell(document["run"])


def ray_up(text):
    from ray.autoscaler._private.util import prepare_config, validate_config

    document = yaml.safe_load(text)
    faults = []
    try:
        validate_config(prepare_config(yaml.safe_load(text)))
    except Exception as error:
        faults.append(str(error).splitlines()[0])
    for name in ("head_start_ray_commands", "worker_start_ray_commands", "setup_commands"):
        for line in document.get(name, [""]):
            faults += names.programs(line)
            for words in commands_of_shell(line):
                faults += command(words)
    return faults or names.machines(document) + names.settings(text)


def dockerfile(text):
    with tempfile.NamedTemporaryFile("w", suffix=".Dockerfile") as file:
        file.write(text)
        file.flush()
        done = subprocess.run([_tool("hadolint"), file.name], capture_output=True, text=True)
    faults = [done.stdout + done.stderr] if done.returncode else []
    for words in re.findall(r"^COPY (?!--from)(.*)$", text, re.M):
        *sources, _ = words.split()
        faults += [f"there is no {name}" for name in sources if not (ROOT / name).exists()]
        faults += [f"{name} is not sent" for name in sources if f"!{name}\n" not in _sent()]
    if re.findall(r"^USER (.*)$", text, re.M)[-1:] != ["1000:1000"]:
        faults.append("it does not end as a user of its own")
    bases = {*re.findall(r"^FROM (\S+)", text, re.M)} - {"python:${PYTHON}-slim-bookworm"}
    stages = {*re.findall(r"--from=(\w+)", text)} - {*re.findall(r"^FROM .* AS (\w+)", text, re.M)}
    faults += [f"there is no {name}" for name in sorted(bases | stages)]
    return faults + names.settings(text)


def _sent():
    return (DEPLOY / "docker" / "Dockerfile.dockerignore").read_text()


def dockerignore(text):
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    faults = [] if lines[0] == "*" else ["everything is sent"]
    kept = [line[1:] for line in lines if line.startswith("!")]
    return faults + [f"there is no {name}" for name in kept if not (ROOT / name).exists()]


def accounts(text):
    """Faults of MLflow's file of accounts, by the fields that MLflow reads of it."""
    import mlflow

    reads = (Path(mlflow.__file__).parent / "server" / "auth" / "config.py").read_text()
    known = {*re.findall(r"^    (\w+): ", reads, re.M)}
    parser = configparser.ConfigParser()
    parser.read_string(text)
    given = dict(parser["mlflow"])
    faults = [f"{name} is no setting" for name in given if name not in known]
    if "admin_password" in given or ":" in given.get("database_uri", "").split("//", 1)[1]:
        faults.append("it holds a secret")
    if given.get("default_permission") not in ("READ", "EDIT"):
        faults.append(f"default_permission = {given.get('default_permission')}")
    return faults or names.accounts(text)


def kustomization(text):
    document = yaml.safe_load(text)
    faults = against(document, definitions()["kustomization"])
    files = [*document.get("resources", [])]
    for made in document.get("configMapGenerator", []):
        files += made.get("files", [])
    faults += [f"there is no {name}" for name in files if not (DEPLOY / "mlflow" / name).exists()]
    return faults


def secrets(text):
    """Faults of the list of secrets: a value in it, or a name that compose does not ask for."""
    asked = {*re.findall(r"\$\{(\w+):\?", (DEPLOY / "compose" / "compose.yaml").read_text())}
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    faults = [f"{line} has a value" for line in lines if not line.endswith("=")]
    listed = {line.split("=")[0] for line in lines}
    return faults + [f"{name} is asked for, or listed, alone" for name in listed ^ asked]


def prometheus(text):
    """Faults of Prometheus' settings, and files of alerts that do not exist."""
    document = yaml.safe_load(text)
    missing = [n for n in document["rule_files"] if not (DEPLOY / "observe" / n).exists()]
    faults = [f"there is no {name}" for name in missing]
    services = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())["services"]
    for way in document["scrape_configs"]:
        asked = [name for dns in way.get("dns_sd_configs", []) for name in dns["names"]]
        faults += [f"there is no service {name}" for name in asked if name not in services]
    return faults + against(document, definitions()["prometheus"]) + _promtool(text, "config")


def alerts(text):
    document = yaml.safe_load(text)
    faults = against(document, definitions()["alerts"])
    queries = [rule["expr"] for group in document["groups"] for rule in group["rules"]]
    return (
        faults + _unknown_series(queries) + names.labels_of_series(text) + _promtool(text, "rules")
    )


def dashboard(text):
    document = json.loads(text)
    queries = [target["expr"] for panel in document["panels"] for target in panel["targets"]]
    variables = [var["query"]["query"] for var in document["templating"]["list"][1:]]
    faults = against(document, definitions()["dashboard"]) + names.labels_of_series(text)
    return faults + _unknown_series(queries + variables)


def grafana(text):
    """Faults of what Grafana is given at its start, by compose.yaml."""
    document = yaml.safe_load(text)
    faults = against(document, definitions()["grafana"])
    service = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())["services"]
    mounted = [volume.split(":")[1] for volume in service["grafana"]["volumes"]]
    folders = [one["options"]["path"] for one in document.get("providers", [])]
    unmounted = [f for f in folders if not any(path.startswith(f"{f}/") for path in mounted)]
    return faults + [f"nothing is mounted in {folder}" for folder in unmounted]


def _unknown_series(queries):
    """Series that neither we nor Ray have at the endpoint."""
    ours = {f"ray_automl_{name}" for name in DESCRIPTIONS}
    named = {name for query in queries for name in re.findall(r"\bray_\w+", query)}
    return [f"there is no series {name}" for name in sorted(named - ours - SERIES_OF_RAY)]


def _promtool(text, kind):
    """What Prometheus' own check says, where it is installed."""
    if not shutil.which("promtool"):
        return []
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(text)
        file.flush()
        syntax = ["--syntax-only"] if kind == "config" else []
        done = subprocess.run(
            ["promtool", "check", kind, *syntax, file.name], capture_output=True, text=True
        )
    return [done.stderr or done.stdout] if done.returncode else []


def sql(text):
    statement = r"CREATE DATABASE mlflow_auth;"
    return [] if re.search(rf"^{statement}$", text, re.M) else [f"it lacks {statement}"]


def links(text):
    """Files that a page names and that do not exist."""
    named = re.findall(r"\]\(([^)#:]+)\)", text) + re.findall(r"`(deploy/[\w./-]+)`", text)
    named = [name.removeprefix("deploy/") for name in named]
    faults = [f"there is no {name}" for name in named if not (DEPLOY / name).exists()]
    for words in names.commands_of_page(text):
        faults += command(words)
    return faults + names.settings(text)


def _tool(name):
    return str(Path(sys.executable).with_name(name))
