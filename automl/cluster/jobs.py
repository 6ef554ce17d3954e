"""A search as a Ray job: sent from a laptop, run on the cluster, followed to its end."""

from __future__ import annotations

import asyncio
import logging
import math
import shlex
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from aiohttp import ClientError
from ray.exceptions import AuthenticationError
from ray.job_submission import JobStatus, JobSubmissionClient

from automl.errors import UserError, described
from automl.retry import patient

COMMAND = ("python", "-c", "from automl.cli.app import main; main()")
PAUSE_SECONDS = 1.0
LOST_SECONDS = 300.0
"""A tunnel or a head that starts anew is back by then."""
# Each of these loggers sets its own level, and tells of uploads and sockets.
for chatty in ("ray", "ray.dashboard.modules.dashboard_sdk", "ray.dashboard.modules.job.sdk"):
    logging.getLogger(chatty).setLevel(logging.ERROR)


def submit(address: str, arguments: Sequence[str], files: Sequence[Path]) -> Job:
    """Start `automl ARGUMENTS` on the cluster, in a new folder with these files.

    `address` is the dashboard's. Raises UserError when the cluster does not take the job.
    """
    try:
        client = JobSubmissionClient(address)
        with tempfile.TemporaryDirectory() as folder:
            for file in files:
                shutil.copy(file, folder)
            entrypoint = shlex.join([*COMMAND, *arguments])
            name = _send(client, entrypoint, folder)
    except AuthenticationError as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"the cluster at --address {address} does not let this user in ({reason}); "
            "copy the head's ~/.ray/auth_token to this machine, or set RAY_AUTH_TOKEN"
        ) from None
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise UserError(
            f"no job can be sent to --address {address} ({str(error).splitlines()[0]}); "
            "give the address of the head's dashboard, e.g. http://HEAD:8265"
        ) from None
    return Job(client, address, name)


@patient(lambda error: "try again later" in str(error))
def _send(client: JobSubmissionClient, entrypoint: str, folder: str) -> str:
    """Ray's id of the job. A head that has just started takes no job yet, and is asked again."""
    name: str = client.submit_job(entrypoint=entrypoint, runtime_env={"working_dir": folder})
    return name


class Job:
    """A job on a cluster, and how much of its output was passed on, in characters."""

    def __init__(self, client: JobSubmissionClient, address: str, name: str) -> None:
        self.client, self.address, self.name = client, address, name
        self.num_passed_on = 0

    def follow(self, say: Callable[[str], None]) -> int:
        """Pass the job's output on until the job ends. Returns its exit code.

        Raises UserError when the cluster was out of reach for minutes.
        """
        return asyncio.run(self._follow(say))

    async def _follow(self, say: Callable[[str], None]) -> int:
        lost = math.inf
        while True:
            try:
                details = self.client.get_job_info(self.name)
                if not (is_over := details.status.is_terminal()):
                    lost = math.inf
                await self._tail(say)
                if is_over:
                    failed = details.driver_exit_code or 1
                    return 0 if details.status == JobStatus.SUCCEEDED else failed
            except (OSError, RuntimeError, ClientError) as error:
                # The connection was lost: the job goes on.
                lost = min(lost, time.monotonic())
                if time.monotonic() - lost > LOST_SECONDS:
                    raise UserError(self._unheard(described(error))) from None
            await asyncio.sleep(PAUSE_SECONDS)

    def _unheard(self, why: str) -> str:
        """Say that nothing comes from the job any more, and how to see it."""
        return (
            f"nothing was heard of {self.name} for {LOST_SECONDS / 60:g} minutes ({why}); "
            "it goes on as long as its cluster does: "
            f"ray job logs --follow {self.name} --address {self.address}"
        )

    async def _tail(self, say: Callable[[str], None]) -> None:
        """Pass on what was not passed on before: Ray gives the output from its start each time."""
        position = 0
        async for text in self.client.tail_job_logs(self.name):
            new = text[max(0, self.num_passed_on - position) :]
            position += len(text)
            self.num_passed_on = max(self.num_passed_on, position)
            if new:
                say(new)
