"""Messages to msgpack and back, and msgpack frames out of a byte stream, with hard limits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Generic, TypeVar

import msgpack
import msgspec

from protocol.envelope import MAX_FRAME_BYTES
from protocol.errors import FrameTooLarge, LocalProtocolError, RemoteProtocolError
from protocol.message import Message

M = TypeVar("M", bound=Message)

_encoder = msgspec.msgpack.Encoder()


def encode(message: Message) -> bytes:
    """A message as msgpack.

    Raises:
        LocalProtocolError: a field holds something that msgpack cannot carry. The sender gets it,
            because the sender wrote it.
    """
    try:
        return _encoder.encode(message)
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
        msg = f"{type(message).__name__} cannot be encoded: {error}"
        raise LocalProtocolError(msg) from error


class Codec(Generic[M]):
    """Encodes and decodes one closed vocabulary (a message type or a union of them)."""

    def __init__(self, vocabulary: Any) -> None:
        """Args: vocabulary: a message type or a union of tagged message types."""
        self._decoder = msgspec.msgpack.Decoder(vocabulary)

    def encode(self, message: M) -> bytes:
        """As `encode`."""
        return encode(message)

    def decode(self, body: bytes | memoryview) -> M:
        """Read and validate one message.

        Raises:
            RemoteProtocolError: not msgpack, an unknown name, a missing or wrong field.
        """
        try:
            message: M = self._decoder.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise RemoteProtocolError(str(error)) from None
        return message


class StreamDecoder:
    """Cuts a byte stream from an untrusted peer into msgpack objects, with hard limits.

    Nothing is built from what the peer sends, and nothing allocated from a length that it merely
    claims: objects are skipped over, and their bytes cut out for a `Codec` to decode with
    validation. No more than the limit and one piece of input is ever held.
    """

    def __init__(self, limit_bytes: int = MAX_FRAME_BYTES) -> None:
        """Args: limit_bytes: the longest object accepted."""
        self._limit_bytes = limit_bytes
        self._held = bytearray()
        self._cut_at = 0
        self._unpacker = msgpack.Unpacker(max_buffer_size=2 * limit_bytes)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Add received bytes; yield each complete object's bytes.

        Raises:
            FrameTooLarge: an object longer than the limit.
            RemoteProtocolError: the bytes are not msgpack.
        """
        for at in range(0, len(data), self._limit_bytes):
            piece = data[at : at + self._limit_bytes]
            self._held += piece
            self._unpacker.feed(piece)
            while self._skip_one():
                yield self._cut()
            self._check_length(len(self._held))

    def _skip_one(self) -> bool:
        """Step over the next object; False when it is not all there yet."""
        try:
            self._unpacker.skip()
        except msgpack.OutOfData:
            return False
        except (ValueError, msgpack.UnpackException) as error:
            msg = f"not msgpack: {type(error).__name__} {error}"
            raise RemoteProtocolError(msg) from None
        return True

    def _cut(self) -> bytes:
        length = self._unpacker.tell() - self._cut_at
        self._check_length(length)
        frame = bytes(self._held[:length])
        del self._held[:length]
        self._cut_at += length
        return frame

    def _check_length(self, length: int) -> None:
        if length > self._limit_bytes:
            msg = f"frame longer than {self._limit_bytes} bytes"
            raise FrameTooLarge(msg)
