"""The channel against a real WebSocket server that says what Reverb and soketi say."""

import asyncio
import gc
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlencode
from urllib.request import Request, urlopen

import pytest

from actors.uplink import conversation
from actors.uplink.channel import OUTGOING_MAX, Channel
from config.settings import UplinkSettings
from models.uplink.doorbell_terms import Limits
from protocol.message import Failed
from protocol.platform.identity import Doorbell, Welcome
from protocol.platform.pusher import publish_signature
from protocol.uplink import Call, Called, LinkChanged, Rung
from supervisors import Actor, ChildSpec, handles
from supervisors.clock import SystemClock
from supervisors.testing import Probe, eventually
from tests.actors.runtime import tree
from tests.actors.uplink.bell_server import KEY, BellServer, ringing, signature
from tests.actors.uplink.certificates import Authority
from tests.peers.soketi import Soketi, soketi

QUICK = Limits(pause_s=0.01, pause_s_max=0.05, answer_s=2.0)
SETTINGS = UplinkSettings(allow_plain_http=True)
DIALECTS = pytest.mark.parametrize("dialect", ["reverb", "soketi"])


class Signer(Actor):
    """Stands for the link: signs what it is asked to sign, unless it is told otherwise."""

    def __init__(self, asked: list[Call], answers: list[object]) -> None:
        self.asked = asked
        self.answers = answers

    @handles(Call)
    def call(self, message: Call):
        self.asked.append(message)
        if self.answers:
            return self.answers.pop(0)
        form = parse_qs(message.body.decode())
        auth = signature(form["socket_id"][0], form["channel_name"][0])
        return Called(200, json.dumps({"auth": auth}).encode())


class Place:
    def __init__(self, sup, events, ears: Probe, asked: list[Call]) -> None:
        self.sup, self.events, self.ears, self.asked = sup, events, ears, asked

    def open(self, doorbell: Doorbell | None) -> None:
        welcome = Welcome(1, 0.0, doorbell=doorbell)
        changed = LinkChanged(is_open=True, grade="server", path="direct", welcome=welcome)
        self.sup.tell("channel", changed)

    def rung(self) -> str:
        return self.ears.expect(Rung).event

    @property
    def facts(self):
        return self.sup.rows["channel"].running.vitals.facts


@contextmanager
def channel(settings=SETTINGS, numbers=QUICK, answers=()) -> Iterator[Place]:
    ears, asked = Probe(Rung), []
    args = {
        "limits": settings,
        "link": "/link",
        "listeners": ("/ears",),
        "version": "1",
        "numbers": numbers,
    }
    signer = ChildSpec("link", Signer, args={"asked": asked, "answers": list(answers)})
    with tree(signer, ears.spec("ears"), ChildSpec("channel", Channel, args=args)) as (sup, events):
        yield Place(sup, events, ears, asked)
        assert sup.ref("channel").incarnation == 1


def door(server: BellServer, key: str = KEY) -> Doorbell:
    return Doorbell(server.url, key, "private-rvm.1")


@DIALECTS
def test_it_subscribes_with_a_signature_and_passes_on_what_is_rung(dialect):
    with ringing(BellServer(dialect)) as server, channel() as place:
        place.open(door(server))
        assert place.rung() == ""
        server.publish("command", {"id": "whatever"})
        assert place.rung() == "command"
        server.publish("App\\Events\\RvmCommand", {"a": "b"})
        assert place.rung() == "RvmCommand"
        (call,) = place.asked
        assert (call.method, call.path) == ("POST", "/broadcasting/auth")
        assert call.content_type == "application/x-www-form-urlencoded"
        assert "authorization" not in {name.lower() for name in call.headers}
        assert place.facts["doorbell"] == "subscribed"


@DIALECTS
def test_after_a_lost_socket_it_signs_anew_and_rings_for_what_it_may_have_missed(dialect):
    with ringing(BellServer(dialect)) as server, channel() as place:
        place.open(door(server))
        for times in range(1, 6):
            assert place.rung() == ""
            assert server.connects == times
            server.close(4200 if times % 2 else 1001)
        assert place.rung() == ""
        ids = {call.body for call in place.asked}
        assert len(ids) == len(place.asked) == 6


