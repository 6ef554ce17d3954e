"""A server of SSH on this machine, which stands for another one."""

from helpers.ssh_server import device_host as device_host
