"""What is said about the way to the platform, inside the machine.

anybody ── Call ──────────▶ link      one HTTP request, with the token, over the best path
anybody ◀─ Called | Failed  link
link    ── LinkChanged ───▶ courier, reports, channel, sync    whether the platform can be reached
anybody ── DescribeLink ──▶ link
channel ── Rung ──────────▶ commands, sync    the platform says that there is something to fetch
sync, commands ── Reached ▶ link, reports     how far they are
reports ── Rebirth ───────▶ link
anybody ── SettingsChanged ▶ …                see there

Failed codes of a call: ``no_way`` no path is open; ``not_enrolled``; ``auth_failed`` the platform
does not take the machine's key; ``paused`` the breaker is open, or the platform has asked for time;
``timeout``; ``broken`` the connection ended, and nobody knows whether it was heard; ``strange``
what came back is no answer of the platform (a captive portal, HTML, too large).
"""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from protocol.message import Delivery, Message
from protocol.platform.identity import Welcome

BODY_BYTES_MAX = 4 << 20
"""Of an answer; a platform that sends more is not believed."""

Method = Literal["GET", "POST", "PUT", "PATCH", "HEAD", "DELETE"]
Grade = Literal["disconnected", "lan", "internet", "server"]
"""How far the machine gets: no network; an address of its own; something answers; the platform."""


class Call(Message, frozen=True, tag="uplink.call"):
    """Anybody: ask the platform this.

    Attributes:
        path: below `protocol.platform.ROOT`, or from the root of the host if it begins with ``//``.
        body: as it goes out; empty: none.
        key: the idempotency key of what counts; a header, and the reason why it may be sent again.
        timeout_s: for all of it; 0: what the settings say.
        etag: answer 304 without a body if it is still this.
        headers: others, by name; never an authorisation.
        bytes_per_s: send the body no faster than this; 0: as fast as it goes.
    """

    delivery: ClassVar[Delivery] = Delivery.EVENT

    method: Method
    path: str
    body: bytes = b""
    content_type: str = "application/json"
    key: str = ""
    timeout_s: float = 0.0
    etag: str = ""
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    bytes_per_s: float = 0.0


class Called(Message, frozen=True, tag="uplink.called"):
    """Link: the platform's answer, whatever it is.

    Attributes:
        body: of a success what stands in ``data``, of a failure all of it; JSON either way.
        retry_after_s: the platform asks to wait so long; None: it says nothing.
    """

    delivery: ClassVar[Delivery] = Delivery.EVENT

    status: int
    body: bytes = b""
    etag: str = ""
    retry_after_s: float | None = None
    headers: dict[str, str] = msgspec.field(default_factory=dict)


class LinkChanged(Message, frozen=True, tag="uplink.link_changed"):
    """Link: the platform can be reached, from now on or no more.

    Attributes:
        path: its name in the settings: ``tunnel``, ``direct``, ``local``; empty: none.
        welcome: its answer to our birth; None until it has been born there.
    """

    is_open: bool
    grade: Grade
    path: str = ""
    welcome: Welcome | None = None


class DescribeLink(Message, frozen=True, tag="uplink.describe_link"):
    """Anybody: how does the way stand?"""


class Stage(Message, frozen=True, tag="uplink.stage"):
    """How far a path gets.

    Attributes:
        reached: the last stage that worked: ``nothing``, ``dns``, ``tcp``, ``tls``, ``http``.
        detail: why no further.
        good_for_s: for how long it has been good without a break; None: it is not.
    """

    path: str
    url: str
    reached: str
    detail: str = ""
    took_s: float = 0.0
    good_for_s: float | None = None


class LinkDescribed(Message, frozen=True, tag="uplink.link_described"):
    """Link: like this; every path with its stages.

    Attributes:
        clock_off_s: how far the machine's wall clock is from the platform's; None: not known.
    """

    grade: Grade
    path: str
    stages: tuple[Stage, ...]
    enrolled: bool
    rvm_id: int | None = None
    token_left_s: float | None = None
    paused: tuple[str, ...] = ()
    clock_off_s: float | None = None


class Rung(Message, frozen=True, tag="uplink.rung"):
    """Channel: the platform has rung, or the socket is subscribed again and may have missed it.

    Attributes:
        event: its name without a namespace: ``command``, ``settings``; empty: after a subscription.
    """

    event: str = ""


class Reached(Message, frozen=True, tag="uplink.reached"):
    """Sync, commands: so far we are; None: the other one's matter. For birth and heartbeat."""

    settings_version: int | None = None
    commands_after: int | None = None


class Rebirth(Message, frozen=True, tag="uplink.rebirth"):
    """Reports: the platform does not know this run (`Pulse.rebirth`); say it again."""


UplinkMessage = (
    Call | Called | LinkChanged | DescribeLink | Stage | LinkDescribed | Rung | Reached | Rebirth
)
