"""All sockets and all channels of this server.

Nothing here waits: publishing leaves a letter with every member. One task of the hub looks every
few seconds for sockets that have fallen silent, whether they are subscribed to anything or not.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from protocol.platform.pusher import write_frame
from server.bell import PusherApp
from server.clock import Clock
from server.pusher import frames
from server.pusher.channels import kind_of
from server.pusher.limits import Limits
from server.pusher.room import Member, Room
from server.pusher.socket import Socket


class Hub:
    """See the module.

    Attributes:
        app: whose it is; known when it runs. Until then nobody has the key.
        limits: what it allows.
        monotonic_s: a clock that never jumps.
    """

    def __init__(self, clock: Clock, limits: Limits | None = None) -> None:
        self.app = PusherApp("", "", "")
        self.limits = limits or Limits()
        self.monotonic_s = clock.monotonic_s
        self._sockets: dict[str, Socket] = {}
        self._rooms: dict[str, Room] = {}
        self._open_rooms = 0  # of these, those that need no signature
        self._last_events: OrderedDict[str, str] = OrderedDict()
        self._is_closing = False
        self._is_empty = asyncio.Event()

    # -- life -------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def running(self, app: PusherApp) -> AsyncIterator[None]:
        """Look after the sockets of this app; at the end take leave of them."""
        self.app = app
        keeper = asyncio.create_task(self._keep())
        try:
            yield
        finally:
            await self.close()
            keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeper

    async def close(self) -> None:
        """Tell everybody to come back, and wait for a moment until they have gone."""
        self._is_closing = True
        began_s = self.monotonic_s()
        for socket in self._sockets.values():
            socket.say_goodbye(4200, "The server is restarting", began_s)
        if self._sockets:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._is_empty.wait(), self.limits.goodbye_s)
        for socket in list(self._sockets.values()):
            socket.drop()

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self.limits.sweep_s)
            self.sweep()

    def sweep(self) -> None:
        """Ask the silent, close those that do not answer, drop those that do not go."""
        now_s, limits = self.monotonic_s(), self.limits
        for socket in list(self._sockets.values()):
            if socket.ending_s is not None:
                if now_s - socket.ending_s >= limits.goodbye_s:
                    socket.drop()
            elif socket.pinged_s is not None:
                if now_s - socket.pinged_s >= limits.pong_s:
                    socket.say_goodbye(4201, "Pong reply not received in time", now_s)
            elif now_s - socket.heard_s >= limits.activity_s:
                socket.pinged_s = now_s
                socket.tell(frames.PING, now_s)

    # -- sockets ----------------------------------------------------------------------------

    def admit(self, drop: Callable[[], object]) -> Socket:
        """A client has connected; one too many is told so and sent away."""
        now_s = self.monotonic_s()
        socket = Socket(self._new_id(), self.limits, now_s, drop)
        if self._is_closing:
            socket.say_goodbye(4200, "The server is restarting", now_s)
        elif len(self._sockets) >= self.limits.sockets:
            socket.say_goodbye(4100, "Over connection quota", now_s)
        else:
            socket.tell(frames.established(socket.socket_id, self.limits.activity_s), now_s)
        self._sockets[socket.socket_id] = socket
        return socket

    def leave(self, socket: Socket) -> None:
        """Its connection has ended."""
        for channel in list(socket.channels):
            self.part(socket, channel)
        del self._sockets[socket.socket_id]
        if self._is_closing and not self._sockets:
            self._is_empty.set()

    def _new_id(self) -> str:
        while True:
            socket_id = f"{secrets.randbelow(10**9)}.{secrets.randbelow(10**9)}"
            if socket_id not in self._sockets:
                return socket_id

    # -- channels ---------------------------------------------------------------------------

    def join(self, socket: Socket, channel: str, member: Member | None) -> None:
        """Let it into a channel, and tell it and the others."""
        now_s = self.monotonic_s()
        room = self._rooms.get(channel) or self._new_room(channel)
        if room is None or room.is_full_for(member, self.limits.members):
            socket.tell(frames.error(4100, "No room for this subscription"), now_s)
            return
        if socket not in room.members:
            socket.channels.add(channel)
            if room.join(socket, member) and member is not None:
                self._tell(room, frames.member_added(channel, *member), socket)
        socket.tell(
            frames.subscribed(channel, room.users if room.kind.is_presence else None), now_s
        )
        if room.kind.is_cached:
            socket.tell(self._last_events.get(channel) or frames.cache_miss(channel), now_s)

    def _new_room(self, channel: str) -> Room | None:
        """For who is to be let in at once; None: there are too many that anybody may make."""
        room = Room(channel)
        if not room.kind.is_private:
            if self._open_rooms >= self.limits.open_channels:
                return None
            self._open_rooms += 1
        self._rooms[channel] = room
        return room

    def part(self, socket: Socket, channel: str) -> None:
        """Let it out of a channel; nothing happens if it is not in it."""
        if channel not in socket.channels:
            return
        socket.channels.discard(channel)
        room = self._rooms[channel]
        gone = room.part(socket)
        if not room.members:
            del self._rooms[channel]
            self._open_rooms -= not room.kind.is_private
        elif gone is not None:
            self._tell(room, frames.member_removed(channel, gone.user_id), None)

    def publish(self, channel: str, event: str, data: str, but: str = "") -> None:
        """Tell everybody in the channel.

        Args:
            data: as it goes out: a text, mostly of JSON.
            but: socket id of who knows already.
        """
        frame = write_frame(event, data, channel)
        if kind_of(channel).is_cached:
            self._remember(channel, frame)
        if room := self._rooms.get(channel):
            self._tell(room, frame, self._sockets.get(but))

    def relay(self, socket: Socket, channel: str, event: str, data: Any) -> None:
        """Tell the others in the channel what one of them has said."""
        room = self._rooms[channel]
        member = room.members[socket]
        user_id = member.user_id if member else ""
        self._tell(room, write_frame(event, data, channel, user_id=user_id), socket)

    def _tell(self, room: Room, frame: str, but: Socket | None) -> None:
        now_s = self.monotonic_s()
        for socket in room.members:
            if socket is not but:
                socket.tell(frame, now_s)

    def _remember(self, channel: str, frame: str) -> None:
        self._last_events[channel] = frame
        self._last_events.move_to_end(channel)
        if len(self._last_events) > self.limits.cached:
            self._last_events.popitem(last=False)

    # -- questions --------------------------------------------------------------------------

    @property
    def socket_count(self) -> int:
        """Connections, subscribed or not."""
        return len(self._sockets)

    def rooms(self, prefix: str = "") -> Iterator[Room]:
        """Channels with somebody in them."""
        return (room for name, room in self._rooms.items() if name.startswith(prefix))

    def room(self, channel: str) -> Room | None:
        """This channel; None: nobody is in it."""
        return self._rooms.get(channel)
