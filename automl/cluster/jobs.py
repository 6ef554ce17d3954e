"""A search as a Ray job: sent from a laptop, run on the cluster, followed to its end."""

from __future__ import annotations

import asyncio
import logging
import shlex
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from ray.exceptions import AuthenticationError
from ray.job_submission import JobStatus, JobSubmissionClient

from automl.errors import UserError
from automl.retry import patient

COMMAND = ("python", "-c", "from automl.cli.app import main; main()")
PAUSE_SECONDS = 1.0
# Each sets its own level, and tells of uploads and sockets.
for chatty in ("ray", "ray.dashboard.modules.dashboard_sdk", "ray.dashboard.modules.job.sdk"):
    logging.getLogger(chatty).setLevel(logging.ERROR)


def submit(address: str, arguments: Sequence[str], files: Sequence[Path]) -> Job:
    """Start `automl ARGUMENTS` on the cluster, in a folder of its own with these files.

    `address` is the dashboard's. Raises UserError when it does not take the job.
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
    """Ray's id of the job; a head that has just started takes none yet."""
    name: str = client.submit_job(entrypoint=entrypoint, runtime_env={"working_dir": folder})
    return name


class Job:
    """A job that was sent."""

    def __init__(self, client: JobSubmissionClient, address: str, name: str) -> None:
        self.client, self.address, self.name = client, address, name
        self.num_said = 0

    def follow(self, say: Callable[[str], None]) -> int:
        """Pass its output on until it ends; returns its exit code."""
        return asyncio.run(self._follow(say))

    async def _follow(self, say: Callable[[str], None]) -> int:
        while True:
            try:
                await self._tail(say)
            except (OSError, RuntimeError):
                # The connection was lost: the job goes on.
                await asyncio.sleep(PAUSE_SECONDS)
            about = self.client.get_job_info(self.name)
            if about.status.is_terminal():
                await self._tail(say)
                failed = about.driver_exit_code or 1
                return 0 if about.status == JobStatus.SUCCEEDED else failed
            await asyncio.sleep(PAUSE_SECONDS)

    async def _tail(self, say: Callable[[str], None]) -> None:
        """Pass on what was not yet: each time a job's output is told from its start."""
        position = 0
        async for text in self.client.tail_job_logs(self.name):
            new = text[max(0, self.num_said - position) :]
            position += len(text)
            self.num_said = max(self.num_said, position)
            if new:
                say(new)