@DIALECTS
def test_a_signature_that_is_not_taken_is_asked_for_once_more(dialect):
    bad = Called(200, b'{"auth":"rvm-key:0000"}')
    with ringing(BellServer(dialect)) as server, channel(answers=[bad]) as place:
        place.open(door(server))
        assert place.rung() == ""
        assert server.connects == 1
        assert len(place.asked) == 2


@pytest.mark.parametrize(
    "answer",
    [
        Called(403, b'{"message":"This action is unauthorized."}'),
        Called(200, b"<html>"),
        Called(200, b"[" * 5000),
        Called(200, b""),
        Failed("no_way", "no path is open"),
    ],
)
def test_without_a_signature_it_hangs_up_and_comes_again(answer):
    with ringing(BellServer()) as server, channel(answers=[answer]) as place:
        place.open(door(server))
        assert place.rung() == ""
        assert server.connects == 2


@DIALECTS
def test_an_unknown_key_is_not_tried_again_for_minutes(dialect):
    with ringing(BellServer(dialect)) as server, channel() as place:
        place.open(door(server, "no-such-key"))
        eventually(lambda: place.events.named("doorbell_refused"))
        eventually(lambda: place.facts["doorbell"] == "waiting")  # told right after the event
        assert "4001" in place.facts["detail"]
        place.open(door(server, "no-such-key"))  # the way opens again: that changes nothing
        assert server.connects == 1


@DIALECTS
def test_a_server_that_is_full_is_left_even_if_it_keeps_the_socket_open(dialect):
    with ringing(BellServer(dialect, refuses=4004)) as server, channel() as place:
        place.open(door(server))
        eventually(lambda: "4004" in str(place.facts.get("detail")))
        eventually(lambda: place.facts["doorbell"] == "waiting")
        assert server.connects == 1


def test_an_invalid_message_format_is_told_and_never_loops():
    with ringing(BellServer()) as server, channel() as place:
        place.open(door(server))
        assert place.rung() == ""
        server.error(4200, "Invalid message format")
        eventually(lambda: place.events.named("doorbell_mistake"))
        server.publish("command", {})
        assert place.rung() == "command"
        assert server.connects == 1


@pytest.mark.parametrize(
    "garbage",
    [
        "",
        "no JSON",
        "[]",
        "null",
        '{"data":1}',
        '{"event":7}',
        "[" * 9000,
        '{"event":"x","data":"{"}',
    ],
)
def test_garbage_is_counted_and_ends_nothing(garbage):
    with ringing(BellServer()) as server, channel() as place:
        place.open(door(server))
        assert place.rung() == ""
        server.say(garbage)
        server.publish("command", {})
        assert place.rung() == "command"
        assert place.facts["garbage"] == 1
        assert server.connects == 1


def test_a_frame_of_more_than_a_megabyte_ends_the_socket_and_not_the_actor():
    with ringing(BellServer()) as server, channel() as place:
        place.open(door(server))
        assert place.rung() == ""
        server.say(json.dumps({"event": "command", "data": "x" * (1 << 20)}))
        assert place.rung() == ""
        assert server.connects == 2


def test_a_server_that_asks_without_reading_the_answers_takes_no_memory(monkeypatch):
    waiting: list[asyncio.Queue[str]] = []

    async def write(ws, outgoing):  # the subscription, and then the socket takes nothing more
        waiting.append(outgoing)
        await ws.send_str(await outgoing.get())
        await asyncio.Event().wait()

    monkeypatch.setattr(conversation, "_write", write)
    with ringing(BellServer()) as server, channel() as place:
        place.open(door(server))
        assert place.rung() == ""
        for _ in range(3 * OUTGOING_MAX):
            server.say('{"event":"pusher:ping"}')
        server.publish("command", {})
        assert place.rung() == "command"
        assert waiting[0].qsize() <= OUTGOING_MAX


def test_silence_is_broken_by_a_ping_and_a_server_that_is_mute_is_left():
    quick = Limits(
        pause_s=0.01, pause_s_max=0.05, answer_s=2.0, silence_s=0.1, silence_s_min=0.1, pong_s=0.1
    )
    with ringing(BellServer(activity_timeout_s=0.1)) as server, channel(numbers=quick) as place:
        place.open(door(server))
        assert place.rung() == ""
        eventually(lambda: sum(each["event"] == "pusher:ping" for each in server.heard) >= 3)
        assert server.connects == 1


