"""What somebody sees of a fleet: a line every few seconds, and the summary in the end."""

from __future__ import annotations

import sys
from typing import Any

import msgspec

from rvm_edge.fleet.tally import Tally
from supervisors.clock import Clock

_COUNTED = ("births", "heartbeats", "telemetry", "deposits", "pings", "other_commands")


class Showing:
    """Progress for people goes to standard error, so that the summary can be kept by itself."""

    def __init__(self, tally: Tally, clock: Clock, machines: int, *, as_json: bool) -> None:
        """Args: machines: how many there are."""
        self._tally = tally
        self._clock = clock
        self._machines = machines
        self._as_json = as_json
        self._began_s = self._shown_s = clock.monotonic()
        self._shown_requests = 0

    def enrolled(self, new: int) -> None:
        """All machines are known to the platform."""
        if not self._as_json:
            known = self._machines - new
            print(f"{new} machines enrolled, {known} were known", file=sys.stderr, flush=True)

    def begin(self) -> None:
        """From here on the time is measured."""
        self._began_s = self._shown_s = self._clock.monotonic()
        self._shown_requests = self._tally.requests

    def progress(self) -> None:
        """How it stands."""
        tally, now_s = self._tally, self._clock.monotonic()
        passed_s = max(now_s - self._shown_s, 0.001)
        per_s = round((tally.requests - self._shown_requests) / passed_s, 1)
        self._shown_s, self._shown_requests = now_s, tally.requests
        at_s = round(now_s - self._began_s, 1)
        if self._as_json:
            self._line(kind="progress", at_s=at_s, requests_per_s=per_s, **self._standing())
            return
        print(
            f"{at_s:7.1f} s  born {tally.born}, subscribed {tally.subscribed} "
            f"of {self._machines}, {per_s:g} requests/s, "
            f"p50 {_ms(tally.percentile_ms(0.5))}, p99 {_ms(tally.percentile_ms(0.99))}, "
            f"errors: {_errors(tally)}",
            file=sys.stderr,
            flush=True,
        )

    def summary(self) -> None:
        """How it went."""
        tally = self._tally
        took_s = round(self._clock.monotonic() - self._began_s, 1)
        over = [one for one in tally.outages if one.ended_s is not None]
        back_s = round(max((one.back_s for one in over), default=0.0), 2)
        peak = max((one.peak_per_s for one in tally.outages), default=0)
        if self._as_json:
            self._line(
                kind="summary",
                took_s=took_s,
                peak_per_s=tally.peak_per_s,
                outages=len(tally.outages),
                longest_back_s=back_s,
                outage_peak_per_s=peak,
                **self._standing(),
            )
            return
        counted = ", ".join(f"{_words(name)} {tally.counts[name]}" for name in _COUNTED)
        shares = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
        told = ", ".join(f"{name} {_ms(tally.percentile_ms(share))}" for name, share in shares)
        print(f"{self._machines} machines for {took_s:g} s, {tally.there} there in the end")
        print(f"counted     {counted}")
        print(f"requests    {tally.requests}, at most {tally.peak_per_s} in a second")
        print(f"answers     {told}")
        print(f"errors      {_errors(tally)}")
        if not tally.outages:
            print("outages     none")
            return
        back = f"all were back within {back_s:g} s of the platform" if over else "none is over"
        is_going_on = over and len(over) < len(tally.outages)
        print(
            f"outages     {len(tally.outages)}, {tally.reconnects} times a machine came back, "
            f"{back}{', but for the last one' if is_going_on else ''}, "
            f"at most {peak} requests in a second"
        )

    def _standing(self) -> dict[str, Any]:
        tally = self._tally
        return {
            "machines": self._machines,
            "there": tally.there,
            "born": tally.born,
            "subscribed": tally.subscribed,
            "requests": tally.requests,
            "reconnects": tally.reconnects,
            "counts": {name: tally.counts[name] for name in _COUNTED},
            "errors": dict(sorted(tally.errors.items())),
            "p50_ms": _rounded(tally.percentile_ms(0.5)),
            "p95_ms": _rounded(tally.percentile_ms(0.95)),
            "p99_ms": _rounded(tally.percentile_ms(0.99)),
        }

    def _line(self, **fields: Any) -> None:
        print(msgspec.json.encode(fields).decode(), flush=True)


def _errors(tally: Tally) -> str:
    told = [f"{_words(name)} {count}" for name, count in sorted(tally.errors.items())]
    return ", ".join(told) or "none"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _rounded(value_ms: float | None) -> float | None:
    return None if value_ms is None else round(value_ms, 2)


def _ms(value_ms: float | None) -> str:
    return "-" if value_ms is None else f"{value_ms:.3g} ms"
