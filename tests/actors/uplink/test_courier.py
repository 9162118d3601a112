"""The courier between a real outbox and a platform that the test speaks for."""

import asyncio
import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import msgspec
import pytest

from actors.storage import Storage
from actors.uplink import Courier
from config.settings import StorageSettings, UplinkSettings
from protocol.message import Done, Failed
from protocol.platform.reports import Event, Sample
from protocol.storage import (
    DepositRecord,
    DescribeStore,
    Outbox,
    PeekOutbox,
    PutOutbox,
    SessionRecord,
    StoreDescribed,
)
from protocol.uplink import Call, Called, LinkChanged
from supervisors import LATER, Actor, AsyncActor, ChildSpec, handles
from supervisors.clock import SystemClock
from supervisors.testing import eventually
from tests.actors.runtime import tree
from tests.actors.uplink.peer import Platform, serving
from tests.actors.uplink.place import HARDWARE_ID, key_of, limits

WALL_S = 1_800_000_000.0
OPEN = LinkChanged(True, "server", "direct")
CLOSED = LinkChanged(False, "internet")


class Ear:
    """What the platform is told, and what it answers."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.known: dict[str, bytes] = {}
        self.lock = threading.Lock()
        self.answer = self.take

    def take(self, call: Call) -> Called | Failed:
        """As a platform should: each key once."""
        return self.results(call, self.keep)

    def keep(self, key: str, item: bytes) -> str:
        known = self.known.setdefault(key, item)
        assert known == item, "another content under the same key"
        return "created" if known is item else "duplicate"

    def results(self, call: Call, judge) -> Called:
        body = json.loads(call.body)
        results = []
        for item in body.get("items", []):
            status = judge(item["key"], json.dumps(item).encode())
            results.append({"key": item["key"], "status": status, "code": "c", "message": "words"})
        return Called(200, json.dumps({"results": results}).encode())

    def actor(self) -> type[Actor]:
        ear = self

        class Link(Actor):
            @handles(Call)
            def call(self, message: Call) -> Called | Failed:
                with ear.lock:
                    ear.calls.append(message)
                    return ear.answer(message)

        return Link

    def keys(self, path: str = "/deposits/batch") -> list[str]:
        with self.lock:
            bodies = [json.loads(call.body) for call in self.calls if call.path == path]
        return [item["key"] for body in bodies for item in body["items"]]


class Slow(Ear):
    """Takes what is sent at the same time at the same time; new money only when the gate opens."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.taken = 0

    def actor(self) -> type[AsyncActor]:
        ear = self

        class Link(AsyncActor):
            @handles(Call)
            def call(self, message: Call) -> object:
                ear.calls.append(message)
                self.ctx.spawn(self._answer(self.ctx.later(), message))
                return LATER

            async def _answer(self, request: object, message: Call) -> None:
                while b"m-1-9999" in message.body and not ear.gate.is_set():  # noqa: ASYNC110
                    await asyncio.sleep(0.002)
                self.ctx.reply(request, ear.take(message))
                ear.taken += 1

        return Link


class Place:
    def __init__(self, sup, ear):
        self.sup, self.ear = sup, ear

    def put(self, number, outbox="money", kind="deposit", body=None, key=None):
        key = key or f"m-1-{number}"
        record = body or DepositRecord(key, "credited", "ok", WALL_S, WALL_S, "mineral")
        message = PutOutbox(outbox, key, kind, msgspec.msgpack.encode(record))
        assert self.sup.request("storage", message, reply=Done) == Done()

    def put_many(self, count):
        with ThreadPoolExecutor(32) as pool:
            list(pool.map(self.put, range(count)))

    def open(self):
        self.sup.tell("courier", OPEN)

    def close(self):
        self.sup.tell("courier", CLOSED)

    def waiting(self, outbox="money"):
        return self.sup.request("storage", PeekOutbox(outbox), reply=Outbox).waiting

    def dead(self, outbox="money"):
        return self.sup.request("storage", DescribeStore(), reply=StoreDescribed).dead.get(
            outbox, 0
        )

    @property
    def facts(self):
        return self.sup.rows["courier"].running.vitals.facts


