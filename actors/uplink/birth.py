"""The birth of a run: what the platform is told before anything else, and what it answers."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from actors.uplink import facts
from actors.uplink.way import CallFailed
from config.settings import Settings, UplinkSettings
from models.claims import clock_quality
from models.uplink.answers import words_of
from protocol.platform.identity import Birth, Death, Welcome
from protocol.uplink import Call, Called, Reached

DEATH_S = 2.0
"""So long an orderly stop waits for the platform to hear of it."""
_OK = range(200, 300)


def shares_evidence(uplink: UplinkSettings) -> bool:
    """Whether the platform gets pictures; without one nobody prepares any for it."""
    has_platform = any((uplink.server_url, uplink.tunnel_url, uplink.local_url))
    return has_platform and uplink.evidence != "off"


def capabilities(
    settings: Settings, *, has_camera: bool, has_scale: bool, is_simulated: bool
) -> tuple[str, ...]:
    """What this machine can do, by what is built in and switched on.

    Args:
        has_camera, has_scale: there is a driver for it.
        is_simulated: its body is physics in a program, and its deposits are nobody's bottles.
    """
    can = {
        "barcode": settings.detail.barcode,
        "camera": has_camera,
        "evidence.all": shares_evidence(settings.uplink) and settings.uplink.evidence == "all",
        "evidence.review": shares_evidence(settings.uplink),
        "guests": settings.session.guests != "off",
        "media.multipart": True,
        "media.resumable": True,
        "outline": settings.detail.outline != "none",
        "scale": has_scale and settings.deposit.needs_scale,
        "simulated": is_simulated,
    }
    return tuple(name for name, does in can.items() if does)


class Life:
    """One run of the program, as the platform knows it."""

    def __init__(self, capabilities: tuple[str, ...], actors: tuple[str, ...]) -> None:
        """Args: as in `protocol.platform.identity.Birth`."""
        self._birth = Birth(facts.run_id(), 0, 0.0, capabilities=capabilities, actors=actors)

    def reached(self, message: Reached) -> None:
        """For the next birth."""
        known = self._birth
        settings, commands = message.settings_version, message.commands_after
        self._birth = replace(
            known,
            settings_version=known.settings_version if settings is None else settings,
            commands_after=known.commands_after if commands is None else commands,
        )

    def birth(self, epoch: int, wall_s: float) -> Call:
        """Tell of it. Without a key: it says another time at every try, and twice is once."""
        self._birth = replace(
            self._birth,
            epoch=epoch,
            at=wall_s,
            clock_quality=clock_quality(wall_s),
            versions=facts.versions(),
        )
        return Call("POST", "/edge/births", msgspec.json.encode(self._birth))

    def death(self) -> Call:
        """Say goodbye."""
        death = Death(self._birth.epoch, self._birth.boot_id, "stopped")
        return Call("POST", "/edge/deaths", msgspec.json.encode(death), timeout_s=DEATH_S)


def welcome(called: Called) -> Welcome:
    """The platform's answer to a birth.

    Raises:
        CallFailed: it is none.
    """
    if called.status not in _OK:
        words = words_of(called.status, called.body)
        raise CallFailed("paused", f"the platform does not take the birth: {words.text}")
    try:
        return msgspec.json.decode(called.body, type=Welcome)
    except msgspec.MsgspecError as error:
        raise CallFailed("strange", f"the answer to the birth: {error}") from None
