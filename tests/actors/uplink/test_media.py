"""Uploads between a real outbox and a platform that the test speaks for."""

import asyncio
import hashlib
import json
from contextlib import contextmanager
from email.parser import BytesParser

import msgspec
import pytest

from actors.storage import Storage
from actors.uplink import Media
from actors.uplink.uploading import Uploading
from config.settings import StorageSettings, UplinkSettings
from models.uplink.uploads import KIND, WaitingFile
from protocol.message import Done, Failed
from protocol.platform.identity import Welcome
from protocol.platform.media import FileMetadata
from protocol.storage import (
    DepositRecord,
    DescribeStore,
    Outbox,
    PeekOutbox,
    PutOutbox,
    StoreDescribed,
)
from protocol.uplink import Call, Called, LinkChanged
from protocol.vision import EvidenceKept
from supervisors import Actor, ChildSpec, handles
from supervisors.testing import VirtualClock, eventually
from tests.actors.runtime import tree


class Shelf:
    """A platform's half of uploads."""

    def __init__(self, ways=("multipart",)) -> None:
        self.ways = ways
        self.files: dict[str, bytes] = {}
        self.pieces: dict[str, bytearray] = {}
        self.metadata: dict[str, dict] = {}
        self.calls: list[Call] = []
        self.before = lambda call: None

    def answer(self, call: Call) -> Called | Failed:
        self.calls.append(call)
        said = self.before(call)
        if said is not None:
            return said
        if call.path == "/files":
            return self.form(call)
        if call.path == "/uploads":
            metadata = json.loads(call.body)
            self.metadata["u-1"] = metadata
            there = self.pieces.setdefault("u-1", bytearray())
            return ok({"upload_id": "u-1", "offset": len(there), "size": metadata["size"]})
        return self.piece(call)

    def form(self, call: Call) -> Called:
        head = f"Content-Type: {call.content_type}\r\n\r\n".encode()
        metadata, file = BytesParser().parsebytes(head + call.body).get_payload()
        content = file.get_payload(decode=True)
        assert hashlib.sha256(content).hexdigest() == json.loads(metadata.get_payload())["sha256"]
        said = json.loads(metadata.get_payload())
        self.files[said["key"]] = content
        self.metadata[said["key"]] = said
        return ok({}, 201)

    def piece(self, call: Call) -> Called:
        there = self.pieces["u-1"]
        if call.method == "HEAD":
            return Called(200, headers={"upload-offset": str(len(there))})
        if call.path.endswith("/end"):
            metadata = self.metadata["u-1"]
            if hashlib.sha256(there).hexdigest() != metadata["sha256"]:
                there.clear()
                return Called(422, b'{"message": "no", "code": "digest"}')
            self.files[metadata["key"]] = bytes(there)
            return ok({})
        if int(call.headers["Upload-Offset"]) != len(there):
            return Called(409, b'{"message": "another offset"}')
        there += call.body
        return Called(204)

    def actor(self) -> type[Actor]:
        shelf = self

        class Link(Actor):
            @handles(Call)
            def call(self, message: Call) -> Called | Failed:
                return shelf.answer(message)

        return Link


def ok(data, status=200) -> Called:
    return Called(status, json.dumps(data).encode())


class Place:
    def __init__(self, sup, shelf, directory):
        self.sup, self.shelf, self.directory = sup, shelf, directory

    def put(self, name, content, *, gone=False, sha256=None):
        path = self.directory / name
        path.write_bytes(content)
        digest = sha256 or hashlib.sha256(content).hexdigest()
        metadata = FileMetadata(
            name, name, "image/jpeg", len(content), digest, "2026-01-01T00:00:00Z"
        )
        body = msgspec.msgpack.encode(WaitingFile(str(path), metadata))
        if gone:
            path.unlink()
        assert self.sup.request("storage", PutOutbox("media", name, KIND, body), reply=Done)

    def waiting(self, outbox="media"):
        return self.sup.request("storage", PeekOutbox(outbox), reply=Outbox).waiting

    def open(self):
        welcome = Welcome(7, 0.0, uploads=self.shelf.ways)
        self.sup.tell("media", LinkChanged(True, "server", "direct", welcome))

    @property
    def facts(self):
        return self.sup.rows["media"].running.vitals.facts