@contextmanager
def running(tmp_path, ear=None):
    ear = ear or Ear()
    store = {"directory": str(tmp_path), "limits": StorageSettings(map_mb=64, group_commit_max=256)}
    with tree(
        ChildSpec("storage", Storage, args=store),
        ChildSpec("link", ear.actor()),
        ChildSpec("courier", Courier, args={"limits": UplinkSettings(), "link": "/link"}),
    ) as (sup, _):
        yield Place(sup, ear)


@pytest.fixture
def here(tmp_path):
    with running(tmp_path) as place:
        yield place


def test_what_waited_goes_out_and_leaves_the_outbox(here):
    here.put_many(250)
    here.open()
    eventually(lambda: here.waiting() == 0)
    assert sorted(here.ear.keys()) == sorted(f"m-1-{number}" for number in range(250))
    sizes = [len(json.loads(call.body)["items"]) for call in here.ear.calls]
    assert sizes == [10, 10, 20, 40, 80, 90], (
        "small ones first, until it is known how long they take"
    )
    assert here.ear.keys()[0] == "m-1-240", "who put the newest in may still stand there"


def test_nothing_goes_out_while_the_way_is_closed(here):
    here.put(1)
    here.open()
    eventually(lambda: here.waiting() == 0)
    here.close()
    here.put(2)
    eventually(lambda: "waiting_for" in here.facts)
    assert here.ear.keys() == ["m-1-1"]
    here.open()
    eventually(lambda: here.waiting() == 0)
    assert here.ear.keys() == ["m-1-1", "m-1-2"]


def test_what_is_new_goes_out_at_once(here):
    here.open()
    eventually(lambda: "waiting_for" not in here.facts)
    for number in range(3):
        here.put(number)
        eventually(lambda: here.waiting() == 0, timeout_s=5.0)
    assert here.ear.keys() == ["m-1-0", "m-1-1", "m-1-2"]


def test_what_is_new_goes_before_what_waited(here):
    gate = threading.Semaphore(0)
    here.ear.lock = threading.Lock()

    def slowly(call):
        gate.acquire(timeout=10)
        return here.ear.take(call)

    here.put_many(800)
    here.ear.answer = slowly
    here.open()
    eventually(lambda: len(here.ear.calls) >= 1)
    here.put(9999)
    for _ in range(60):
        gate.release()
    eventually(lambda: here.waiting() == 0, timeout_s=20)
    assert here.ear.keys().index("m-1-9999") < 450
    assert sorted(here.ear.keys()) == sorted({*here.ear.keys()})


def test_while_new_money_is_on_its_way_nothing_old_departs(tmp_path):
    """Whatever departs beside it takes from the way and from the platform."""
    with running(tmp_path, Slow()) as here:
        here.put_many(400)
        here.open()
        eventually(lambda: len(here.ear.calls) >= 2)
        here.put(9999)
        eventually(lambda: b"m-1-9999" in here.ear.calls[-1].body)
        departed = len(here.ear.calls)
        eventually(lambda: here.ear.taken == departed - 1)
        here.put(1, "event", "event", Event("e-1", "fault", WALL_S), "e-1")
        eventually(lambda: here.waiting("event") == 0)
        paths = [call.path for call in here.ear.calls[departed:]]
        assert paths == ["/edge/events"], "an event is small, and new"
        here.ear.gate.set()
        eventually(lambda: here.waiting() == 0)


def test_a_platform_that_is_slow_to_what_is_new_still_gets_the_backlog(tmp_path, monkeypatch):
    monkeypatch.setattr("actors.uplink.courier._HOLD_S", 0.2)
    with running(tmp_path, Slow()) as here:
        here.put_many(400)
        here.open()
        eventually(lambda: len(here.ear.calls) >= 2)
        here.put(9999)
        eventually(lambda: here.waiting() == 1)
        here.ear.gate.set()
        eventually(lambda: here.waiting() == 0)


