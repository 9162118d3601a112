"""The state of a whole tree, read from what supervisors and loops publish; no actor is asked.

The result is plain data. `docs/status.md` documents it as schema 1.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from supervisors.plan import State
from supervisors.spec import Host
from supervisors.supervisor import Row, Supervisor

if TYPE_CHECKING:
    from supervisors.system import ActorSystem

SCHEMA = 1


def snapshot(system: ActorSystem, root: Supervisor) -> dict[str, Any]:
    """Everything there is to know, as JSON-able data."""
    now = system.clock.monotonic()
    actors = [_root(root), *_below(system, root, now)]
    return {
        "schema": SCHEMA,
        "pid": os.getpid(),
        "zygote_pid": system.zygote_pid,
        "state": grade(actors),
        "leaked_threads": system.leaked_threads,
        "hangs": system.hangs,
        "watchdog": {
            "healthy": system.monitor.is_healthy,
            "age_s": round((system.clock.monotonic_ns() - system.monitor.last_tick_ns) / 1e9, 3),
        },
        "dead_letters": {
            "total": system.dead_letters.total,
            "by_cause": dict(system.dead_letters.by_cause),
        },
        "actors": actors,
    }


def grade(actors: list[dict[str, Any]]) -> str:
    """One word for the machine: ok, degraded (something is not running), critical."""
    bad = [actor for actor in actors if actor["state"] not in ("running", "busy", "waiting")]
    bad = [actor for actor in bad if actor["state"] != "stopped" or actor["last_exit"] is not None]
    # One that waits starts now and then, to look whether it is there: it waits all the same.
    bad = [actor for actor in bad if not actor["waiting_for"]]
    if any(actor["critical"] for actor in bad):
        return "critical"
    is_waiting = any(actor["waiting_for"] and actor["critical"] for actor in actors)
    return "degraded" if bad or is_waiting else "ok"


def _below(system: ActorSystem, supervisor: Supervisor, now: float) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for row in list(supervisor.rows.values()):
        found.append(_actor(system, row, now))
        if isinstance(row.running, Supervisor):
            found[-1].update(_supervision(row.running))
            found += _below(system, row.running, now)
    return found


def _root(root: Supervisor) -> dict[str, Any]:
    return {
        "path": root.path,
        "type": "supervisor",
        "host": "thread",
        "pid": None,
        "tid": None,
        "incarnation": 1,
        "state": "running" if root.exit_reason is None else "stopped",
        "since_s": None,
        "restarts": 0,
        "critical": True,
        "last_exit": None,
        "waiting_for": "",
        **_supervision(root),
    }


def _supervision(supervisor: Supervisor) -> dict[str, Any]:
    spec = supervisor.spec
    return {
        "strategy": spec.strategy.value,
        "intensity": spec.intensity,
        "period_s": spec.period_s,
        "restarts_in_window": supervisor.restarts_in_window(),
        "on_exhausted": spec.on_exhausted,
    }


def _actor(system: ActorSystem, row: Row, now: float) -> dict[str, Any]:
    running = row.running
    entry: dict[str, Any] = {
        "path": row.path,
        "type": "supervisor" if row.spec.is_supervisor else "worker",
        "host": "process" if row.spec.host is Host.PROCESS else "thread",
        "pid": getattr(running, "pid", None),
        "tid": getattr(running, "tid", None),
        "incarnation": row.incarnation,
        "state": row.state.value,
        "since_s": round(now - row.since, 3),
        "restart": row.spec.restart.value,
        "restarts": row.restarts,
        "streak": row.streak,
        "next_restart_s": None if row.next_at is None else round(max(0.0, row.next_at - now), 3),
        "quarantined": row.quarantined,
        "critical": row.spec.critical,
        "waiting_for": row.waiting_for,
        "last_exit": _last_exit(row, now),
    }
    if not row.spec.is_supervisor:
        entry.update(_vitals(system, row, now))
    return entry


def _last_exit(row: Row, now: float) -> dict[str, Any] | None:
    if row.last_exit is None or row.last_exit_at is None:
        return None
    return {
        "kind": type(row.last_exit).__name__,
        "reason": str(row.last_exit),
        "normal": row.last_exit.is_normal,
        "ago_s": round(now - row.last_exit_at, 3),
    }


def _vitals(system: ActorSystem, row: Row, now: float) -> dict[str, Any]:
    running: Any = row.running
    slot = system.slots.get(row.path)
    entry: dict[str, Any] = {
        "leaked_threads": slot.leaked if slot is not None else 0,
        "parked": len(slot.parked) if slot is not None else 0,
        "capacity": row.spec.mailbox.capacity,
    }
    if running is None:
        return entry
    mailbox, facts = running.mailbox, dict(running.vitals.facts)
    oldest_ns = mailbox.oldest_ns()
    stats = running.stats()
    uptime_s = max(now - row.since, 1e-9)
    entry["mailbox"] = {
        "depth": mailbox.depth,
        "capacity": mailbox.capacity,
        "high_water": mailbox.high_water,
        "dropped": mailbox.dropped,
        "oldest_s": None if oldest_ns is None else round(now - oldest_ns / 1e9, 3),
    }
    entry["handled"] = stats.handled
    entry["rate_per_s"] = round(stats.handled / uptime_s, 3)
    entry["handling_ms"] = _percentiles(stats.handling_s)
    entry["queue_wait_ms"] = _percentiles(stats.waiting_s)
    entry["current"] = _current(running.vitals.current, now)
    waiting_for = facts.pop("waiting_for", "")
    entry["facts"] = facts
    if row.state is State.RUNNING and waiting_for:
        entry["state"], entry["waiting_for"] = "waiting", waiting_for
    elif row.state is State.RUNNING and entry["current"] is not None:
        entry["state"] = "busy"
    return entry


def _current(current: tuple[int, str, int, int] | None, now: float) -> dict[str, Any] | None:
    if current is None:
        return None
    id_, name, since_ns, deadline_ns = current
    return {
        "id": id_,
        "name": name,
        "for_s": round(now - since_ns / 1e9, 3),
        "deadline_in_s": round(deadline_ns / 1e9 - now, 3),
    }


def _percentiles(samples_s: list[float]) -> dict[str, float] | None:
    if not samples_s:
        return None
    ordered = sorted(samples_s)
    last = len(ordered) - 1
    return {
        name: round(ordered[min(last, int(last * share + 0.5))] * 1e3, 3)
        for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
    }


def stacks(system: ActorSystem, root: Supervisor) -> dict[str, str]:
    """Where every worker stands, by path. A frozen process gives nothing."""
    found: dict[str, str] = {}
    for row in list(root.rows.values()):
        running: Any = row.running
        if isinstance(running, Supervisor):
            found.update(stacks(system, running))
        elif running is not None:
            found[row.path] = running.stack()
    return found
