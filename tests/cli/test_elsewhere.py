"""A search that does not run, and MLflow that has all of it."""

from helpers.command import automl, object_of, refused


def test_sync_says_that_nothing_is_left(searched, here, tmp_path):
    at = ("digits", "--home", searched.home.path)
    assert automl("sync", *at, cwd=tmp_path).stdout == "MLflow has all of digits\n"
    synced = object_of(here("sync", *at, "--json"))
    assert synced == {"search": "digits", "delivered": True}
    away = here("sync", *at, "--tracking-uri", "http://127.0.0.1:1")
    refused(away, "no MLflow server answers at --tracking-uri http://127.0.0.1:1")
