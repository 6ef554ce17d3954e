"""The `automl` program: the command, which Ctrl-C ends in one word even while it loads."""

from __future__ import annotations

import sys


def main() -> None:
    """Load the command and run it."""
    try:
        from automl.cli import app

        app.main()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
