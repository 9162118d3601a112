"""What the Pusher server allows."""

from __future__ import annotations

from dataclasses import dataclass

from protocol.platform.pusher import FRAME_BYTES_MAX


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds, each with its reason.

    Attributes:
        sockets: one process has been tried with 5 000; file descriptors are the next bound.
        waiting: frames per socket. Who leaves more unread than this is not listening.
        frame_bytes: of a client's message, and of a published event's data.
        messages: a client may send so many at once; a hundred subscriptions after a reconnect fit.
        messages_per_s: and so many for good. Pusher allows ten client events a second.
        excess: messages refused before the socket is closed: it does not read its errors.
        channels: per socket.
        open_channels: all together that need no signature: anybody who has the public key makes
            them by subscribing. The platform's own channels are all signed.
        members: users of a presence channel; each join is told to all of them. Pusher's number.
        user_id_characters, user_bytes: of one of them, and of what is told about him. Pusher's
            numbers: who joins is told of all the others in one frame.
        cached: cache channels whose last event is kept.
        publish_channels, batch: of one request. Pusher's numbers.
        activity_s: a client that has heard nothing for so long asks whether we are still there;
            we ask one that has said nothing for so long. Reverb's number.
        pong_s: for an answer to that; then the socket is closed.
        sweep_s: between two looks for silent sockets.
        goodbye_s: for a client to take its close frame, before its connection is dropped.
        clock_s: a publisher's clock may be off by so much; Pusher's number.
    """

    sockets: int = 10_000
    waiting: int = 64
    frame_bytes: int = FRAME_BYTES_MAX
    messages: int = 120
    messages_per_s: float = 10.0
    excess: int = 60
    channels: int = 100
    open_channels: int = 10_000
    members: int = 100
    user_id_characters: int = 128
    user_bytes: int = 1024
    cached: int = 10_000
    publish_channels: int = 100
    batch: int = 10
    activity_s: float = 30.0
    pong_s: float = 30.0
    sweep_s: float = 5.0
    goodbye_s: float = 2.0
    clock_s: float = 600.0