def test_money_before_events_before_telemetry(here):
    event = Event("e-1", "fault", WALL_S, fields={"a": 1})
    here.put(0, "telemetry", "telemetry", Sample(WALL_S, 1.0, {"t": None}), "t-1")
    here.put(0, "event", "event", event, "e-1")
    here.put(
        0, "event", "session", SessionRecord("s-1", "guest", "closed", 1.0, 2.0, credited=3), "s-1"
    )
    here.put(7)
    here.open()
    eventually(lambda: here.waiting() + here.waiting("event") + here.waiting("telemetry") == 0)
    paths = [call.path for call in here.ear.calls]
    assert paths[0] == "/deposits/batch"
    assert paths[1] == "/edge/events"
    assert set(paths[2:]) == {"/edge/sessions", "/edge/telemetry"}
    body = here.ear.calls[paths.index("/edge/telemetry")].body
    sample = json.loads(body)["samples"][0]
    assert (sample["values"], sample["historical"]) == ({"t": None}, True)


def test_one_that_is_refused_is_put_aside_with_the_platforms_words(here):
    bad = "m-1-3"
    here.ear.answer = lambda call: here.ear.results(
        call, lambda key, item: "refused" if key == bad else here.ear.keep(key, item)
    )
    for number in range(10):
        here.put(number)
    here.open()
    eventually(lambda: here.waiting() == 0)
    assert here.dead() == 1
    assert here.ear.known.keys() == {f"m-1-{number}" for number in range(10)} - {bad}
    eventually(lambda: here.facts.get("refused") == 1)


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_batch_that_is_refused_as_a_whole_is_taken_apart(here, status):
    def answer(call):
        if b"m-1-33" in call.body:
            return Called(status, b'{"message": "the weight is wrong", "code": "validation"}')
        return here.ear.take(call)

    here.ear.answer = answer
    here.put_many(100)
    here.open()
    eventually(lambda: here.waiting() == 0)
    assert here.dead() == 1
    assert len(here.ear.known) == 99
    assert len(here.ear.calls) <= 5 + 2 * 7, "small batches first, then halves of a hundred"


def test_one_that_shall_come_later_holds_up_no_other(here):
    tries = []

    def judge(key, item):
        if key == "m-1-0" and len(tries) < 2:
            tries.append(key)
            return "later"
        return here.ear.keep(key, item)

    here.ear.answer = lambda call: here.ear.results(call, judge)
    here.put_many(300)
    here.open()
    eventually(lambda: here.waiting() == 1)
    assert "1 of money: c: words" in here.facts["later"]
    eventually(lambda: here.waiting() == 0)
    assert here.ear.keys().count("m-1-0") == 3
    assert max(here.ear.keys().count(key) for key in here.ear.known if key != "m-1-0") == 1


@pytest.mark.parametrize(
    "trouble",
    [
        Called(503, b""),
        Called(500, b'{"message": "trouble"}'),
        Called(403, b'{"message": "no"}'),
        Called(404, b'{"message": "no"}'),
        Called(409, b'{"message": "the same is still being processed"}'),
        Called(429, b"{}", retry_after_s=0.5),
        Called(200, b'{"nothing": 1}'),
        Failed("broken", "nobody knows"),
        Failed("timeout", "nobody knows"),
        Failed("strange", "html"),
    ],
)
def test_trouble_of_the_platform_refuses_nothing_and_loses_nothing(here, trouble):
    """The answer may be lost after it was taken: the same is sent again, and is there once."""
    answers = []

    def answer(call):
        kept = here.ear.take(call)
        answers.append(call)
        return trouble if len(answers) == 1 else kept

    here.ear.answer = answer
    for number in range(5):
        here.put(number)
    here.open()
    eventually(lambda: here.waiting() == 0)
    assert here.dead() == 0
    assert len(here.ear.known) == 5
    assert len(here.ear.calls) >= 2


