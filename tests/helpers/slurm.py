"""A Slurm on this machine: each node a network, a name and processes of its own.

Slurm's daemons come from the packages `slurm-wlm` and `munge`. A node has its own network,
because Debian's slurmd serves one node of a machine, and sees no other node's processes, because
Ray ends every Ray that it sees.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from helpers.networks import Networks, why_none
from helpers.raylets import BIN

PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "unshare")
NETWORK, CONTROLLER = "10.79.0", 254
APART = ("unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc")
SETTINGS = """
ClusterName=automl
SlurmctldHost={host}({network}.{controller})
SlurmctldPort=16817
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=5
NodeName=node1 NodeAddr={network}.1 CPUs=1
NodeName=node2 NodeAddr={network}.2 CPUs=1
PartitionName=here Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def why_not():
    """Why no Slurm can be started here, or ""."""
    missing = [name for name in PROGRAMS if not shutil.which(name)]
    return f"not installed: {', '.join(missing)}" if missing else why_none()


class Slurm:
    """A controller, and two nodes of one CPU each; all are ended at the end, by process id."""

    def __init__(self):
        # Sockets need a short path.
        self.temporary = tempfile.TemporaryDirectory(prefix="slurm", dir="/tmp")
        self.folder, self.daemons = Path(self.temporary.name), []
        self.networks = Networks(NETWORK, (1, 2), here=CONTROLLER)
        self.environment = {
            **os.environ,
            "SLURM_CONF": str(self.folder / "slurm.conf"),
            "PATH": f"{BIN}:{os.environ['PATH']}",
        }

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for daemon in reversed(self.daemons):
            daemon.kill()
            daemon.wait()
        self.networks.__exit__()
        self.temporary.cleanup()

    def _start(self):
        host = socket.gethostname().split(".")[0]
        text = SETTINGS.format(
            host=host, network=NETWORK, controller=CONTROLLER, folder=self.folder
        )
        (self.folder / "slurm.conf").write_text(text)
        (self.folder / "state").mkdir()
        self.networks.__enter__()
        self._start_munge()
        self._daemon("slurmctld", "-D")
        for number in self.networks.hosts:
            name = f"node{number}"
            # The shell, the first process of its node, takes in what orphans leave.
            begin = f"hostname {name} && slurmd -D -N {name} & wait"
            self._daemon(*self.networks.enter(number), *APART, "bash", "-c", begin)
        self.wait(lambda: self._idle() == len(self.networks.hosts), 60)

    def _start_munge(self):
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        names = ("socket", "pid-file", "seed-file")
        files = [f"--{name}={self.folder}/munge.{name}" for name in names]
        self._daemon("munged", "--foreground", "--force", f"--key-file={key}", *files)

    def _daemon(self, *command):
        log = self.folder / f"daemon{len(self.daemons)}.log"
        with log.open("w") as output:
            self.daemons.append(
                subprocess.Popen(
                    command, env=self.environment, stdout=output, stderr=subprocess.STDOUT
                )
            )

    def _idle(self):
        done = self.run("sinfo", "--noheader", "--Node", "--format=%t", check=False)
        return done.split().count("idle")

    def run(self, *command, cwd=None, check=True, **more):
        """What one of Slurm's commands prints."""
        done = subprocess.run(
            [*map(str, command)],
            cwd=cwd,
            env={**self.environment, **more},
            capture_output=True,
            text=True,
        )
        assert not check or not done.returncode, done.stderr
        return done.stdout

    def wait(self, holds, seconds):
        """Wait until a condition holds; the seconds only end a test that hangs."""
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, self.logs()
            time.sleep(0.5)

    def logs(self):
        """The last lines of all that the daemons said."""
        texts = []
        for log in sorted(self.folder.glob("*.log")):
            with contextlib.suppress(OSError):
                texts.append(f"{log.name}: {log.read_text()[-1500:]}")
        return "\n".join(texts)
