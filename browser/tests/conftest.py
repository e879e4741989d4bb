"""Makes the build's steps importable. build.py itself is run as a user runs it."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))
