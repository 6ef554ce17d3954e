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
        """Pass the job's output on until the job ends. Returns its exit code."""
        return asyncio.run(self._follow(say))

    async def _follow(self, say: Callable[[str], None]) -> int:
        while True:
            try:
                await self._tail(say)
            except (OSError, RuntimeError):
                # The connection was lost: the job goes on.
                await asyncio.sleep(PAUSE_SECONDS)
            details = self.client.get_job_info(self.name)
            if details.status.is_terminal():
                await self._tail(say)
                failed = details.driver_exit_code or 1
                return 0 if details.status == JobStatus.SUCCEEDED else failed
            await asyncio.sleep(PAUSE_SECONDS)

    async def _tail(self, say: Callable[[str], None]) -> None:
        """Pass on what was not passed on before: Ray gives the output from its start each time."""
        position = 0
        async for text in self.client.tail_job_logs(self.name):
            new = text[max(0, self.num_passed_on - position) :]
            position += len(text)
            self.num_passed_on = max(self.num_passed_on, position)
            if new:
                say(new)
