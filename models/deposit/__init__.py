"""The item cycle as a pure rule: what has happened so far, a new fact, and what to do about it.

    boot ─▶ selftest ─▶ idle ─▶ opening ─▶ infeed ─▶ closing ─▶ identifying ─▶ reserving
                         ▲         │          │         │            │             │
                         │         └──────────┴─────────┴── refused ─┴─────────────┤
                         │                                     ▼                   ▼
                         ├── leaving ◀── return_wait ◀──── rejecting          transporting
                         │                                     ▲                   │
                         │                     pulled back, ───┴──────────────┬────┤
                         │                     swapped, stuck                 │    ▼
                         └────────────── crediting ◀───────────────────────── confirming

    from everywhere: recovering (a motor is stuck) ─▶ back, or give up
                     service (door), estop ─▶ selftest, by a reset at the machine only
                     fault ─▶ selftest, by time where it may pass, else by a reset
    from idle:       bin_full ─▶ idle

Credit exists with the durable ``confirmed`` record and not before; that is asked for only with the
whole proof of the passage (`models.passage`). What cannot be decided becomes ``review`` and pays
nobody by itself. The table with its timeouts and reasons is in docs/item-cycle.md; the functions of
`models.deposit.table` are its rows.
"""

from models.deposit.closed import is_busy, is_dealing, next_look_ns, trouble, why_closed
from models.deposit.state import Cycle, Item, Phase, Rules
from models.deposit.stopping import why_not_go_on
from models.deposit.table import TABLE, learn

__all__ = [
    "TABLE",
    "Cycle",
    "Item",
    "Phase",
    "Rules",
    "is_busy",
    "is_dealing",
    "learn",
    "next_look_ns",
    "trouble",
    "why_closed",
    "why_not_go_on",
]
