"""A server of SSH on this machine, which stands for another one."""

import getpass
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from helpers.raylets import free_port

SSHD = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin")
CONFIG = """\
Host device
    HostName 127.0.0.1
    Port {port}
    User {user}
    IdentityFile {folder}/key
    StrictHostKeyChecking no
    UserKnownHostsFile /dev/null
    LogLevel ERROR
"""


@pytest.fixture
def device_host(tmp_path, monkeypatch):
    """The name under which `ssh` knows a server on this machine."""
    if SSHD is None or os.geteuid():
        pytest.skip("needs OpenSSH's server, and root to run it")
    for key in ("key", "host_key"):
        name = str(tmp_path / key)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", name], check=True)
    Path("/run/sshd").mkdir(exist_ok=True)
    port = free_port()
    (tmp_path / "config").write_text(
        CONFIG.format(port=port, folder=tmp_path, user=getpass.getuser())
    )
    wrapper = tmp_path / "bin" / "ssh"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {tmp_path}/config "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    options = [f"HostKey={tmp_path}/host_key", f"AuthorizedKeysFile={tmp_path}/key.pub"]
    options += ["ListenAddress=127.0.0.1", "StrictModes=no", "UsePAM=no", "PidFile=none"]
    given = [part for option in options for part in ("-o", option)]
    with subprocess.Popen([SSHD, "-D", "-e", "-f", "/dev/null", "-p", str(port), *given]) as server:
        until = time.monotonic() + 20
        while subprocess.run(["ssh", "device", "true"], capture_output=True).returncode:
            assert server.poll() is None and time.monotonic() < until
            time.sleep(0.05)
        yield "device"
        server.terminate()
