"""The command `ratchet`, also as `python -m ratchet_server`: it handles signals before it imports.

To import a node takes half a second. Until the node sets its own handlers, Python's are there: with
them SIGTERM and SIGQUIT kill, and SIGINT ends in a traceback, so a supervisor that stops the node
sees a failure. So this file imports next to nothing, and takes the signals before it imports `cli`.
"""

import sys
from typing import Final

from ratchet_server import output, signals

# Shells give this exit code to a command that Ctrl-C has ended.
INTERRUPTED: Final = 130


def main() -> int:
    """Run the command (see `cli`) and return its exit code."""
    try:
        if sys.argv[1:2] == ["node"]:
            signals.hold()
        from ratchet_server import cli

        return cli.main()
    except KeyboardInterrupt:
        # All commands but `node` may end at any point: they have nothing to save.
        return INTERRUPTED
    finally:
        signals.ignore()
        output.finish()


if __name__ == "__main__":
    sys.exit(main())
