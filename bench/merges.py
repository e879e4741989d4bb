"""Merges a second: one snapshot of three slots into a stored state, as a browser does it.

The same module runs in CPython and in Pyodide.
"""

import json
import time

from ratchet.passive import merge

FOR_S = 1.0


def rate() -> float:
    """Merges a second, text in and text out."""
    slots = {f"{name}@1763800000000{n:03}": 1000 + n for n, name in enumerate("abc")}
    snapshot = {"video": "tide", "base": 40, "slots": slots, "folded": {"d": 1763800000000}}
    received = json.dumps(snapshot)
    stored = json.dumps({"base": 40, "slots": {slot: n - 1 for slot, n in slots.items()}})
    folded = json.dumps(snapshot["folded"])
    done, started = 0, time.perf_counter()
    while (took_s := time.perf_counter() - started) < FOR_S:
        for _ in range(100):
            merge("tide", stored, folded, received)
        done += 100
    return done / took_s


if __name__ == "__main__":
    print(rate())
