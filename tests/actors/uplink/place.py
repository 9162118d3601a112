"""A link in its neighbourhood: a key, a storage that the test speaks for, and a listener."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from actors.session.keys import device_key
from actors.uplink import Link
from actors.uplink.identity import Mark, write_mark
from config.settings import UplinkSettings
from models.claims import public_key
from protocol.storage import DescribeStore, StoreDescribed
from protocol.uplink import Call, Called, LinkChanged
from supervisors import ChildSpec
from supervisors.testing import Probe
from tests.actors.runtime import tree

HARDWARE_ID = "rvm-1"
STORE = StoreDescribed(0, 0, 0, 41, "", 0, 0, 0, {}, {})


class Place:
    """The test's hands on it."""

    def __init__(self, sup: Any, events: Any, listener: Probe) -> None:
        self.sup = sup
        self.events = events
        self.listener = listener

    def opened(self) -> LinkChanged:
        """Wait until it is open."""
        while True:
            changed = self.listener.expect(LinkChanged)
            if changed.is_open:
                return changed

    def closed(self) -> LinkChanged:
        """Wait until it is closed."""
        while True:
            changed = self.listener.expect(LinkChanged)
            if not changed.is_open:
                return changed

    def call(self, method: str, path: str, body: bytes = b"", **more: Any) -> Called:
        return self.sup.request(
            "link", Call(method, path, body, **more), reply=Called, timeout_s=20
        )

    @property
    def facts(self) -> dict[str, Any]:
        return self.sup.rows["link"].running.vitals.facts


def limits(url: str | None, **more: Any) -> UplinkSettings:
    """Settings with short times."""
    settings = {
        "server_url": url,
        "allow_plain_http": True,
        "probe_s": 0.2,
        "return_after_s": 0.5,
        "call_timeout_s": 10.0,
    }
    return UplinkSettings(**{**settings, **more})


def key_of(tmp_path: Path, *, enrolled: bool = True) -> tuple[Path, str]:
    """A device key's file and its public half."""
    file = tmp_path / "keys" / "device.key"
    public = public_key(device_key(file).key).hex()
    if enrolled:
        write_mark(file, Mark(HARDWARE_ID, 7))
    return file, public


@contextmanager
def place(settings: UplinkSettings, key_file: Path, **more: Any) -> Iterator[Place]:
    storage = Probe(DescribeStore, answers={DescribeStore: STORE})
    listener = Probe(LinkChanged)
    args = {
        "limits": settings,
        "hardware_id": HARDWARE_ID,
        "key_file": str(key_file),
        "listeners": ("/listener",),
        **more,
    }
    link = ChildSpec("link", Link, args=args)
    with tree(storage.spec("storage"), link, listener.spec("listener")) as (sup, events):
        yield Place(sup, events, listener)
