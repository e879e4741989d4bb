"""`python -m ratchet_server` is `ratchet`."""

import sys

from ratchet_server.cli import main

sys.exit(main())
