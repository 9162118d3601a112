"""One path to the platform: a URL, the address behind it, its connections, and how far it gets.

A probe asks for the name's addresses, connects to each in turn, and goes on to ``GET /up`` until
one answers in JSON; what gets through is used for the calls that follow, so that none of them
waits for a name server. An address that has got through is tried again for a day when the name
cannot be resolved, or resolves to something that is not the platform; the certificate is checked
against the name all the same.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from actors.uplink.resolving import Fixed, Resolving, check_near
from models.uplink import answers
from models.uplink.addresses import is_address
from models.uplink.grade import STAGES
from protocol.platform import ROOT
from protocol.uplink import BODY_BYTES_MAX
from supervisors.clock import Clock

PROBE_S = 8.0
"""For all stages of a probe: a path that needs longer is none, as long as there is another."""
_KNOWN_S = 86_400.0
_NAME_S = 2.0
"""A name server may take so long where an address is known; without one, all the time there is."""
_ADDRESSES_MAX = 4
_CHUNK_BYTES = 16 << 10
_KEEP_ALIVE_S = 75.0
"""Longer than the pause between two heartbeats; nginx closes after as long."""
_CONNECTIONS_MAX = 8
_UP = "/up"


class CallFailed(Exception):
    """There is no answer.

    Attributes:
        code: see `protocol.uplink`.
        detail: a sentence for people.
        is_heard: the platform may have heard it all the same.
    """

    def __init__(self, code: str, detail: str, *, is_heard: bool = False) -> None:
        """Args: code: see the class."""
        detail = sayable(detail)
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.is_heard = is_heard


class Probed(NamedTuple):
    """How far a path gets; ``http`` is all the way."""

    reached: str
    detail: str
    took_s: float


class Answer(NamedTuple):
    """What came back; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class Way:
    """See the module.

    Attributes:
        name: in the settings.
        url: without a slash at its end.
        probed: the last probe; None: not yet.
    """

    def __init__(
        self, name: str, url: str, context: ssl.SSLContext, connect_timeout_s: float, clock: Clock
    ) -> None:
        """Args: context: for TLS, if the URL wants it."""
        self.name = name
        self.url = url.rstrip("/")
        self.probed: Probed | None = None
        self._context = context
        self._connect_timeout_s = connect_timeout_s
        self._clock = clock
        self._resolver = Fixed()
        self._resolving = Resolving()
        self._known: dict[str, float] = {}  # addresses that got through, and when; last one last
        self._session: aiohttp.ClientSession | None = None
        self._reached = STAGES[0]

    # -- calls ----------------------------------------------------------------------------------

    def where(self, path: str) -> str:
        """The URL of a path below this one, or, with two slashes, below the host."""
        if not path.startswith("//"):
            return f"{self.url}{path}"
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}{path[1:]}"

    async def send(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes = b"",
        *,
        timeout_s: float,
        bytes_per_s: float = 0.0,
    ) -> Answer:
        """One request over this path, once.

        Raises:
            CallFailed: there is no answer, or none of the platform.
        """
        if self._session is None:
            self._session = self._make_session(self._resolver)
        timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=self._connect_timeout_s)
        data = _paced(body, bytes_per_s) if bytes_per_s > 0 else body or None
        lengths = {"Content-Length": str(len(body))} if bytes_per_s > 0 else {}
        return await _request(
            self._session,
            method,
            self.where(path),
            {**headers, **lengths},
            data,
            timeout,
            in_envelope=path.startswith(ROOT),
        )

    def _make_session(self, resolver: Fixed, *, once: bool = False) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            resolver=resolver,
            ssl=self._context,
            use_dns_cache=False,
            limit=_CONNECTIONS_MAX,
            force_close=once,
            keepalive_timeout=None if once else _KEEP_ALIVE_S,
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
            skip_auto_headers=("User-Agent",),
        )

    async def close(self) -> None:
        """Let go of all connections; the next call makes new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    # -- probes ---------------------------------------------------------------------------------

    async def probe(self) -> Probed:
        """Find out how far this path gets now."""
        began_s, self._reached, detail = self._clock.monotonic(), STAGES[0], ""
        try:
            await asyncio.wait_for(self._stages(), PROBE_S)
        except asyncio.TimeoutError:
            detail = f"no further within {PROBE_S:g} s"
        except (OSError, ValueError, CallFailed, aiohttp.ClientError) as error:
            detail = why(error)
        took_s = self._clock.monotonic() - began_s
        self.probed = Probed(self._reached, detail, round(took_s, 3))
        return self.probed

    async def _stages(self) -> None:
        parts = urlsplit(self.url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        addresses = await self._addresses(parts.hostname or "", port)
        if parts.scheme != "https":
            check_near(addresses)
        self._get_to("dns")
        *others, last = addresses
        for address in others:
            try:
                await asyncio.wait_for(self._try(address, port), PROBE_S / len(addresses))
            except (OSError, asyncio.TimeoutError, CallFailed):
                continue
            return
        await self._try(last, port)

    async def _addresses(self, host: str, port: int) -> list[str]:
        if is_address(host):
            return [host]
        now_s = self._clock.monotonic()
        self._known = {at: s for at, s in self._known.items() if now_s - s < _KNOWN_S}
        known = list(reversed(self._known))
        try:
            patience_s = _NAME_S if known else PROBE_S
            fresh = await asyncio.wait_for(self._resolving.ask(host, port), patience_s)
        except (OSError, ValueError, asyncio.TimeoutError):
            if not known:
                raise
            fresh = []
        return list(dict.fromkeys((*fresh[:_ADDRESSES_MAX], *known[:_ADDRESSES_MAX])))

    async def _try(self, address: str, port: int) -> None:
        _, writer = await asyncio.open_connection(address, port)
        writer.close()
        self._get_to("tcp")
        resolver = Fixed()
        resolver.address = address
        timeout = aiohttp.ClientTimeout(total=PROBE_S)
        async with self._make_session(resolver, once=True) as session:
            answer = await self._up(session, timeout)
        if answer.status >= 500 or not answer.body:  # noqa: PLR2004 - what HTTP calls its fault
            raise CallFailed("strange", f"{_UP} answers {answer.status}")
        self._get_to("http")
        self._resolver.address = address
        self._known.pop(address, None)
        self._known[address] = self._clock.monotonic()

    async def _up(self, session: aiohttp.ClientSession, timeout: aiohttp.ClientTimeout) -> Answer:
        try:
            answer = await _request(session, "GET", self.where(_UP), {}, None, timeout)
        except CallFailed as error:
            if error.is_heard:
                self._get_to("tls")
            raise
        self._get_to("tls")
        return answer

    def _get_to(self, stage: str) -> None:
        if stage == "tls" and not self.url.startswith("https"):
            return
        if STAGES.index(stage) > STAGES.index(self._reached):
            self._reached = stage


async def _request(
    session: aiohttp.ClientSession,
    method: str,
    url: str,
    headers: Mapping[str, str],
    data: object,
    timeout: aiohttp.ClientTimeout,
    *,
    in_envelope: bool = False,
) -> Answer:
    try:
        async with session.request(
            method,
            URL(url, encoded=True),
            headers=headers,
            data=data,
            timeout=timeout,
            allow_redirects=False,
        ) as response:
            body = await _limited(response)
            names = {name.lower(): sayable(text) for name, text in response.headers.items()}
            kind = names.get("content-type", "")
            read = answers.read(response.status, kind, body, in_envelope=in_envelope)
            return Answer(read.status, names, read.body)
    except answers.Strange as error:
        raise CallFailed("strange", str(error), is_heard=True) from None
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        raise CallFailed("no_way", why(error)) from None
    except asyncio.TimeoutError:
        detail = f"no answer within {timeout.total:.3g} s"
        raise CallFailed("timeout", detail, is_heard=True) from None
    except aiohttp.ClientResponseError as error:  # no HTTP at all
        raise CallFailed("strange", why(error), is_heard=True) from None
    except (aiohttp.ClientError, OSError) as error:
        raise CallFailed("broken", why(error), is_heard=True) from None


async def _limited(response: aiohttp.ClientResponse) -> bytes:
    """The body, if it is of a size and kind that the platform sends."""
    encoding = response.headers.get("Content-Encoding", "identity").lower()
    if encoding != "identity":  # nobody asked for it, and 1 MB may unfold to 1 GB
        raise answers.Strange(f"{response.status} with content encoded as {encoding[:20]}")
    body = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            response.close()
            raise answers.Strange(f"{response.status} with more than {BODY_BYTES_MAX} bytes")
    return bytes(body)


async def _paced(body: bytes, bytes_per_s: float) -> AsyncIterator[bytes]:
    """A body that goes out no faster than this."""
    for at in range(0, len(body), _CHUNK_BYTES):
        chunk = body[at : at + _CHUNK_BYTES]
        yield chunk
        await asyncio.sleep(len(chunk) / bytes_per_s)


def sayable(text: str) -> str:
    """Without what was no text on the wire: aiohttp keeps such bytes, and no message can."""
    return text.encode("utf-8", "replace").decode()


def why(error: BaseException) -> str:
    """An error in a line; of a certificate that is out of date, what else it may mean."""
    if isinstance(error, CallFailed):
        return error.detail
    cause = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
    text = f"{type(cause).__name__}: {cause}".rstrip(": ")
    if "not yet valid" in text or "has expired" in text:
        text += " (or this machine's clock is wrong)"
    return sayable(text)
