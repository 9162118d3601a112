"""Who may listen to which channel: Laravel's ``/broadcasting/auth``."""

from __future__ import annotations

import msgspec
from fastapi import APIRouter, Request, Response

from protocol.platform.pusher import channel_signature
from server.bell import machine_channel, user_channel
from server.http.answers import JSON
from server.http.bodies import read_body
from server.http.callers import Anybody, Caller
from server.http.described import talk
from server.http.problems import Refused, invalid
from server.payloads.customers import Signed
from server.rules.subscriptions import read_form
from server.services import Here

router = APIRouter(tags=["broadcasting"])

_FORM = {"socket_id": {"type": "string"}, "channel_name": {"type": "string"}}


@router.post("/broadcasting/auth", **talk(None, Signed, form=_FORM, is_wrapped=False))
async def sign_subscription(request: Request, here: Here, who: Anybody) -> Response:
    """Allow a socket to listen: everybody to the channel of his own, and to no other."""
    wish = read_form(await read_body(request))
    if wish is None:
        raise invalid("socket_id", "A form with the fields socket_id and channel_name.")
    if wish.channel != _own_channel(who):
        raise Refused(403)
    signature = channel_signature(here.pusher.secret, wish.socket_id, wish.channel)
    return Response(msgspec.json.encode(Signed(f"{here.pusher.key}:{signature}")), media_type=JSON)


def _own_channel(who: Caller) -> str | None:
    if who.kind == "machine":
        return machine_channel(who.id)
    return user_channel(who.name) if who.kind == "user" else None
