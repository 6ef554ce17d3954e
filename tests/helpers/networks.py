"""Networks of their own for processes of this machine, joined by a bridge: one for each host."""

import os
import subprocess


class Networks:
    """Hosts of one network by the last number of their address; this machine is one of them."""

    def __init__(self, network, hosts, *, here):
        self.network, self.hosts, self.here = network, hosts, here
        self.bridge = f"am{os.getpid()}"

    def __enter__(self):
        try:
            self._make()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for host in self.hosts:
            subprocess.run(["ip", "link", "del", self._device(host)], capture_output=True)
            subprocess.run(["ip", "netns", "del", self._name(host)], capture_output=True)
        subprocess.run(["ip", "link", "del", self.bridge], capture_output=True)

    def enter(self, host):
        """The words before a command that runs it on a host."""
        # `ip netns exec` would hide the control groups.
        return ("nsenter", f"--net=/run/netns/{self._name(host)}")

    def cut(self, host):
        """Cut a host off the network."""
        _ip(f"link set {self._device(host)} down")

    def _name(self, host):
        return f"{self.bridge}n{host}"

    def _device(self, host):
        return f"{self.bridge}d{host}"

    def _make(self):
        _ip(f"link add {self.bridge} type bridge")
        _ip(f"addr add {self.network}.{self.here}/24 dev {self.bridge}")
        _ip(f"link set {self.bridge} up")
        for host in self.hosts:
            name, device = self._name(host), self._device(host)
            _ip(f"netns add {name}")
            _ip(f"link add {device} master {self.bridge} type veth peer name eth9 netns {name}")
            _ip(f"link set {device} up")
            _ip(f"-n {name} addr add {self.network}.{host}/24 dev eth9")
            _ip(f"-n {name} link set eth9 up")
            _ip(f"-n {name} link set lo up")


def why_none():
    """Why this user cannot make networks, or ""."""
    try:
        with Networks("10.76.0", (1,), here=254) as networks:
            done = subprocess.run([*networks.enter(1), "true"], capture_output=True, text=True)
            return done.stderr
    except (OSError, subprocess.CalledProcessError) as error:
        return f"this user cannot make network namespaces: {error}"


def _ip(words):
    subprocess.run(["ip", *words.split()], check=True, capture_output=True, text=True)
