"""What a command's newest report makes of it."""

from __future__ import annotations

from protocol.platform.remote import FINAL, CommandReport

_ORDER = ("", "received", "accepted", "running")


def state_after(state: str, report: CommandReport) -> str:
    """The state of a command, given what it was; what is final stays, nothing goes back.

    ``duplicate`` is about a delivery, not about the command.
    """
    if state in FINAL or report.state == "duplicate":
        return state
    if report.state in FINAL:
        return report.state
    return max(state, report.state, key=_ORDER.index)
