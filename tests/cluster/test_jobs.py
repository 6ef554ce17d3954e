"""A job that is followed while the way to its cluster is cut, as a port-forward that drops."""

import asyncio
import threading

import pytest
import ray
from aiohttp import web
from helpers.raylets import free_port
from ray.job_submission import JobSubmissionClient

from automl.cluster import jobs
from automl.errors import UserError

pytestmark = pytest.mark.filterwarnings("ignore:ssl=None is deprecated")
"""Ray's client passes it."""


class Dashboard:
    """The head's answers on one job, until it is closed."""

    def __init__(self, port, status, output):
        self.port, self.status, self.output = port, status, output
        self.loop, self.cut, is_up = asyncio.new_event_loop(), asyncio.Event(), threading.Event()
        self.thread = threading.Thread(target=self._serve, args=(is_up,))
        self.thread.start()
        assert is_up.wait(30)

    def close(self):
        self.loop.call_soon_threadsafe(self.cut.set)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()

    def _serve(self, is_up):
        app = web.Application()
        app.router.add_get("/api/version", self._version)
        app.router.add_get("/api/jobs/job", self._info)
        app.router.add_get("/api/jobs/job/logs/tail", self._tail)
        runner = web.AppRunner(app, shutdown_timeout=1)
        self.loop.run_until_complete(runner.setup())
        self.loop.run_until_complete(web.TCPSite(runner, "127.0.0.1", self.port).start())
        is_up.set()
        self.loop.run_forever()
        self.loop.run_until_complete(runner.cleanup())
        # The loop shuts sockets in its next round.
        self.loop.run_until_complete(asyncio.sleep(0.1))
        self.loop.close()

    async def _version(self, request):
        return web.json_response({"version": "4", "ray_version": ray.__version__})

    async def _info(self, request):
        return web.json_response({"type": "SUBMISSION", "status": self.status, "entrypoint": ""})

    async def _tail(self, request):
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str(self.output)
        if self.status == "RUNNING":
            await self.cut.wait()
            request.transport.abort()
        return socket


@pytest.fixture
def running():
    dashboard = Dashboard(free_port(), "RUNNING", "trial 0000\n")
    yield dashboard
    if dashboard.thread.is_alive():
        dashboard.close()


def job_at(dashboard):
    address = f"http://127.0.0.1:{dashboard.port}"
    return jobs.Job(JobSubmissionClient(address), address, "job")


def test_a_job_is_followed_on_once_its_cluster_is_reached_again(running):
    said, again = [], []

    def come_back():
        again.append(Dashboard(running.port, "SUCCEEDED", "trial 0000\ntrial 0001\n"))

    back = threading.Timer(2.5, come_back)

    def say(text):
        said.append(text)
        if len(said) == 1:
            running.close()
            back.start()

    assert job_at(running).follow(say) == 0
    assert said == ["trial 0000\n", "trial 0001\n"]
    back.join()
    again[0].close()


def test_a_job_that_is_not_heard_of_for_minutes_is_left_with_a_sentence(running, monkeypatch):
    monkeypatch.setattr(jobs, "LOST_SECONDS", 1.5)
    with pytest.raises(UserError, match=r"nothing was heard of job .* it goes on .*ray job logs"):
        job_at(running).follow(lambda text: running.close())
