"""Publishing and asking by HTTP, as the official libraries do: ``/apps/ID/…``.

POST /apps/ID/events             one event to up to 100 channels
POST /apps/ID/batch_events       up to 10 events
GET  /apps/ID/channels           those with somebody in them
GET  /apps/ID/channels/C         one of them
GET  /apps/ID/channels/C/users   who is in a presence channel
GET  /apps/ID/connections        how many sockets there are
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import APIRouter, HTTPException, Request, Response
from msgspec import Meta, Struct

from server.clock import Clock
from server.pusher.channels import is_channel_name, kind_of
from server.pusher.hearing import EVENT_CHARACTERS_MAX
from server.pusher.hub import Hub
from server.pusher.room import Room
from server.pusher.signed import why_unsigned

_Name = Annotated[str, Meta(min_length=1, max_length=EVENT_CHARACTERS_MAX)]
_ENVELOPE_BYTES = 32 * 1024
"""Of a request besides its events' data: a hundred names of channels fit."""
_AS_TEXT_MAX = 6
"""Times by which a text may grow when JSON escapes it."""
_T = TypeVar("_T")


class Event(Struct, frozen=True):
    """To one channel or to several.

    Attributes:
        data: a text; mostly, but not always, of JSON.
        socket_id: who need not be told.
        info: ask about the channels in the same breath: ``subscription_count,user_count``.
    """

    name: _Name
    data: str
    channels: tuple[str, ...] = ()
    channel: str | None = None
    socket_id: str | None = None
    info: str | None = None

    @property
    def goes_to(self) -> tuple[str, ...]:
        """Every channel that is named, once."""
        return tuple(dict.fromkeys((*self.channels, *((self.channel,) if self.channel else ()))))


class Batch(Struct, frozen=True):
    """Several events; each to one channel."""

    batch: tuple[Event, ...]


def publish_routes(hub: Hub, clock: Clock) -> APIRouter:
    """The HTTP side of this hub."""
    api = _Api(hub, clock)
    routes = APIRouter(prefix="/apps/{app_id}", include_in_schema=False)
    routes.add_api_route("/events", api.publish, methods=["POST"])
    routes.add_api_route("/batch_events", api.publish_batch, methods=["POST"])
    routes.add_api_route("/channels", api.channels)
    routes.add_api_route("/channels/{channel}", api.channel)
    routes.add_api_route("/channels/{channel}/users", api.users)
    routes.add_api_route("/connections", api.connections)
    return routes


class _Api:
    """One method per path."""

    def __init__(self, hub: Hub, clock: Clock) -> None:
        self._hub = hub
        self._clock = clock
        self._limits = hub.limits

    async def publish(self, request: Request, app_id: str) -> Response:
        body = await self._checked(request, app_id, self._limits.frame_bytes)
        event = _read(body, Event)
        _check(self._hub, event)
        return _json(_publish(self._hub, event))

    async def publish_batch(self, request: Request, app_id: str) -> Response:
        limits = self._limits
        body = await self._checked(request, app_id, limits.batch * limits.frame_bytes)
        events = _read(body, Batch).batch
        if len(events) > limits.batch:
            raise HTTPException(422, f"More than {limits.batch} events")
        for event in events:
            _check(self._hub, event)
        answers = [_publish(self._hub, event) for event in events]
        return _json({"batch": answers} if any(answers) else {})

    async def channels(self, request: Request, app_id: str) -> Response:
        await self._checked(request, app_id)
        prefix = request.query_params.get("filter_by_prefix", "")
        wanted = _wanted(request.query_params.get("info"))
        if "user_count" in wanted and not prefix.startswith("presence-"):
            raise HTTPException(400, "user_count needs filter_by_prefix=presence-")
        rooms = self._hub.rooms(prefix)
        return _json({"channels": {room.name: _about(room, wanted) for room in rooms}})

    async def channel(self, request: Request, app_id: str, channel: str) -> Response:
        await self._checked(request, app_id)
        room = self._hub.room(channel)
        wanted = _wanted(request.query_params.get("info"))
        return _json({"occupied": room is not None, **_about(room or Room(channel), wanted)})

    async def users(self, request: Request, app_id: str, channel: str) -> Response:
        await self._checked(request, app_id)
        if not kind_of(channel).is_presence:
            raise HTTPException(400, "Not a presence channel")
        room = self._hub.room(channel)
        return _json({"users": [{"id": user_id} for user_id in (room.users if room else ())]})

    async def connections(self, request: Request, app_id: str) -> Response:
        await self._checked(request, app_id)
        return _json({"connections": self._hub.socket_count})

    async def _checked(self, request: Request, app_id: str, data_bytes: int = 0) -> bytes:
        """The body of a request that its sender may make.

        Args:
            data_bytes: how much data of events may be in it.
        """
        app = self._hub.app
        if app_id != app.id:
            raise HTTPException(404, "Unknown app")
        body = await _body(request, data_bytes * _AS_TEXT_MAX + _ENVELOPE_BYTES)
        query = request.query_params.multi_items()
        # Not request.url: the client's Host header is a part of that.
        path, now_s = request.scope["path"], self._clock.wall_s()
        wrong = why_unsigned(app, request.method, path, query, body, now_s, self._limits.clock_s)
        if wrong:
            raise HTTPException(401, wrong)
        return body


async def _body(request: Request, bytes_max: int) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > bytes_max:
            raise HTTPException(413, "The request is too large")
    return bytes(body)


def _read(body: bytes, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise HTTPException(422, str(error)) from None


def _check(hub: Hub, event: Event) -> None:
    if not 1 <= len(event.goes_to) <= hub.limits.publish_channels:
        raise HTTPException(422, f"1 to {hub.limits.publish_channels} channels")
    if not all(is_channel_name(channel) for channel in event.goes_to):
        raise HTTPException(422, "No name of a channel")
    if len(event.data.encode()) > hub.limits.frame_bytes:
        raise HTTPException(413, f"data is longer than {hub.limits.frame_bytes} bytes")


def _publish(hub: Hub, event: Event) -> dict[str, Any]:
    """Tell everybody; the answer says of the channels what was asked."""
    for channel in event.goes_to:
        hub.publish(channel, event.name, event.data, but=event.socket_id or "")
    wanted = _wanted(event.info)
    if not wanted:
        return {}
    rooms = {channel: hub.room(channel) or Room(channel) for channel in event.goes_to}
    about = {channel: _about(room, wanted) for channel, room in rooms.items()}
    return about[event.channel] if event.channel else {"channels": about}


def _wanted(info: str | None) -> frozenset[str]:
    return frozenset(info.split(",")) if info else frozenset()


def _about(room: Room, wanted: frozenset[str]) -> dict[str, int]:
    about = {}
    if "subscription_count" in wanted:
        about["subscription_count"] = len(room.members)
    if "user_count" in wanted and room.kind.is_presence:
        about["user_count"] = len(room.users)
    return about


def _json(answer: dict[str, Any]) -> Response:
    return Response(msgspec.json.encode(answer), media_type="application/json")
