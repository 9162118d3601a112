"""The machine's body beside its peers: real time, an append log, SQLite, the bare detector.

    bin/bench body [--quick] [--only CASE …] [--json]

The world against the clock on the wall, the guard's time from its controller's death to outputs
low, the ledger against a log that is synced with every record, the item cycle against the detector
it waits for. Absolute times belong to this machine; the ratios are what we hold ourselves to.
"""

from __future__ import annotations

import sys

from benchmarks.cases import cycle, guard, ledger, world
from benchmarks.kit.suite import Suite

SUITE = Suite("body", __doc__, (*world.CASES, *guard.CASES, *ledger.CASES, *cycle.CASES))

if __name__ == "__main__":
    sys.exit(SUITE.main(sys.argv[1:]))
