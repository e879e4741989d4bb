"""`python -m ratchet_server` is `ratchet`."""

import sys

from ratchet_server.early import main

sys.exit(main())