def test_a_platform_that_says_try_again_at_once_is_not_flooded(here):
    clock, heard = SystemClock(), []

    def answer(call):
        heard.append(clock.monotonic())
        return Called(429, b"{}", retry_after_s=0.0) if len(heard) < 3 else here.ear.take(call)

    here.put_many(30)
    here.ear.answer = answer
    here.open()
    eventually(lambda: here.waiting() == 0)
    assert heard[2] - heard[0] > 1.0


def test_what_is_nothing_that_could_be_sent_blocks_nobody(here):
    here.put(0, body={"not": "a deposit"})
    here.put(1, kind="riddle")
    here.put(2)
    here.open()
    eventually(lambda: here.waiting() == 0)
    assert here.dead() == 2
    assert here.ear.keys() == ["m-1-2"]


def test_a_courier_that_is_killed_in_between_loses_and_doubles_nothing(here):
    gate = threading.Semaphore(2)

    def slowly(call):
        gate.acquire(timeout=10)
        return here.ear.take(call)

    here.ear.answer = slowly
    here.put_many(500)
    here.open()
    eventually(lambda: len(here.ear.calls) >= 3)
    here.sup.terminate_child("courier")
    here.sup.restart_child("courier")
    eventually(lambda: here.sup.ref("courier") is not None)
    assert here.waiting() > 0
    gate.release(100)
    here.open()
    eventually(lambda: here.waiting() == 0)
    assert len(here.ear.known) == 500


def test_a_storage_that_was_restarted_is_watched_again(tmp_path, monkeypatch):
    monkeypatch.setattr("actors.uplink.courier._WATCH_S", 0.2)
    with running(tmp_path) as here:
        here.open()
        here.put(0)
        eventually(lambda: here.waiting() == 0)
        here.sup.terminate_child("storage")
        here.sup.restart_child("storage")
        eventually(lambda: here.sup.rows["storage"].running is not None)
        here.put(1)
        eventually(lambda: here.waiting() == 0)
    assert here.ear.keys() == ["m-1-0", "m-1-1"]


def test_a_store_that_was_put_aside_is_begun_with_anew_while_the_way_is_open(tmp_path, monkeypatch):
    """It counts from one again; what it gets from then on is not taken for sent."""
    monkeypatch.setattr("actors.uplink.courier._WATCH_S", 0.2)
    with running(tmp_path) as here:
        here.open()
        for number in range(20):
            here.put(number)
        eventually(lambda: here.waiting() == 0)
        here.sup.terminate_child("storage")
        shutil.move(tmp_path / "store", tmp_path / "store.damaged")
        here.sup.restart_child("storage")
        eventually(lambda: here.sup.rows["storage"].running is not None)
        here.put(777)
        eventually(lambda: here.waiting() == 0)
    assert here.ear.keys()[-1] == "m-1-777"


def test_over_a_real_link_answers_that_get_lost_make_no_second_deposit(tmp_path):
    """The platform commits, and every third answer is lost on its way back."""
    key_file, public = key_of(tmp_path)
    known: dict[str, str] = {}
    count = [0]

    def commit(seen):
        count[0] += 1
        results = []
        for item in seen.json["items"]:
            is_new = known.setdefault(item["key"], json.dumps(item)) and item["key"] not in done
            results.append({"key": item["key"], "status": "created" if is_new else "duplicate"})
            done.add(item["key"])
        if count[0] % 3 == 1:
            raise ConnectionResetError
        return 200, {"results": results}

    done: set[str] = set()
    with serving(Platform(public_key=public)) as platform:
        platform.answers["/deposits/batch"] = commit
        from actors.uplink import Link

        args = {
            "limits": limits(platform.url),
            "hardware_id": HARDWARE_ID,
            "key_file": str(key_file),
            "listeners": ("/courier",),
        }
        store = {"directory": str(tmp_path), "limits": StorageSettings(map_mb=64)}
        with tree(
            ChildSpec("storage", Storage, args=store),
            ChildSpec("link", Link, args=args),
            ChildSpec("courier", Courier, args={"limits": limits(None), "link": "/link"}),
        ) as (sup, _):
            here = Place(sup, Ear())
            here.put_many(450)
            eventually(lambda: here.waiting() == 0, timeout_s=30)
    assert len(done) == 450
