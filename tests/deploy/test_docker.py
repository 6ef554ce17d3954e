"""The image, as far as it is built without Docker: its RUN lines in an empty environment."""

import os
import re
import shutil
import subprocess

import pytest
from helpers.deployed_files import DEPLOY, ROOT

TORCH_INDEX = os.environ.get("AUTOML_TORCH_INDEX", "https://download.pytorch.org/whl/cpu")


def build_stage():
    """The defaults of the arguments, the files copied, and the RUN lines, of the first stage."""
    text = (DEPLOY / "docker" / "Dockerfile").read_text().replace("\\\n", " ")
    stage = text.split("\nFROM ")[1]
    arguments = dict(re.findall(r"^ARG (\w+)=(.*)$", stage, re.M))
    copies = re.findall(r"^COPY (.*)$", stage, re.M)
    copied = [name for words in copies for name in words.split()[:-1]]
    return arguments, copied, re.findall(r"^RUN (.*)$", stage, re.M)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_lines_of_the_dockerfile_make_an_environment_with_all_its_programs(tmp_path):
    """The index of torch is `AUTOML_TORCH_INDEX` where that is given."""
    arguments, copied, lines = build_stage()
    assert len(lines) == 3
    for name in copied:
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    place = tmp_path / "opt"
    environment = {**os.environ, **arguments, "TORCH_INDEX": TORCH_INDEX}
    environment["PATH"] = f"{place}/bin:{os.environ['PATH']}"
    environment.pop("PYTHONPATH", None)
    for line in [*lines, "automl --help", "ray --version", "mlflow server --help"]:
        done = subprocess.run(
            line.replace("/opt/automl", str(place)),
            shell=True,
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{line}: {done.stderr}"
    programs = {path.name for path in (place / "bin").iterdir()}
    assert {"automl", "ray", "mlflow"} <= programs
