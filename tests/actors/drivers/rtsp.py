"""An RTSP camera on the loopback: JPEG over RTP (RFC 2435), inside the RTSP connection."""

import socket
import struct
import threading

import cv2
import numpy as np

_SDP = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
    "m=video 0 RTP/AVP 26\r\na=control:track0\r\n"
)
_PAYLOAD_BYTES = 1400
_CLOCK_HZ = 90_000
_DQT, _SOS, _EOI = 0xDB, 0xDA, b"\xff\xd9"


def split_jpeg(picture):
    """Quantisation tables and scan of a picture, as RTP sends them."""
    jpeg = cv2.imencode(".jpg", picture)[1].tobytes()
    tables, at = b"", 2
    while True:
        marker, length = jpeg[at + 1], int.from_bytes(jpeg[at + 2 : at + 4], "big")
        body = jpeg[at + 4 : at + 2 + length]
        if marker == _DQT:
            tables += b"".join(body[i + 1 : i + 65] for i in range(0, len(body), 65))
        at += 2 + length
        if marker == _SOS:
            return tables, jpeg[at:].removesuffix(_EOI)


class RtspServer:
    """Serves noise to each client.

    Attributes:
        url: where it is.
        how: `alive`, or `freezes`: keeps the connection and sends no more.
    """

    def __init__(self, width, height, per_s):
        self.how = "alive"
        self._shape = (height, width, 3)
        self._per_s = per_s
        self._closed = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"rtsp://127.0.0.1:{self._listener.getsockname()[1]}/live"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with client:
            try:
                while self._answer(client):
                    pass
                self._play(client)
            except OSError:
                return

    def _answer(self, client):
        """Answer one request; False: play."""
        request = b""
        while b"\r\n\r\n" not in request:
            chunk = client.recv(4096)
            if not chunk:
                raise OSError
            request += chunk
        method, _, rest = request.decode().partition(" ")
        sequence = next(line for line in rest.split("\r\n") if line.lower().startswith("cseq"))
        more, body = {
            "OPTIONS": ("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n", ""),
            "DESCRIBE": (f"Content-Type: application/sdp\r\nContent-Length: {len(_SDP)}\r\n", _SDP),
            "SETUP": ("Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n", ""),
        }.get(method, ("Session: 1\r\n", ""))
        client.sendall(f"RTSP/1.0 200 OK\r\n{sequence}\r\n{more}\r\n{body}".encode())
        return method != "PLAY"

    def _play(self, client):
        rng, number, frame = np.random.default_rng(), 0, 0
        while not self._closed.wait(1 / self._per_s):
            if self.how != "alive":
                continue
            picture = rng.integers(0, 256, self._shape, dtype=np.uint8)
            frame += 1
            for payload, is_last in self._payloads(picture):
                number += 1
                stamp = frame * _CLOCK_HZ // self._per_s
                head = struct.pack(">BBHII", 0x80, 26 | is_last << 7, number & 0xFFFF, stamp, 1)
                client.sendall(struct.pack(">cBH", b"$", 0, 12 + len(payload)) + head + payload)

    def _payloads(self, picture):
        tables, scan = split_jpeg(picture)
        height, width = picture.shape[:2]
        for at in range(0, len(scan), _PAYLOAD_BYTES):
            head = struct.pack(">IBBBB", at, 1, 255, width // 8, height // 8)
            if at == 0:
                head += struct.pack(">BBH", 0, 0, len(tables)) + tables
            yield head + scan[at : at + _PAYLOAD_BYTES], at + _PAYLOAD_BYTES >= len(scan)

    def close(self):
        self._closed.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
