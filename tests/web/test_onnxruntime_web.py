"""onnxruntime-web: given as an archive or a folder, fetched once, and nothing else than that."""

import tarfile

import pytest
from helpers.web import files_served, runtime, write_archive

from automl.errors import UserError
from automl.web import onnxruntime_web as package
from automl.web.onnxruntime_web import FILES, VERSION, onnxruntime_web

FOUND = {name: name.encode() for name in FILES}


def test_a_copy_is_an_archive_or_a_folder(tmp_path):
    archive = write_archive(tmp_path / "package.tgz")
    assert onnxruntime_web(tmp_path / "cache", archive) == FOUND
    with tarfile.open(archive) as held:
        held.extractall(tmp_path, filter="data")
    for folder in (tmp_path / "package", tmp_path / "package" / "dist"):
        assert onnxruntime_web(tmp_path / "cache", folder) == FOUND
    assert not (tmp_path / "cache").exists()


def test_a_copy_that_is_none_is_refused(tmp_path):
    (tmp_path / "text.tgz").write_text("none")
    with tarfile.open(tmp_path / "empty.tgz", "w:gz"):
        pass
    for given, told in (
        ("text.tgz", "is no archive of onnxruntime-web"),
        ("empty.tgz", "is no archive of onnxruntime-web"),
        ("absent", "holds no ort.wasm.bundle.min.mjs"),
        (".", "holds no ort.wasm.bundle.min.mjs"),
    ):
        with pytest.raises(UserError, match=told):
            onnxruntime_web(tmp_path / "cache", tmp_path / given)


def test_what_is_fetched_is_kept_and_not_fetched_again(tmp_path, monkeypatch):
    archive = write_archive(tmp_path / "package.tgz").read_bytes()
    monkeypatch.setattr(package, "_fetched", lambda: archive)
    monkeypatch.setattr(package, "_checked", lambda fetched: fetched)
    assert onnxruntime_web(tmp_path / "cache") == FOUND
    monkeypatch.delattr(package, "_fetched")
    assert onnxruntime_web(tmp_path / "cache") == FOUND
    kept = tmp_path / "cache" / f"onnxruntime-web-{VERSION}"
    assert sorted(file.name for file in kept.iterdir()) == sorted(FILES)


def test_without_npm_the_registry_of_its_settings_is_asked(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("NPM_CONFIG_REGISTRY", "npm_config_registry"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UserError, match=r"no npm here .* give a copy with --onnxruntime-web PATH"):
        onnxruntime_web(tmp_path / "cache")
    with files_served(tmp_path) as address:
        (tmp_path / ".npmrc").write_text(f"fund=false\nregistry = {address}/\n")
        with pytest.raises(UserError, match=rf"cannot fetch {address}/onnxruntime-web/-/.*404"):
            onnxruntime_web(tmp_path / "cache")
        served = tmp_path / "onnxruntime-web" / "-"
        served.mkdir(parents=True)
        write_archive(served / f"onnxruntime-web-{VERSION}.tgz")
        with pytest.raises(UserError, match=f"what was fetched is not onnxruntime-web {VERSION}"):
            onnxruntime_web(tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_failure_of_npm_is_told(tmp_path, monkeypatch):
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho 'npm error code E404' >&2\necho 'npm error none' >&2\nexit 1\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(
        UserError, match=f"cannot fetch onnxruntime-web {VERSION}: code E404, none;"
    ):
        onnxruntime_web(tmp_path / "cache")


def test_the_package_of_this_version_has_the_files():
    assert [len(content) > 10_000 for content in runtime().values()] == [True, True]
