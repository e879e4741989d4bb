"""Makes a lock file with one wheel. lock.mjs runs this.

It runs in Pyodide because pyodide-lock needs a newer Python than some machines that build the page
have.
"""

import json
import sys
from pathlib import Path


def main(info: str, wheel: str) -> str:
    """The text of the lock file. `info`: for which Pyodide it is, as JSON, from that one's own."""
    sys.path.append("/libraries")
    # It is in Pyodide's Python alone, where no type checker looks.
    from pyodide_lock import PyodideLockSpec  # type: ignore[import-not-found]
    from pyodide_lock.utils import add_wheels_to_spec  # type: ignore[import-not-found]

    empty = PyodideLockSpec.from_dict({"info": json.loads(info), "packages": {}})
    lock = add_wheels_to_spec(empty, [Path(wheel)])
    lock.check_wheel_filenames()
    return json.dumps(lock.to_dict(), sort_keys=True)
