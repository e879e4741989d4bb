"""The command `ratchet`, also as `python -m ratchet_server`: it handles signals before it imports.

Importing a node takes half a second. With Python's own handlers, a SIGTERM or SIGQUIT in that time
would kill the process, and a SIGINT would end it with a traceback: a supervisor that stops the node
would see a failure. So this file imports next to nothing, and holds signals back before it imports
`cli`.
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
        else:
            signals.insist()
        from ratchet_server import cli

        return cli.main()
    except KeyboardInterrupt:
        # Every command but `node` may end at any point, because it has nothing to save.
        return INTERRUPTED
    finally:
        signals.ignore()
        output.finish()


if __name__ == "__main__":
    sys.exit(main())
