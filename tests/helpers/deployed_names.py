"""What the files of deploy/ name: settings of other programs, labels, mounts, machines, modules.

Each function gives the names that nothing knows.
"""

import configparser
import functools
import importlib.util
import re
import shutil
import subprocess
from importlib.metadata import entry_points
from pathlib import Path

import mlflow.environment_variables

from automl.trial.result import Status
from helpers.pages import spans

SETTING = re.compile(
    r"\b(?:RAY|MLFLOW|AUTOML|SLURM|SKYPILOT|AWS|GF|RUSTFS|POSTGRES|PIP|GIT|PYTHON|PG|S3|GRAFANA)"
    r"_?[A-Z][A-Z_]*[A-Z]\b|\bRAY_[a-z]\w+"
)
OF_OTHERS = """
AWS_ACCESS_KEY_ID AWS_DEFAULT_REGION AWS_ENDPOINT_URL AWS_SECRET_ACCESS_KEY
GF_ANALYTICS_REPORTING_ENABLED GF_SECURITY_ADMIN_PASSWORD GIT_PYTHON_REFRESH
MLFLOW_AUTH_CONFIG_PATH MLFLOW_DISABLE_TELEMETRY MLFLOW_SERVER_ENABLE_JOB_EXECUTION
PGDATABASE PGHOST PGPASSWORD PGUSER PIP_DISABLE_PIP_VERSION_CHECK PIP_NO_CACHE_DIR
POSTGRES_DB POSTGRES_PASSWORD POSTGRES_USER PYTHONUNBUFFERED
RAY_ADDRESS RAY_AUTH_MODE RAY_AUTH_TOKEN RAY_HEAD_IP RAY_SYMMETRIC_RUN_CLUSTER_WAIT_TIMEOUT
RAY_USAGE_STATS_ENABLED RUSTFS_ACCESS_KEY RUSTFS_ADDRESS RUSTFS_CONSOLE_ENABLE
RUSTFS_SECRET_KEY RUSTFS_VOLUMES
RAY_health_check_failure_threshold RAY_health_check_period_ms RAY_health_check_timeout_ms
SKYPILOT_NODE_IPS SKYPILOT_NODE_RANK SKYPILOT_NUM_GPUS_PER_NODE SKYPILOT_NUM_NODES
SLURM_CPUS_ON_NODE SLURM_GPUS_ON_NODE SLURM_GPUS_PER_NODE SLURM_JOB_ID SLURM_JOB_NUM_NODES
SLURM_SUBMIT_DIR
"""
OURS = """
AUTOML_HEAD AUTOML_HOME AUTOML_IMAGE AUTOML_SEARCH AUTOML_STORE_GB GRAFANA_PASSWORD
MLFLOW_ADMIN_PASSWORD MLFLOW_SECRET_KEY S3_ACCESS_KEY S3_SECRET_KEY
"""
LABELS = {
    *("app", "automl/role", "kubernetes.io/metadata.name", "ray.io/cluster", "ray.io/is-ray-node"),
    "ray.io/node-type",
}
STATES = {*Status, "running", "paused"}
IMAGES = {"postgres", "rustfs/rustfs", "prom/prometheus", "grafana/grafana"}
ELSEWHERE = {"automl", "ray", "scontrol", "srun"}
"""Programs that are where a script runs, and may not be here."""
OF_SERIES = {"search", "user", "state", "instance", "GpuIndex"}


def settings(text):
    """Environment variables that no program reads."""
    known = {*OF_OTHERS.split(), *OURS.split(), *vars(mlflow.environment_variables)}
    return [f"{name} is no setting" for name in sorted({*SETTING.findall(text)} - known)]


def labels_of_series(text):
    """Labels and states, in queries and in what is shown of them, that no series has."""
    labels = {*re.findall(r"\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}", text)}
    for names in re.findall(r"\b(?:by|on) \(([\w, ]+)\)", text):
        labels |= {*names.split(", ")}
    for chosen in re.findall(r"ray_\w+\{(.*?)\}", text):
        labels |= {*re.findall(r"(\w+)=", chosen)}
    faults = [f"no series has the label {name}" for name in sorted(labels - OF_SERIES)]
    states = {*re.findall(r'state=~?\\?"([\w|]+)\\?"', text)}
    of_all = {state for one in states for state in one.split("|")}
    return faults + [f"no trial is {state}" for state in sorted(of_all - STATES)]


def mounts(name, service, sources):
    """Files below /etc that a service is told to read and that nothing is mounted as."""
    there = [volume.split(":")[1] for volume in service.get("volumes", [])]
    told = [*service.get("command", []), *map(str, service.get("environment", {}).values())]
    files = [path for word in told for path in re.findall(r"/etc/[\w./-]+", word)]
    faults = [f"{name}: nothing is mounted as {path}" for path in files if path not in there]
    used = {volume.split(":")[0] for volume in service.get("volumes", [])}
    return faults + [
        f"{name}: there is no volume {v}" for v in used if "/" not in v and v not in sources
    ]


