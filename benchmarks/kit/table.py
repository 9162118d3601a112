"""The results as a table for people."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.kit.contest import Row
from benchmarks.kit.survey import Cell, Sheet

_HEAD = ("cpus", "ours", "", "peer", "", "unit", "ratio", "goal", "")


def draw(results: Sequence[Row]) -> str:
    """All rows, under a heading for each case."""
    lines: list[str] = []
    cells = {row: _cells(row) for row in results}
    widths = [
        max(len(line[column]) for line in [_HEAD, *cells.values()]) for column in range(len(_HEAD))
    ]
    case = ""
    for row in results:
        if row.case != case:
            case = row.case
            lines += ["", f"{row.case}: {row.title}", _line(_HEAD, widths)]
        lines.append(_line(cells[row], widths))
    return "\n".join(lines)


def draw_sheet(sheet: Sheet) -> str:
    """A survey's rows under their heads; numbers to the right."""
    cells = [[_text(cell) for cell in row] for row in sheet.rows]
    widths = [max(map(len, column)) for column in zip(sheet.heads, *cells, strict=True)]
    is_number = [
        all(isinstance(cell, (int, float, type(None))) for cell in column)
        for column in zip(*sheet.rows, strict=True)
    ] or [False] * len(widths)
    lines = ["", f"{sheet.survey}: {sheet.title}"]
    for line in (sheet.heads, *cells) if cells else ():
        padded = (
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, is_number, strict=True)
        )
        lines.append("  " + "  ".join(padded).rstrip())
    if sheet.note:
        lines.append(f"  {sheet.note}")
    return "\n".join(lines)


def _text(cell: Cell) -> str:
    return cell if isinstance(cell, str) else str(cell) if isinstance(cell, int) else _number(cell)


def _cells(row: Row) -> tuple[str, ...]:
    verdict = {True: "met", False: "NOT MET", None: row.note}[row.met]
    return (
        row.cpus,
        row.ours,
        _number(row.ours_value),
        row.peer,
        _number(row.peer_value),
        row.unit,
        f"{row.ratio:.2f}" if row.ratio is not None else "-",
        f"<= {row.goal:g}" if row.goal is not None else "",
        verdict,
    )


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (
        cell.rjust(width) if column in (2, 4, 6) else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  " + "  ".join(padded).rstrip()


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