def test_a_server_that_never_greets_is_left_in_time():
    quick = Limits(pause_s=0.01, pause_s_max=0.05, answer_s=0.2)
    with ringing(BellServer(greets=False)) as server, channel(numbers=quick) as place:
        place.open(door(server))
        eventually(lambda: server.connects >= 3)
        assert "no greeting" in place.facts["detail"]


@pytest.mark.parametrize("status", [404, 401, 500, 302])
def test_a_server_that_speaks_no_websocket_is_tried_again(status):
    with ringing(BellServer(status=status)) as server, channel() as place:
        place.open(door(server))
        eventually(lambda: server.connects >= 3)
        server.status = 0
        assert place.rung() == ""


def test_a_port_that_is_closed_is_tried_again_until_somebody_listens():
    server = BellServer()
    with ringing(server):
        pass
    with channel() as place:
        place.open(door(server))
        eventually(lambda: "refused" in str(place.facts.get("detail")).lower())
        with ringing(server):
            assert place.rung() == ""
            place.open(None)
            eventually(lambda: place.facts["doorbell"] == "none")


def test_plain_words_are_spoken_only_where_that_is_allowed():
    with ringing(BellServer()) as server, channel(settings=UplinkSettings()) as place:
        place.open(door(server))
        eventually(lambda: place.events.named("doorbell_refused"))
        eventually(lambda: "not encrypted" in place.facts["waiting_for"])
        assert server.connects == 0


# asyncio before Python 3.11 never marks a TLS transport as closed that its peer has ended.
@pytest.mark.filterwarnings("ignore:Exception ignored in.*_SSLProtocolTransport")
def test_it_trusts_the_authority_and_only_the_pinned_key(tmp_path):
    authority = Authority(tmp_path)
    context, pin = authority.server("127.0.0.1")
    other, _ = authority.server("127.0.0.1")
    pinned = UplinkSettings(ca_file=str(authority.file), pins=pin)
    server = BellServer()
    with channel(settings=pinned) as place:
        with ringing(server, context):
            place.open(door(server))
            assert place.rung() == ""
        with ringing(server, other):
            eventually(lambda: "uplink.pins" in str(place.facts.get("detail")))
            assert server.subscribed == 1
        with ringing(server, context):
            assert place.rung() == ""
    gc.collect()


def test_a_certificate_that_nobody_vouches_for_is_refused_before_a_word_is_said(tmp_path):
    context, _ = Authority(tmp_path).server("127.0.0.1")
    with ringing(BellServer(), context) as server, channel(settings=UplinkSettings()) as place:
        place.open(door(server))
        eventually(lambda: "CERTIFICATE_VERIFY_FAILED" in str(place.facts.get("detail")))
        assert server.connects == 0


def test_it_hears_what_soketi_rings(tmp_path):
    with soketi(tmp_path) as server, channel() as place:
        door_ = Doorbell(server.ws_url, server.key, "private-rvm.1")
        place.open(door_)
        assert place.rung() == ""
        body = {"name": "command", "channels": ["private-rvm.1"], "data": '{"id":"x"}'}
        publish(server, json.dumps(body))
        assert place.rung() == "command"


def publish(server: Soketi, body: str) -> None:
    """As a platform does it, with the signature of Pusher's HTTP interface."""
    path = f"/apps/{server.app_id}/events"
    query = {
        "auth_key": server.key,
        "auth_timestamp": str(int(SystemClock().wall())),
        "auth_version": "1.0",
        "body_md5": hashlib.md5(body.encode()).hexdigest(),
    }
    query["auth_signature"] = publish_signature(server.secret, "POST", path, query)
    url = f"{server.http_url}{path}?{urlencode(query)}"
    headers = {"Content-Type": "application/json"}
    with urlopen(Request(url, body.encode(), headers), timeout=10) as answer:
        assert answer.status == 200


def test_an_actor_that_ends_leaves_no_socket():
    with ringing(BellServer()) as server:
        with channel() as place:
            place.open(door(server))
            assert place.rung() == ""
        eventually(lambda: server.sockets[-1].closed)