def images(services):
    """Images that are neither ours nor one of the four that compose.yaml takes from elsewhere."""
    faults = []
    for service in services.values():
        image, _, version = service["image"].rpartition(":")
        is_ours = service["image"] == "${AUTOML_IMAGE:-automl:latest}"
        if not is_ours and (
            image not in IMAGES or not re.match(r"v?\d+(\.\d+)*(-alpine)?$", version)
        ):
            faults.append(f"{service['image']} is no image that was looked at")
    return faults


def tracking_server(words):
    """What the words of `mlflow server` name: the login, the database's driver."""
    given = dict(word.removeprefix("--").split("=", 1) for word in words if "=" in word)
    apps = {point.name for point in entry_points(group="mlflow.app")}
    faults = [] if given["app-name"] in apps else [f"MLflow has no app {given['app-name']}"]
    return faults + database(given["backend-store-uri"])


def database(uri):
    """Faults of a database's address."""
    if uri.rpartition("/")[2] not in ("mlflow", "mlflow_auth"):
        return [f"{uri} names no database that is made"]
    return [] if uri.startswith("postgresql+psycopg:///") else [f"{uri} is of another driver"]


def accounts(text):
    """What MLflow's file of accounts names: a function, a database, the administrator."""
    parser = configparser.ConfigParser()
    parser.read_string(text)
    given = parser["mlflow"]
    module, _, name = given["authorization_function"].partition(":")
    faults = [] if given["admin_username"] == "admin" else ["compose.yaml's user is admin"]
    spec = importlib.util.find_spec(module) if module.startswith("mlflow.") else None
    found = spec and re.search(rf"^def {name}\(", Path(spec.origin).read_text(), re.M)
    faults += [] if found else [f"there is no {module}:{name}"]
    return faults + database(given["database_uri"])


def labels(document):
    """Labels of Kubernetes' objects that neither these files nor KubeRay give to anything."""
    faults = []
    for key, value in _pairs(document):
        if key in ("matchLabels", "labels") and isinstance(value, dict):
            faults += [f"no pod has the label {name}" for name in value if name not in LABELS]
    return faults


def pod_mounts(document):
    """What the containers of Kubernetes' pods mount that is no volume of their pod."""
    faults = []
    for key, pod in _pairs(document):
        if key == "spec" and "containers" in pod:
            there = {volume["name"] for volume in pod.get("volumes", [])}
            mounted = {m["name"] for c in pod["containers"] for m in c.get("volumeMounts", [])}
            faults += [f"the pod has no volume {name}" for name in sorted(mounted - there)]
    return faults


def _pairs(part):
    """Every key with its value, at any depth."""
    if isinstance(part, dict):
        for key, value in part.items():
            yield key, value
            yield from _pairs(value)
    if isinstance(part, list):
        for one in part:
            yield from _pairs(one)


@functools.cache
def _ec2():
    import botocore.session

    return botocore.session.get_session().get_service_model("ec2")


def machines(document):
    """What AWS does not take of the machines and of the group's rules, by its own interface."""
    from botocore.validate import ParamValidator

    faults = []
    asked = [
        ("RunInstances", kind["node_config"]) for kind in document["available_node_types"].values()
    ]
    group = document["provider"]["security_group"]
    asked.append(("AuthorizeSecurityGroupIngress", group))
    images = {
        kind["node_config"].get("ImageId") for kind in document["available_node_types"].values()
    }
    faults += [] if len(images) == 1 and None not in images else ["Ray's own image is too old"]
    for operation, given in asked:
        shape = _ec2().operation_model(operation).input_shape
        needed = {name: 1 for name in shape.required_members if name not in given}
        report = ParamValidator().validate({**given, **needed}, shape)
        faults += [report.generate_report()] if report.has_errors() else []
    return faults


def programs(text):
    """Words at the start of a script's lines that are neither the shell's nor a program."""
    joined = re.sub(r"\\\n", " ", text)
    firsts = {*re.findall(r"^\s*(?:[A-Za-z_]+=\S* +)*([a-z][\w-]*)(?=\s|$)", joined, re.M)}
    firsts |= {*re.findall(r"(?:trap '|\|\| |&& |; |then |do )([a-z][\w-]*)(?![\w=-])", joined)}
    shells = subprocess.run(["bash", "-c", "compgen -bk"], capture_output=True, text=True)
    own = re.findall(r"^\s*(\w+)\(\) \{", text, re.M)
    known = {*shells.stdout.split(), *ELSEWHERE, *own}
    found = sorted(word for word in firsts - known if not shutil.which(word))
    strict = re.findall(r"^set .*$", text, re.M)
    return [f"there is no program {word}" for word in found] + [
        f"{line} is not strict" for line in strict if line != "set -euo pipefail"
    ]


def commands_of_page(text):
    """The commands of automl and Ray on a page, in its fences and its sentences, as words."""
    fences = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    lines = [line for fence in fences for line in fence.replace("\\\n", " ").splitlines()]
    for line in [*lines, *spans(text)]:
        for found in re.finditer(r"(?:automl|ray|mlflow) [a-z][\w-]* [^;|&]*", line):
            yield found.group().split("…")[0].split()
