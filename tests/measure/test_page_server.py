"""The server of a page that works for us: who is answered, and what becomes of jobs."""

import json
import threading
import urllib.error
import urllib.request

import pytest

from automl.errors import UserError
from automl.measure.page_server import Jobs, served


def asked(address, body=None, **headers):
    with urllib.request.urlopen(urllib.request.Request(address, body, headers)) as response:
        return response.status, response.read(), response.headers


def refused(address, body=None, **headers):
    with pytest.raises(urllib.error.HTTPError) as error:
        asked(address, body, **headers)
    with error.value as answer:
        return answer.code


@pytest.fixture
def page():
    jobs = Jobs()
    files = {"": lambda: b"page", "a.mjs": lambda: b"code", "file/0": lambda: b"bytes"}
    with served(files, jobs, "127.0.0.1") as address:
        yield jobs, address


def test_files_are_served_isolated_from_other_pages(page):
    _, address = page
    for name, content, kind in (
        ("", b"page", "text/html; charset=utf-8"),
        ("a.mjs", b"code", "text/javascript"),
        ("file/0", b"bytes", "application/octet-stream"),
    ):
        status, found, headers = asked(address + name)
        assert (status, found, headers["Content-Type"]) == (200, content, kind)
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"


def test_only_who_knows_the_address_is_answered_under_its_own_host(page):
    _, address = page
    root = address.rsplit("/", 2)[0]
    assert len(address.split("/")[3]) >= 20
    assert refused(root) == refused(f"{root}/wrong/") == 403
    assert refused(address, Host="evil.example:80") == 403
    assert refused(f"{address}result", b"{}", Host="evil.example") == 403
    assert refused(f"{address}none") == refused(f"{address}none", b"{}") == 404
    assert refused(f"{address}result", b"", **{"Content-Length": "1000001"}) == 404
    assert asked(address, Host=root.replace("http://127.0.0.1", "localhost"))[0] == 200


def test_a_job_is_done_once_also_by_a_page_that_is_loaded_anew(page):
    jobs, address = page

    def work():
        for after in (0, 0, 1):
            job = json.loads(asked(f"{address}next?after={after}")[1])
            result = json.dumps({"number": job["number"], "found": {"twice": 2 * job["value"]}})
            asked(f"{address}result", result.encode())

    worker = threading.Thread(target=work)
    worker.start()
    assert not jobs.was_heard or jobs.silent_seconds < 60
    assert jobs.do({"value": 4}, lambda: None) == {"twice": 8}
    assert jobs.do({"value": 5}, lambda: None) == {"twice": 10}
    worker.join()
    assert jobs.was_heard


def test_who_waits_for_a_page_may_give_up():
    def check():
        raise UserError("gone")

    with pytest.raises(UserError, match="gone"):
        Jobs().do({}, check)


def test_an_address_of_another_machine_is_refused():
    with (
        pytest.raises(UserError, match=r"cannot listen on 192\.0\.2\.1"),
        served({}, Jobs(), "192.0.2.1"),
    ):
        pass
