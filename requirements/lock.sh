#!/bin/sh
# Resolves the requirements anew: `pip install uv`, then `sh requirements/lock.sh`.
# One resolution for every platform and Python from 3.11 on (or from $PYTHON on); hashes, and no addresses.
set -eu
cd "$(dirname "$0")"
lock() {
    uv pip compile --quiet --universal --python-version "${PYTHON:-3.11}" --generate-hashes --no-header \
        --no-annotate --upgrade "$@"
}
lock ../server/pyproject.toml --no-emit-package ratchet-views-core -o run.txt
lock build.in -c run.txt -o build.txt
# The clients of all buses and registries.
lock ../server/pyproject.toml --all-extras -c run.txt -c build.txt --no-emit-package ratchet-views-core \
    --no-emit-package ratchet-views -o extras.txt
lock test.in -o test.txt
lock pyodide.in -o pyodide.txt
lock npm.in -o npm.txt
# Pyodide has this Python.
PYTHON=3.14 lock page.in -o page.txt
