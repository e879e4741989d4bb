"""The command `ratchet`, also as `python -m ratchet_server`: it takes signals, then reads the rest.

To import a node takes half a second. Until a node's own handlers stand, Python's would answer:
SIGTERM and SIGQUIT kill, SIGINT ends in a traceback, and a supervisor that stops the node sees one
that failed. So this file imports next to nothing, and takes the signals before it imports `cli`.
"""

import sys
from typing import Final

from ratchet_server import signals

# The exit code that shells give to a command that Ctrl-C has ended.
INTERRUPTED: Final = 130


def main() -> int:
    """Run the command (see `cli`) and return its exit code."""
    try:
        if sys.argv[1:2] == ["node"]:
            signals.hold()
        from ratchet_server import cli

        return cli.main()
    except KeyboardInterrupt:
        # Every other command ends where it stands, and has nothing to put away.
        return INTERRUPTED
    finally:
        signals.ignore()


if __name__ == "__main__":
    sys.exit(main())
