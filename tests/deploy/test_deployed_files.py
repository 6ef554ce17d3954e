"""Every file of deploy/: checked, and a typo in it found."""

import pytest
from helpers import deployed_files as check
from helpers.deployed_files import DEPLOY

FILES = {
    "README.md": (check.links, "(docker/Dockerfile)", "(docker/Dockerfil)"),
    "docker/Dockerfile": (check.dockerfile, "COPY automl", "COPY automll"),
    "docker/Dockerfile.dockerignore": (check.dockerignore, "!automl", "!automll"),
    "compose/compose.yaml": (check.compose, "healthcheck:", "healthchek:"),
    "compose/.env.example": (check.secrets, "RAY_AUTH_TOKEN=", "RAY_TOKEN="),
    "compose/accounts.sql": (check.sql, "mlflow_auth", "mlflow_aut"),
    "kuberay/raycluster.yaml": (check.kubernetes, "minReplicas", "minReplica"),
    "kuberay/rayjob.yaml": (check.kubernetes, "--resume-if-exists", "--resume-if-exist"),
    "kuberay/network.yaml": (check.kubernetes, "podSelector", "podSelectors"),
    "kuberay/storage.yaml": (check.kubernetes, "ReadWriteMany", "ReadWriteMani"),
    "mlflow/mlflow.yaml": (check.kubernetes, "--allowed-hosts", "--alowed-hosts"),
    "mlflow/kustomization.yaml": (check.kustomization, "basic_auth.ini", "basic_aut.ini"),
    "mlflow/basic_auth.ini": (check.accounts, "auth_cache_ttl_seconds", "auth_cache_ttl"),
    "slurm/automl.sbatch": (check.sbatch, "--resume-if-exists", "--resume-if-exist"),
    "observe/prometheus.yaml": (check.prometheus, "scrape_interval", "scrape_intervall"),
    "observe/alerts.yaml": (check.alerts, "ray_automl_slots", "ray_automl_slot"),
    "observe/dashboard.json": (check.dashboard, "ray_automl_front_models", "ray_automl_models"),
    "observe/grafana.yaml": (check.grafana, "datasources:", "datasource:"),
    "observe/grafana-dashboards.yaml": (check.grafana, "/etc/grafana/automl", "/etc/grafana/auto"),
    "vm/cluster.yaml": (check.ray_up, "head_node_type", "head_node_typ"),
    "vm/skypilot.yaml": (check.sky, "num_nodes", "num_node"),
}


def test_no_file_goes_unchecked():
    there = {str(path.relative_to(DEPLOY)) for path in DEPLOY.rglob("*") if path.is_file()}
    assert there == {*FILES}


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_right_and_a_typo_in_it_is_found(name):
    faults, right, wrong = FILES[name]
    text = (DEPLOY / name).read_text()
    assert faults(text) == []
    assert right in text
    assert faults(text.replace(right, wrong)), f"{wrong} was not found"


def test_a_machine_with_the_image_that_ray_takes_by_itself_is_found():
    text = (DEPLOY / "vm" / "cluster.yaml").read_text()
    assert check.ray_up(text.replace("      ImageId: *image\n", "")) == [
        "Ray's own image is too old"
    ]


def test_a_mount_of_what_is_no_volume_of_the_pod_is_found():
    text = (DEPLOY / "kuberay" / "rayjob.yaml").read_text()
    volume = "            - name: space\n              configMap: {name: automl-space}\n"
    assert volume in text
    found = check.kubernetes(text.replace(volume, ""))
    assert found == ["the pod has no volume space"] * 3
