"""The machine's voice beside its peers: a bare HTTP client, an empty outbox, a WebSocket echo.

    bin/bench uplink [--quick] [--only CASE …] [--json]

The outbox, the link and the courier against the reference platform in a process of its own: how
fast a backlog is delivered, what a million records that wait cost at the start, how long it takes
until a ring is with the actor that handles it, and until pushed settings are in force. Absolute
times belong to this machine; the ratios are what we hold ourselves to. It needs the extra `server`.
"""

from __future__ import annotations

import sys

from benchmarks.cases import outbox, ring, settings_push
from benchmarks.kit.suite import Suite

SUITE = Suite("uplink", __doc__, (*outbox.CASES, *ring.CASES, *settings_push.CASES))

if __name__ == "__main__":
    sys.exit(SUITE.main(sys.argv[1:]))
