"""The package as others get it: a wheel and an sdist, installed where there is no checkout."""

import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from importlib import metadata

import pytest
from helpers.pages import ROOT
from packaging.requirements import Requirement
from packaging.version import Version

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONSTRAINTS = ROOT / "constraints.txt"
SOURCES = ("automl", "LICENSE", "README.md", "pyproject.toml")


def requirements():
    extras = PROJECT["optional-dependencies"].values()
    return [Requirement(text) for group in (PROJECT["dependencies"], *extras) for text in group]


def versions_tested():
    lines = CONSTRAINTS.read_text().splitlines()
    pairs = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {name.lower(): Version(version) for name, version in pairs}


def test_every_tested_version_is_one_that_the_package_allows():
    tested = versions_tested()
    for wanted in requirements():
        version = tested.get(wanted.name.lower())
        assert version is None or wanted.specifier.contains(version), wanted
    needed = {Requirement(text).name.lower() for text in PROJECT["dependencies"]}
    assert needed <= set(tested)


def test_torch_has_no_bound_at_its_next_minor_version():
    (torch,) = (wanted for wanted in requirements() if wanted.name == "torch")
    assert torch.specifier.contains("2.14.1")
    assert not torch.specifier.contains("2.12.9")


def test_the_environment_holds_the_versions_tested():
    tested = versions_tested()
    held = {name: metadata.version(name) for name in ("torch", "ray", "onnxruntime", "mlflow")}
    assert {name: Version(Version(found).public) for name, found in held.items()} == {
        name: tested[name] for name in held
    }


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A wheel and an sdist, built from a copy of the sources."""
    folder = tmp_path_factory.mktemp("built")
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder / "dist"]
    subprocess.run([*command, "--wheel", "--sdist", folder], check=True, capture_output=True)
    (wheel,), (sdist,) = folder.glob("dist/*.whl"), folder.glob("dist/*.tar.gz")
    return wheel, sdist


@pytest.mark.slow
def test_wheel_and_sdist_hold_every_file_of_the_package(built):
    wheel, sdist = built
    package = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "automl").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert package - set(zipfile.ZipFile(wheel).namelist()) == set()
    with tarfile.open(sdist) as sources:
        inside = {name.split("/", 1)[-1] for name in sources.getnames()}
    assert package - inside == set()


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_what_is_installed_searches_and_exports_without_a_checkout(built, tmp_path):
    venv.create(tmp_path / "venv", with_pip=True)
    python, automl = (tmp_path / "venv" / "bin" / name for name in ("python", "automl"))
    pip = [python, "-m", "pip", "install", "--quiet", "--no-compile"]
    wheel, sdist = built
    subprocess.run([*pip, "--constraint", CONSTRAINTS, wheel], cwd=tmp_path, check=True)
    use(automl, tmp_path / "by_wheel")
    # The dependencies stay; the package comes from its sources.
    again = ["--no-deps", "--force-reinstall", sdist]
    subprocess.run([*pip, *again], cwd=tmp_path, check=True)
    use(automl, tmp_path / "by_sdist")


def use(automl, folder):
    """Search, take a model, and list the commands, in an empty folder."""
    folder.mkdir()
    clean = {"PATH": "/usr/bin:/bin", "HOME": str(folder)}
    for words in (
        "search text --trials 1 --refit-minutes 0 --set recipe.train.epochs=1",
        "export text --best accuracy --out out",
        "front text --html report.html",
        "--help",
    ):
        done = subprocess.run(
            [automl, *words.split()], cwd=folder, env=clean, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    assert (folder / "out" / "model.onnx").stat().st_size > 0
