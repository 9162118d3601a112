"""Status as a tree for people."""

from __future__ import annotations

from typing import Any, NamedTuple

_COLOURS = {
    "running": 32,
    "busy": 32,
    "waiting": 33,
    "starting": 33,
    "restarting": 33,
    "stopping": 33,
    "quarantined": 31,
    "down": 31,
    "stopped": 90,
    "ok": 32,
    "degraded": 33,
    "critical": 31,
}
_DAYS_FROM_H = 48
_HEAD = ("NAME", "RUNS AS", "STATE", "UP", "RST", "MAIL", "MSGS", "P50/P99 ms", "")


class _Line(NamedTuple):
    cells: tuple[str, ...]
    state: str


class _Drawing(NamedTuple):
    """What the branches of a tree are drawn with."""

    branch: str = "├─ "
    last: str = "└─ "
    past: str = "│  "


_ASCII = _Drawing("|- ", "`- ", "|  ")


def render(status: dict[str, Any], *, colour: bool, letters: bool = True) -> str:
    """The tree as text, a header line above it.

    Args:
        letters: whether the reader's terminal has more than ASCII.
    """
    actors = status["actors"]
    lines = [_Line(_HEAD, "")]
    _add(lines, actors, "/", ("", ""), _Drawing() if letters else _ASCII)
    widths = [max(len(line.cells[i]) for line in lines) for i in range(len(_HEAD))]
    rows = [_row(line, widths, colour=colour) for line in lines]
    return "\n".join([*_header(status, colour=colour), "", *rows])


def _header(status: dict[str, Any], *, colour: bool) -> list[str]:
    phase = status.get("phase", "running")
    word = status["state"].upper() + (f" ({phase})" if phase != "running" else "")
    state = _paint(word, status["state"], colour=colour)
    watchdog = "ok" if status["watchdog"]["healthy"] else "an actor overruns its deadline"
    first = (
        f"rvm-edge {status.get('version', '')}",
        f"machine {status.get('machine', '')}",
        f"profile {status.get('profile', '')}",
        f"pid {status['pid']}",
        state,
    )
    second = (
        f"watchdog {watchdog} ({status['watchdog']['age_s']:.1f} s ago)",
        f"dead letters {status['dead_letters']['total']}",
        f"hangs {status['hangs']}",
        f"leaked threads {status['leaked_threads']}",
        status.get("data_dir", ""),
    )
    return ["  ".join(first), "  ".join(second), *_settings(status.get("settings", {}))]


def _settings(settings: dict[str, Any]) -> list[str]:
    """What of the platform's is in force, and what is wrong with it; nothing where all is ours."""
    said = []
    if settings.get("version"):
        said.append(f"settings of the platform: version {settings['version']}, {settings['state']}")
    if settings.get("rolled_back"):
        said.append(f"rolled back: version {settings['rolled_back']}")
    troubles = [f"settings: {trouble}" for trouble in settings.get("troubles", ())]
    return [*(["  ".join(said)] if said else []), *troubles]


def _add(
    lines: list[_Line],
    actors: list[dict[str, Any]],
    path: str,
    stems: tuple[str, str],
    drawing: _Drawing,
) -> None:
    """A node, then its children, depth first.

    Args:
        stems: what stands before the node's own name, and before its children's.
    """
    node = next(actor for actor in actors if actor["path"] == path)
    lines.append(_Line(_cells(node, stems[0]), node["state"]))
    children = [actor["path"] for actor in actors if _parent(actor["path"]) == path]
    for child in children:
        is_last = child == children[-1]
        branch, rest = (drawing.last, "   ") if is_last else (drawing.branch, drawing.past)
        _add(lines, actors, child, (stems[1] + branch, stems[1] + rest), drawing)


def _parent(path: str) -> str:
    return "" if path == "/" else path.rsplit("/", 1)[0] or "/"


def _cells(node: dict[str, Any], lead: str) -> tuple[str, ...]:
    name = lead + (node["path"].rsplit("/", 1)[-1] or "/")
    if node["type"] == "supervisor":
        runs_as = node.get("strategy", "supervisor")
        used = f"{node['restarts_in_window']}/{node['intensity']}" if "intensity" in node else ""
        return (
            name,
            runs_as,
            node["state"],
            _age(node["since_s"]),
            used,
            "",
            "",
            "",
            _remark(node),
        )
    runs_as = f"p{node['pid']}" if node["pid"] else node["host"]
    mailbox = node.get("mailbox")
    mail = f"{mailbox['depth']}/{mailbox['capacity']}" if mailbox else ""
    took = node.get("handling_ms")
    return (
        name,
        runs_as,
        node["state"],
        _age(node["since_s"]),
        str(node["restarts"]) if node["restarts"] else "",
        mail,
        str(node.get("handled", "")),
        f"{took['p50']:.1f}/{took['p99']:.1f}" if took else "",
        _remark(node),
    )


def _remark(node: dict[str, Any]) -> str:
    """What one wants to know beyond the numbers."""
    if node["waiting_for"]:
        return f"waiting for {node['waiting_for']}"
    facts = node.get("facts") or {}
    parts = [f"TROUBLE: {facts['trouble']}"] if facts.get("trouble") else []
    if node.get("current"):
        parts.append(f"in {node['current']['name']} for {node['current']['for_s']:.1f} s")
    last = node["last_exit"]
    if last and (not last["normal"] or node["state"] not in ("running", "busy")):
        parts.append(f"last: {last['reason'][:70]} {_age(last['ago_s'])} ago")
    if node.get("next_restart_s") is not None:
        parts.append(f"next try in {node['next_restart_s']:.0f} s")
    if not parts:
        parts = [f"{key} {value}" for key, value in facts.items()]
    return ", ".join(parts)


def _age(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes, hours = seconds / 60, seconds / 3600
    if minutes < 1:
        return f"{seconds:.0f}s"
    if hours < 1:
        return f"{minutes:.0f}m"
    if hours < _DAYS_FROM_H:
        return f"{int(hours)}h{int(minutes) % 60:02d}"
    return f"{hours / 24:.0f}d"


def _row(line: _Line, widths: list[int], *, colour: bool) -> str:
    cells = [cell.ljust(width) for cell, width in zip(line.cells, widths, strict=False)]
    if line.state:
        cells[2] = _paint(cells[2], line.state, colour=colour)
    return "  ".join(cells).rstrip()


def _paint(text: str, state: str, *, colour: bool) -> str:
    code = _COLOURS.get(state)
    return f"\x1b[{code}m{text}\x1b[0m" if colour and code else text