@contextmanager
def running(tmp_path, *ways, **more):
    shelf = Shelf(ways or ("multipart",))
    store = {"directory": str(tmp_path / "store"), "limits": StorageSettings(map_mb=8)}
    (tmp_path / "store").mkdir()
    limits = UplinkSettings(**{"upload_kb_per_s": 0.0, **more})
    with tree(
        ChildSpec("storage", Storage, args=store),
        ChildSpec("link", shelf.actor()),
        ChildSpec("media", Media, args={"limits": limits, "link": "/link"}),
    ) as (sup, _):
        yield Place(sup, shelf, tmp_path)


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr("actors.uplink.media._LATER_S", 0.1)


def test_a_small_picture_goes_in_a_form(tmp_path):
    content = bytes(range(256)) * 100
    with running(tmp_path, "multipart", "resumable") as here:
        here.put("a.jpg", content)
        here.open()
        eventually(lambda: here.waiting() == 0)
        assert here.shelf.files == {"a.jpg": content}


@pytest.mark.parametrize(("size", "pieces"), [(300_000, 2), (3_000_000, 4)])
def test_a_large_one_goes_in_pieces(tmp_path, size, pieces):
    """A small one first, to see how fast it goes."""
    content = bytes(number * number % 251 for number in range(1000)) * (size // 1000)
    with running(tmp_path, "multipart", "resumable") as here:
        here.put("a.jpg", content)
        here.open()
        eventually(lambda: here.waiting() == 0)
        assert here.shelf.files == {"a.jpg": content}
        sent = [call for call in here.shelf.calls if call.method == "PATCH"]
        assert len(sent[0].body) == 64 << 10
        assert len(sent) == pieces


def test_over_a_slow_way_pieces_are_small_and_have_time(tmp_path):
    """At 64 kbit/s a megabyte would take longer than anybody waits, and money would wait for it."""
    clock, shelf, content = VirtualClock(), Shelf(("resumable",)), bytes(400_000)

    async def send(call):
        clock.advance(len(call.body) / 8192)
        return shelf.answer(call)

    async def turn():
        pass

    (tmp_path / "a.jpg").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    metadata = FileMetadata("a.jpg", "a.jpg", "image/jpeg", len(content), digest, "2026-01-01")
    uploading = Uploading(send, clock, 0.0, 20.0, lambda *_: None, turn)
    uploading.ways = ("resumable",)
    asyncio.run(uploading.upload(WaitingFile(str(tmp_path / "a.jpg"), metadata)))
    sent = [call for call in shelf.calls if call.method == "PATCH"]
    assert shelf.files == {"a.jpg": content}
    assert {len(call.body) for call in sent[1:-1]} == {32 << 10}
    assert all(call.timeout_s > 20.0 + len(call.body) / 8192 for call in sent)


def test_a_way_that_breaks_in_the_middle_is_gone_on_with(tmp_path):
    content = bytes(3 << 20)
    with running(tmp_path, "resumable") as here:
        breaks = iter([False, True])

        def break_once(call):
            if call.method == "PATCH" and next(breaks, False):
                here.shelf.pieces["u-1"] += call.body[:1000]  # half of it had arrived
                return Failed("broken", "nobody knows")
            return None

        here.shelf.before = break_once
        here.put("a.jpg", content)
        here.open()
        eventually(lambda: here.waiting() == 0)
        assert here.shelf.files == {"a.jpg": content}
        assert sum(len(call.body) for call in here.shelf.calls if call.method == "PATCH") < 4 << 20


def test_pieces_that_do_not_fit_together_are_sent_anew_and_in_the_end_put_aside(tmp_path):
    with running(tmp_path, "resumable") as here:

        def spoil(call):
            if call.method == "PATCH":
                here.shelf.pieces["u-1"] += b"?" * len(call.body)
                return Called(204)
            return None

        here.shelf.before = spoil
        here.put("a.jpg", bytes(300_000))
        here.open()
        eventually(lambda: here.waiting() == 0)
        assert here.shelf.files == {}
        assert here.sup.request("storage", DescribeStore(), reply=StoreDescribed).dead["media"] == 1


def test_what_is_gone_or_changed_is_put_aside_and_the_others_go(tmp_path):
    with running(tmp_path) as here:
        here.put("gone.jpg", b"1", gone=True)
        here.put("changed.jpg", b"2", sha256="0" * 64)
        here.put("good.jpg", b"3")
        here.open()
        eventually(lambda: here.waiting() == 0)
        assert here.shelf.files == {"good.jpg": b"3"}
        assert here.facts["refused"] == 2


def test_one_that_has_to_wait_holds_up_no_other(tmp_path):
    with running(tmp_path) as here:
        answers = iter([Called(503, b""), Called(507, b"{}"), Failed("timeout", "late")])
        here.shelf.before = lambda call: next(answers, None) if b"slow.jpg" in call.body else None
        here.put("slow.jpg", b"1")
        here.put("good.jpg", b"2")
        here.open()
        eventually(lambda: here.waiting() == 0)
        assert list(here.shelf.files) == ["good.jpg", "slow.jpg"]


RECORD = DepositRecord("m-1-1", "review", "undecided", 1.8e9, 1.8e9, session="s-1", model="yolo")


def bundle(tmp_path, **files):
    folder = tmp_path / "evidence" / "m-1-1"
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name.replace("_", ".")).write_bytes(content)
    return str(folder)


