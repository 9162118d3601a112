"""One channel: who is in it, and whose sockets these are."""

from __future__ import annotations

from typing import Any, NamedTuple

from server.pusher.channels import kind_of
from server.pusher.socket import Socket


class Member(NamedTuple):
    """A user of a presence channel; may have several sockets in it."""

    user_id: str
    user_info: Any


class Room:
    """See the module.

    Attributes:
        members: by socket; None: not a presence channel.
        users: `user_info` by user id, in the order in which they came.
    """

    __slots__ = ("_sockets_of", "kind", "members", "name", "users")

    def __init__(self, name: str) -> None:
        self.name = name
        self.kind = kind_of(name)
        self.members: dict[Socket, Member | None] = {}
        self.users: dict[str, Any] = {}
        self._sockets_of: dict[str, int] = {}

    def join(self, socket: Socket, member: Member | None) -> bool:
        """Let it in. True: with it comes a user who was not here."""
        self.members[socket] = member
        if member is None:
            return False
        count = self._sockets_of.get(member.user_id, 0)
        self._sockets_of[member.user_id] = count + 1
        if count == 0:
            self.users[member.user_id] = member.user_info
        return count == 0

    def part(self, socket: Socket) -> Member | None:
        """Let it go. The answer: a user who has gone with it."""
        member = self.members.pop(socket)
        if member is None:
            return None
        self._sockets_of[member.user_id] -= 1
        if self._sockets_of[member.user_id]:
            return None
        del self._sockets_of[member.user_id]
        del self.users[member.user_id]
        return member

    def is_full_for(self, member: Member | None, members_max: int) -> bool:
        """Is there no room for one more user?"""
        return (
            member is not None
            and member.user_id not in self.users
            and len(self.users) >= members_max
        )
