"""The runtime beside its peers: Erlang/OTP, stock Pykka, multiprocessing, a bare memcpy.

    bin/bench runtime [--quick] [--only CASE …] [--json]

Every case runs in a process of its own, once with everything on one CPU and once on two. Its
contenders take turns; a figure is the median over the rounds, a ratio the median of the ratios of
the rounds. Absolute times belong to this machine; the ratios are what we hold ourselves to.
"""

from __future__ import annotations

import sys

from benchmarks.cases import frames, hosts, machine, messages, restarts, scale
from benchmarks.kit.suite import Suite

SUITE = Suite(
    "runtime",
    __doc__,
    (
        *messages.CASES,
        *hosts.CASES,
        *restarts.CASES,
        *frames.CASES,
        *machine.CASES,
        *scale.CASES,
    ),
)

if __name__ == "__main__":
    sys.exit(SUITE.main(sys.argv[1:]))
