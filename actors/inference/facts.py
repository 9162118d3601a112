"""What status shows of inference: facts about the model, its proof, its canary, its troubles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from actors.inference.archive import Archive
    from actors.inference.serving import Serving
    from actors.inference.succession import Succession
    from models.vision.canary import Canary


def facts(
    eyes: Serving, canary: Canary, succession: Succession, archive: Archive
) -> dict[str, Any]:
    """The facts, by name; None where there is nothing to tell."""
    info = eyes.detector.info
    return {
        "model": info.name,
        "backend": info.backend,
        "sha256": info.sha256[:12],
        "proof": f"{len(eyes.canaries)} golden pictures" if eyes.is_proven else "unproven",
        "canary": _of_canary(canary),
        "canary_ms": round(canary.took_ms, 1) if canary.shown else None,
        "canary_at_s": round(canary.at_s, 1) if canary.shown else None,
        "newcomer": _of_newcomer(succession),
        "evidence": archive.summary if archive.is_on else None,
        "evidence_lost": archive.lost or None,
        "directory": str(eyes.directory),
        "note": info.note or succession.no_engine or None,
    }


def trouble(succession: Succession, canary: Canary, archive: Archive, late: str) -> str | None:
    """What is wrong, worst first; None if nothing is."""
    stand_in, refusal = succession.stand_in, succession.shelf.refusal
    found = (
        f"not the model that should serve: {stand_in}" if stand_in else "",
        late,
        f"canary missed: {canary.why}" if canary.why else "",
        f"refused: {refusal}" if refusal and refusal != stand_in else "",
        archive.trouble,
    )
    return "; ".join(one for one in found if one) or None


def _of_newcomer(succession: Succession) -> str | None:
    if succession.newcomer is not None:
        return f"{succession.newcomer.name} waits for the item to leave"
    if succession.rehearsing:
        return f"tried in a process of its own: {succession.rehearsing}"
    return "on probation" if succession.on_probation else None


def _of_canary(canary: Canary) -> str | None:
    if not canary.shown:
        return None
    return f"missed {canary.misses} in a row" if canary.misses else "ok"
