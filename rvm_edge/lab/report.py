"""What a played scenario came to, as a table for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_ENDS = ("credited", "returned", "kept", "turned_away", "left_in_machine")
_WORDS = {
    "credited": "credited",
    "returned": "given back",
    "kept": "kept unpaid",
    "turned_away": "not served",
    "left_in_machine": "left inside",
}


def report(summary: Mapping[str, Any]) -> str:
    """The whole table."""
    return "\n".join(_lines(summary))


def _lines(summary: Mapping[str, Any]) -> Iterator[str]:
    yield f"{summary['scenario']}: {summary['about']}"
    yield ""
    yield f"visits                {summary['visits']}{_cut_short(summary)}"
    yield f"as intended           {_share(summary['as_intended'])}"
    yield f"good items credited   {_share(summary['good_items_credited'])}"
    yield f"detector's mistakes   {_detector(summary)}"
    yield f"credits               {summary['credits']}, items in the bin {summary['fallen']}"
    yield from _ends(summary["ends"])
    yield from _refusals(summary["refusals"])
    yield from _rows("attacks", summary["attacks"], ("times", "credits"))
    yield from _rows("went wrong", summary["disturbances"], ("times", "noticed", "repairs"))
    yield ""
    yield from _money(summary)
    yield from _speed(summary)


def _cut_short(summary: Mapping[str, Any]) -> str:
    return f" of {summary['planned']} (interrupted)" if summary["interrupted"] else ""


def _share(share: Mapping[str, Any]) -> str:
    if share["percent"] is None:
        return "none"
    return (
        f"{share['part']} of {share['of']} = {share['percent']:.2f} % "
        f"(95 % sure of {share['at_least_percent']:.2f} %)"
    )


def _detector(summary: Mapping[str, Any]) -> str:
    left_out = summary["pictures_left_out"]
    if not left_out:
        return f"{summary['detectors_mistakes']}"
    return f"not played: {left_out} pictures that it misjudges are left out (--all-pictures)"


def _ends(ends: Mapping[str, int]) -> Iterator[str]:
    yield ""
    for name, number in ends.items():
        want, _, end = name.partition(" -> ")
        wanted = "to be credited" if want == "credit" else "to be refused"
        yield f"  {wanted:<20}{_WORDS[end]:<14}{number:>8}"


def _refusals(refusals: Mapping[str, int]) -> Iterator[str]:
    if refusals:
        yield ""
        yield "not credited because of"
        for reason, number in refusals.items():
            yield f"  {reason:<34}{number:>8}"


def _rows(
    title: str, rows: Mapping[str, Mapping[str, int]], columns: tuple[str, ...]
) -> Iterator[str]:
    if not rows:
        return
    ends = [end for end in _ENDS if any(end in row for row in rows.values())]
    heads = (*columns, *(_WORDS[end] for end in ends))
    yield ""
    yield f"{title:<20}" + "".join(f"{head:>13}" for head in heads)
    for name, row in rows.items():
        cells = [row.get(column, 0) for column in (*columns, *ends)]
        yield f"  {name:<18}" + "".join(f"{cell or '-':>13}" for cell in cells)


def _money(summary: Mapping[str, Any]) -> Iterator[str]:
    broken = summary["broken"]
    if not broken:
        yield "money                 every invariant held"
        return
    yield f"money                 BROKEN {summary['broken_total']} times:"
    for text in broken:
        yield f"  {text}"


def _speed(summary: Mapping[str, Any]) -> Iterator[str]:
    seconds = summary["seconds_per_item"]
    if seconds["p50"] is not None:
        yield f"seconds per item      p50 {seconds['p50']:.2f}, p95 {seconds['p95']:.2f}"
    rate = summary["items_per_minute"]
    yield f"items per minute      {rate:.1f}, with the pauses between people"
    yield (
        f"technician            {summary['repairs']} times, bin exchanged {summary['bins']} times, "
        f"program started {summary['starts']} times"
    )
    yield (
        f"time                  {summary['simulated_s'] / 3600:.2f} h simulated in "
        f"{summary['wall_s']:.1f} s ({summary['speed']:.0f} times as fast)"
    )