def test_the_evidence_of_a_review_goes_to_the_platform_words_first(tmp_path):
    with running(tmp_path) as here:
        there = bundle(
            tmp_path,
            look1_jpg=b"picture",
            look1_json=b"{}",
            conclusion_json=b'{"beams_ms": {}}',
            _half_jpg=b"",
            notes_txt=b"not ours",
        )
        here.sup.tell("media", EvidenceKept(RECORD, there))
        eventually(lambda: here.waiting() == 3)
        here.open()
        eventually(lambda: here.waiting() == 0)
        assert list(here.shelf.files) == [
            "m-1-1/conclusion.json",
            "m-1-1/look1.json",
            "m-1-1/look1.jpg",
        ]
        said = here.shelf.metadata["m-1-1/look1.jpg"]
        assert (said["detection_id"], said["session_token"]) == ("m-1-1/detection", "s-1")
        assert said["more"] == {"deposit": "m-1-1", "state": "review", "reason": "undecided"}


@pytest.mark.parametrize(
    ("share", "state", "count"),
    [("off", "review", 0), ("review", "credited", 0), ("review", "review", 1), ("all", "void", 1)],
)
def test_only_what_the_settings_say_is_put_into_the_outbox(tmp_path, share, state, count):
    with running(tmp_path, evidence=share) as here:
        there = bundle(tmp_path, look1_jpg=b"picture")
        record = DepositRecord("m-1-1", state, "why", 1.0, 1.0)
        here.sup.tell("media", EvidenceKept(record, there))
        here.put("after.jpg", b"1")
        eventually(lambda: here.waiting() == count + 1)
        here.open()
        eventually(lambda: here.waiting() == 0)
        assert len(here.shelf.files) == count + 1


def test_evidence_that_the_quota_has_thrown_out_stops_nothing(tmp_path):
    with running(tmp_path) as here:
        here.sup.tell("media", EvidenceKept(RECORD, str(tmp_path / "gone")))
        here.put("a.jpg", b"1")
        here.open()
        eventually(lambda: here.waiting() == 0)
        assert list(here.shelf.files) == ["a.jpg"]


def test_money_goes_first(tmp_path):
    record = DepositRecord("m-1-1", "credited", "ok", 1.0, 1.0)
    money = PutOutbox("money", "m-1-1", "deposit", msgspec.msgpack.encode(record))
    with running(tmp_path) as here:
        assert here.sup.request("storage", money, reply=Done)
        here.put("a.jpg", b"1")
        here.open()
        eventually(lambda: "money" in here.facts.get("waiting_for", ""))
        assert here.shelf.calls == []
        from protocol.storage import AckOutbox, OutboxAcked

        here.sup.request("storage", AckOutbox("money", (1,)), reply=OutboxAcked)
        eventually(lambda: here.waiting() == 0)


def test_it_goes_no_faster_than_it_may(tmp_path):
    with running(tmp_path, upload_kb_per_s=32.0) as here:
        here.put("a.jpg", bytes(64 << 10))
        here.open()
        eventually(lambda: here.waiting() == 0)
        (call,) = here.shelf.calls
        assert call.bytes_per_s == 32 * 1024.0
        assert call.timeout_s > 2.0
