"""Browsers of this machine, found and opened without a window."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from automl.errors import UserError

CHROMIUM = (
    *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge"),
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
FIREFOX = ("firefox", "firefox-esr", "/Applications/Firefox.app/Contents/MacOS/firefox")
CHROMIUM_FLAGS = (
    *("--headless=new", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


def found_browser() -> str:
    """The path of a browser of this machine. Raises UserError where there is none."""
    for name in (*CHROMIUM, *FIREFOX):
        if path := shutil.which(name):
            return path
    raise UserError(
        "no Chromium, Chrome, Edge or Firefox on the PATH; install one, or open the page by hand "
        "in any browser: --browser --host 127.0.0.1"
    )


@contextmanager
def opened(browser: str, address: str) -> Iterator[subprocess.Popen[bytes]]:
    """The process of a browser that shows a page, with a profile of its own and no window."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [browser, *_flags(browser, profile), address]
        try:
            # A browser is many processes, which end together.
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            raise UserError(f"cannot run {browser}: {error.strerror}") from None
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _flags(browser: str, profile: str) -> list[str]:
    if "firefox" in Path(browser).name:
        return ["--headless", "--no-remote", "--profile", profile]
    # Chromium's own sandbox does not start for the administrator; the page is ours.
    is_admin = hasattr(os, "geteuid") and os.geteuid() == 0
    return [*CHROMIUM_FLAGS, f"--user-data-dir={profile}", *["--no-sandbox"] * is_admin]
