"""A search that does not run, and MLflow that has all of it."""

from helpers.command import automl, object_of, refused


def test_sync_says_that_nothing_is_left(searched, tmp_path):
    at = ("digits", "--home", searched.home.path)
    assert automl("sync", *at, cwd=tmp_path).stdout == "MLflow has all of digits\n"
    synced = object_of(automl("sync", *at, "--json", cwd=tmp_path))
    assert synced == {"search": "digits", "delivered": True}
    away = automl("sync", *at, "--tracking-uri", "http://127.0.0.1:1", cwd=tmp_path)
    refused(away, "no MLflow server answers at --tracking-uri http://127.0.0.1:1")
