"""`make consul` builds Consul from its Go modules, where no package of it is to be had: minutes.

    python -m testing.packages.consul

1.14 is the last version line that is free software (MPL 2.0) and builds by itself.
"""

import os
import shutil
import sys
from pathlib import Path
from typing import Final

from testing.packages.cache import HOME, Missing, new, run

MODULE: Final = "github.com/hashicorp/consul"
VERSION: Final = "v1.14.11"
FOLDER: Final = HOME / f"consul-{VERSION}"


def find() -> Path | None:
    """A Consul: the system's, or the one that was built."""
    if found := shutil.which("consul"):
        return Path(found)
    built = FOLDER / "consul"
    return built if built.exists() else None


def build() -> Path:
    """Build it. Raises `Missing`."""
    if not shutil.which("go"):
        raise Missing("Go is not installed; on Debian: apt-get install golang-go")
    with new(FOLDER) as folder:
        (folder / "go.mod").write_text("module consul\n\ngo 1.21\n")
        environ = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=mod"}
        go = ["go", "-C", str(folder)]
        run([*go, "get", f"{MODULE}@{VERSION}"], environ)
        run([*go, "build", "-trimpath", "-ldflags=-s -w", "-o", "consul", MODULE], environ)
    return FOLDER / "consul"


def main() -> int:
    """Build it, unless it is there. Returns 0 if it is there now."""
    found = find()
    if not found:
        print(f"consul: building {VERSION}, which takes some minutes", flush=True)
        try:
            found = build()
        except Missing as why:
            print(f"consul: {why}")
            return 1
    print(f"consul: {found}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
