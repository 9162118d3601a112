"""The peer: the Python end of an Erlang port with {packet, 4}; a short answer to each message."""

from __future__ import annotations

import os

_ANSWER = b"\x82\xa4type\xa9bench.ack\xa8sequence\xce\x00\x02\xd0\x93"
_PACKET = len(_ANSWER).to_bytes(4, "big") + _ANSWER


def main() -> None:
    buffer = b""
    while data := os.read(0, 65536):
        buffer = buffer + data if buffer else data
        while len(buffer) >= 4:
            end = 4 + int.from_bytes(buffer[:4], "big")
            if len(buffer) < end:
                break
            buffer = buffer[end:]
            os.write(1, _PACKET)


if __name__ == "__main__":
    main()
