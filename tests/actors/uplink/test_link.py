"""The link against a platform on loopback: paths, tokens, calls, and what goes wrong with each."""

import asyncio
import contextlib
import json
import socket
import socketserver
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from aiohttp import web

from protocol.health import ProbeServer, ServerProbed
from protocol.system import Ping, Pong
from protocol.uplink import DescribeLink, LinkDescribed, Reached, Rebirth
from supervisors.context import RequestFailed
from supervisors.testing import eventually
from tests.actors.uplink.peer import Platform, serving
from tests.actors.uplink.place import HARDWARE_ID, key_of, limits, place


@pytest.fixture
def key(tmp_path):
    return key_of(tmp_path)


@pytest.fixture
def platform(key):
    with serving(Platform(public_key=key[1])) as running:
        yield running


@pytest.fixture
def at(platform, key):
    with place(limits(platform.url), key[0]) as here:
        here.opened()
        yield here


# -- opening --------------------------------------------------------------------------------------


def test_without_a_server_it_waits_and_says_for_what(key):
    with place(limits(None), key[0]) as here:
        assert "uplink.server_url" in here.facts["waiting_for"]
        assert here.sup.request("link", ProbeServer(), reply=ServerProbed).reached == "nothing"
        with pytest.raises(RequestFailed, match="no_way"):
            here.call("GET", "/anything")


def test_it_proves_its_key_and_tells_of_its_birth(platform, key):
    with place(limits(platform.url), key[0]) as here:
        changed = here.opened()
        assert (changed.path, changed.grade, changed.welcome.rvm_id) == ("direct", "server", 7)
        here.sup.tell("link", Reached(settings_version=3))
        here.sup.tell("link", Reached(commands_after=5))
        here.sup.tell("link", Rebirth())
        eventually(lambda: len(platform.asked("/edge/births")) == 2)
        first, second = [seen.json for seen in platform.asked("/edge/births")]
    assert first["epoch"] == 41
    assert first["boot_id"] == second["boot_id"]
    assert first["versions"].keys() == {"rvm-edge", "python"}
    assert (second["settings_version"], second["commands_after"]) == (3, 5)


def test_the_birth_says_what_the_machine_can_and_who_is_in_it(platform, key):
    told = {"capabilities": ("camera", "scale"), "actors": ("/storage", "/uplink/link")}
    with place(limits(platform.url), key[0], **told) as here:
        here.opened()
    (birth,) = [seen.json for seen in platform.asked("/edge/births")]
    assert (birth["capabilities"], birth["actors"]) == (
        list(told["capabilities"]),
        list(told["actors"]),
    )


def test_a_listener_that_is_restarted_hears_it_again(at):
    heard = len(at.listener.heard)
    at.sup.terminate_child("listener")
    at.sup.restart_child("listener")
    eventually(lambda: len(at.listener.heard) > heard)
    assert at.opened().path == "direct"


def test_an_orderly_stop_says_goodbye(platform, key):
    with place(limits(platform.url), key[0]) as here:
        here.opened()
    (death,) = platform.asked("/edge/deaths")
    assert death.json["epoch"] == 41


def test_a_machine_that_is_not_enrolled_says_how_it_would_be(platform, tmp_path):
    file, _ = key_of(tmp_path / "new", enrolled=False)
    with place(limits(platform.url), file) as here:
        eventually(lambda: "rvm-edge enrol" in here.facts["waiting_for"])
        with pytest.raises(RequestFailed, match="not_enrolled"):
            here.call("GET", "/anything")
        assert here.facts["grade"] == "server"


def test_a_token_in_a_file_enrols_it_once(tmp_path):
    file, public = key_of(tmp_path, enrolled=False)
    secret = tmp_path / "token"
    secret.write_text("enrol-me-once-and-for-all\n")
    secret.chmod(0o600)
    with serving(Platform()) as platform:
        settings = limits(platform.url, enrolment_token_file=str(secret))
        with place(settings, file) as here:
            here.opened()
            told = here.sup.request("link", DescribeLink(), reply=LinkDescribed)
        with place(settings, file) as here:
            here.opened()
        assert platform.public_key == public
        assert len(platform.asked("/edge/enrolments")) == 1
    assert (told.enrolled, told.rvm_id) == (True, 7)


def test_a_secret_that_others_may_read_is_not_used(tmp_path):
    file, _ = key_of(tmp_path, enrolled=False)
    secret = tmp_path / "token"
    secret.write_text("enrol-me-once-and-for-all")
    secret.chmod(0o644)
    with serving(Platform()) as platform:
        settings = limits(platform.url, enrolment_token_file=str(secret))
        with place(settings, file) as here:
            eventually(lambda: f"chmod 600 {secret}" in here.facts["waiting_for"])
        assert platform.asked("/edge/enrolments") == []


def test_a_platform_with_keys_of_its_own_gets_that_key(tmp_path, key):
    secret = tmp_path / "api-key"
    secret.write_text("7|a-token-of-the-platform")
    secret.chmod(0o600)
    good = lambda token: token == "7|a-token-of-the-platform"  # noqa: E731
    with serving(Platform(is_token_good=good)) as platform:
        with place(limits(platform.url, api_key_file=str(secret)), key[0]) as here:
            here.opened()
        assert platform.asked("/edge/challenges") == []


# -- calls ----------------------------------------------------------------------------------------


def test_a_call_carries_the_token_its_key_and_what_it_says(at, platform):
    platform.answers["/deposits"] = lambda seen: (201, {"deposit_id": 1})
    called = at.call("POST", "/deposits", b'{"key": "k-1"}', key="k-1", headers={"X-More": "yes"})
    (seen,) = platform.asked("/deposits")
    assert (called.status, json.loads(called.body)) == (201, {"deposit_id": 1})
    assert seen.headers["authorization"] == f"Bearer {platform.tokens[-1]}"
    assert seen.headers["idempotency-key"] == "k-1"
    assert seen.headers["accept"] == "application/json"
    assert seen.headers["x-more"] == "yes"
    assert seen.json == {"key": "k-1"}


def test_a_path_from_the_root_and_an_etag(at, platform):
    def answer(seen):
        if seen.headers.get("if-none-match") == '"1"':
            return web.Response(status=304, headers={"ETag": '"1"'})
        return web.json_response({"data": {"a": 1}}, headers={"ETag": '"1"'})

    platform.everything = answer
    first = at.call("GET", "//broadcasting/auth?x=1")
    second = at.call("GET", "//broadcasting/auth?x=1", etag=first.etag)
    assert [(seen.path, seen.query) for seen in platform.seen[-2:]] == [
        ("/broadcasting/auth", "x=1")
    ] * 2
    assert (json.loads(first.body), second.status, second.body) == ({"a": 1}, 304, b"")


@pytest.mark.parametrize(
    "call",
    [
        {"path": "/a b"},
        {"path": "a"},
        {"path": "/a\r\nHost: b"},
        {"path": "/a", "key": "a\r\nX: b"},
        {"path": "/a", "headers": {"X\r\nY": "b"}},
    ],
)
def test_what_http_cannot_say_is_not_sent(at, platform, call):
    before = len(platform.seen)
    with pytest.raises(RequestFailed, match="invalid"):
        at.call("GET", **call)
    assert [seen.path for seen in platform.seen[before:] if seen.path != "/up"] == []


def test_one_refresh_for_twenty_calls_with_an_old_token(at, platform):
    together = threading.Barrier(20, timeout=10)
    old = set(platform.tokens)
    platform.is_token_good = lambda token: token not in old

    def call(number):
        together.wait()
        return at.call("POST", f"/thing/{number}", b"{}").status

    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(call, range(20))) == [200] * 20
    assert len(platform.tokens) == 2


def test_a_token_near_its_end_is_renewed_without_a_refusal(key):
    with serving(Platform(public_key=key[1], expires_in_s=0.5)) as platform:
        with place(limits(platform.url), key[0]) as here:
            here.opened()
            eventually(lambda: here.call("GET", "/x").status == 200 and len(platform.tokens) > 1)
        assert all(seen.headers["authorization"] for seen in platform.asked("/x"))


def test_a_platform_that_takes_no_token_any_more_is_asked_slowly(at, platform):
    platform.is_token_good = lambda token: False
    with pytest.raises(RequestFailed, match="auth_failed"):
        at.call("POST", "/x", b"{}")
    assert not at.closed().is_open
    tokens = len(platform.tokens)
    assert tokens == 2
    with pytest.raises(RequestFailed, match="auth_failed"):
        at.call("POST", "/x", b"{}")
    assert len(platform.tokens) == tokens
    platform.is_token_good = lambda token: True
    at.sup.request("link", ProbeServer(), reply=ServerProbed)
    assert at.opened().is_open


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again_under_the_same_key(at, platform, status):
    answers = iter([status, status, (201, {})])
    platform.answers["/deposits"] = lambda seen: next(answers)
    assert at.call("POST", "/deposits", b"{}", key="k").status == 201
    assert [seen.headers["idempotency-key"] for seen in platform.asked("/deposits")] == ["k"] * 3


@pytest.mark.parametrize("status", [400, 403, 404, 409, 413, 422])
def test_what_will_not_pass_is_told_at_once(at, platform, status):
    platform.answers["/deposits"] = lambda seen: (status, {"message": "no", "code": "because"})
    called = at.call("POST", "/deposits", b"{}", key="k")
    assert (called.status, json.loads(called.body)["code"]) == (status, "because")
    assert len(platform.asked("/deposits")) == 1


def test_without_a_key_a_post_is_sent_once(at, platform):
    platform.answers["/x"] = lambda seen: 503
    assert at.call("POST", "/x", b"{}").status == 503
    assert len(platform.asked("/x")) == 1


def test_retry_after_is_waited_for_or_handed_on(at, platform):
    slow = web.json_response({"message": "slow"}, status=429, headers={"Retry-After": "3600"})
    platform.answers["/x"] = lambda seen: slow
    called = at.call("GET", "/x")
    assert (called.status, called.retry_after_s) == (429, 300.0)
    assert len(platform.asked("/x")) == 1


def test_an_answer_that_gets_lost_is_fetched_under_the_same_key(at, platform):
    kept: dict[str, bytes] = {}

    async def commit_and_break(seen):
        is_new = kept.setdefault(seen.headers["idempotency-key"], seen.body) is seen.body
        if is_new:
            raise web.HTTPInternalServerError(headers={"Connection": "close"}, text="<html>")
        return web.json_response({"data": {"again": True}})

    platform.answers["/deposits"] = commit_and_break
    assert json.loads(at.call("POST", "/deposits", b"1", key="k").body) == {"again": True}
    assert kept == {"k": b"1"}


def test_five_failures_open_the_breaker_and_it_is_told(at, platform):
    platform.answers["/x"] = lambda seen: 500
    assert [at.call("POST", "/x", b"{}").status for _ in range(5)] == [500] * 5
    with pytest.raises(RequestFailed, match="paused"):
        at.call("POST", "/x", b"{}")
    told = at.sup.request("link", DescribeLink(), reply=LinkDescribed)
    assert told.paused == ("direct /x",)


def test_where_pictures_are_not_taken_money_still_is(at, platform):
    platform.answers["/files"] = lambda seen: 500
    for number in range(6):
        with contextlib.suppress(RequestFailed):
            at.call("POST", "/files", b"{}", timeout_s=1.0, key=f"file-{number}")
    with pytest.raises(RequestFailed, match="paused"):
        at.call("POST", "/files", b"{}")
    assert at.call("POST", "/deposits/batch", b"{}").status == 200
    assert at.call("POST", "/edge/events", b"{}").status == 200


def test_a_listener_that_is_long_gone_is_told_once_however_often_the_way_changes(at, platform):
    at.sup.terminate_child("listener")
    timers = at.sup.rows["link"].running._ctx._timers
    for number in range(5):
        platform.welcome = {"rvm_id": 7, "server_time": float(number)}
        at.sup.tell("link", Rebirth())
        eventually(lambda: len(platform.asked("/edge/births")) >= number + 2)  # noqa: B023
    eventually(lambda: at.sup.request("link", Ping(), reply=Pong))
    told = [timer for timer in timers if "listener" in repr(timer)]
    assert len(told) == 1, told


STRANGE = {
    "html": lambda seen: web.Response(text="<html>Sign in</html>", content_type="text/html"),
    "redirect": lambda seen: web.Response(status=302, headers={"Location": "http://evil.example"}),
    "no json": lambda seen: web.Response(text="{", content_type="application/json"),
    "ok to everything": lambda seen: web.json_response({"status": "ok"}),
    "deep": lambda seen: web.Response(text="[" * 200_000, content_type="application/json"),
    "large": lambda seen: web.Response(body=b" " * (5 << 20), content_type="application/json"),
    "gzip": lambda seen: web.Response(
        body=b"x", headers={"Content-Encoding": "gzip"}, content_type="application/json"
    ),
}


@pytest.mark.parametrize("kind", STRANGE)
def test_what_is_not_the_platforms_is_not_believed(at, platform, kind):
    platform.answers["/x"] = STRANGE[kind]
    with pytest.raises(RequestFailed, match="strange"):
        at.call("POST", "/x", b"{}")
    assert at.call("GET", "/y").status == 200


class Raw(socketserver.StreamRequestHandler):
    """Says what no HTTP library would."""

    head = b""

    def handle(self):
        while line := self.rfile.readline():
            length = 0
            while header := self.rfile.readline().strip():
                if header.lower().startswith(b"content-length:"):
                    length = int(header.partition(b":")[2])
            self.rfile.read(length)
            is_odd = b"/odd" in line
            body = b'{"data": {"rvm_id": 7, "server_time": 0.0}}'
            head = self.head if is_odd else b"HTTP/1.1 200 OK\r\n"
            kind = b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
            self.wfile.write(head + kind + body)


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nX-Odd: \xff\xfe\r\n",
        b'HTTP/1.1 200 OK\r\nETag: "\xff"\r\n',
        b"HTTP/1.1 503 \xff\r\nRetry-After: \xff\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: \xff\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: \xff\r\n",
        b"HTTP/1.1 \xff OK\r\n",
    ],
)
def test_bytes_that_are_no_text_crash_nothing(tmp_path, key, head):
    """They reach further than the body does: into messages, notes and the log."""
    secret = tmp_path / "api-key"
    secret.write_text("7|a-token-of-the-platform")
    secret.chmod(0o600)
    handler = type("Odd", (Raw,), {"head": head})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        with place(limits(url, api_key_file=str(secret)), key[0]) as here:
            here.opened()
            with contextlib.suppress(RequestFailed):
                here.call("GET", "/odd", timeout_s=2.0)
            assert here.call("GET", "/even").status == 200
            assert here.sup.request("link", Ping(), reply=Pong).incarnation == 1
        server.shutdown()


@pytest.mark.parametrize(
    "token", ["a-token\r\nX-Evil: of-two-lines", "ein-schlüssel-mit-ü", " " * 20]
)
def test_a_token_that_no_header_can_carry_crashes_nothing_and_is_shown_nowhere(key, token):
    platform = Platform(public_key=key[1])
    platform.tokens_ = lambda _seen: (200, {"access_token": token, "expires_in_s": 60.0})
    with serving(platform), place(limits(platform.url), key[0]) as here:
        eventually(lambda: "no token" in here.facts.get("waiting_for", ""))
        assert token not in str(here.facts)
        assert here.sup.request("link", Ping(), reply=Pong).incarnation == 1


def test_a_captive_portal_closes_the_way(at, platform):
    platform.everything = STRANGE["html"]
    at.closed()
    with pytest.raises(RequestFailed, match="no_way"):
        at.call("GET", "/x")
    assert "not JSON" in at.facts["stops"]
    platform.everything = None
    at.opened()


def test_a_platform_that_hangs_is_not_waited_for_longer_than_asked(at, platform):
    async def hang(seen):
        await asyncio.sleep(60)

    platform.answers["/x"] = hang
    with pytest.raises(RequestFailed, match="timeout"):
        at.call("POST", "/x", b"{}", timeout_s=0.3)
    assert at.call("GET", "/y").status == 200


def test_a_wrong_clock_is_noticed(at, platform):
    date = "Thu, 01 Jan 2015 00:00:00 GMT"
    platform.answers["/x"] = lambda seen: web.json_response({"data": {}}, headers={"Date": date})
    at.call("GET", "/x")
    told = at.sup.request("link", DescribeLink(), reply=LinkDescribed)
    assert told.clock_off_s > 300_000_000


# -- paths ----------------------------------------------------------------------------------------


def test_a_platform_that_goes_and_comes_back(key):
    platform = Platform(public_key=key[1])
    with serving(platform):
        pass
    with place(limits(platform.url), key[0]) as here:
        with serving(platform):
            here.opened()
            births = len(platform.asked("/edge/births"))
        here.closed()
        with serving(platform):
            here.opened()
        assert len(platform.asked("/edge/births")) > births


def test_another_path_at_once_and_back_only_after_a_while(key):
    tunnel, direct = Platform(public_key=key[1]), Platform(public_key=key[1])
    with serving(direct):
        with serving(tunnel):
            pass
        settings = limits(direct.url, tunnel_url=tunnel.url, return_after_s=1.0)
        with place(settings, key[0]) as here:
            with serving(tunnel):
                while here.opened().path != "tunnel":
                    pass
            while here.opened().path != "direct":
                pass
            assert here.call("GET", "/x").status == 200
            assert direct.asked("/x")
            with serving(tunnel):
                while here.opened().path != "tunnel":
                    pass
                told = here.sup.request("link", DescribeLink(), reply=LinkDescribed)
        stage = next(stage for stage in told.stages if stage.path == "tunnel")
        assert stage.good_for_s >= 1.0


def test_an_open_port_that_says_nothing_stops_after_tcp(key):
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
        with place(limits(f"http://127.0.0.1:{port}"), key[0]) as here:
            eventually(
                lambda: (
                    server.accept()[0].close() or "stops after tcp" in here.facts.get("stops", "")
                )
            )
            assert here.facts["grade"] == "internet"
            eventually(lambda: here.events.named("announced") == [{"topic": "network"}])


def test_a_closed_port_stops_after_dns(key):
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
    with place(limits(f"http://127.0.0.1:{port}"), key[0]) as here:
        probed = here.sup.request("link", ProbeServer(), reply=ServerProbed)
    assert probed.reached == "dns"
    assert "refused" in probed.detail.lower()


@pytest.mark.parametrize(
    "url",
    ["https://no-such-host.invalid", "http://127.0.0.1:99999", "http://" + "x" * 70 + ".example"],
)
def test_an_address_that_is_none_is_said_and_crashes_nothing(key, url):
    with place(limits(url), key[0]) as here:
        probed = here.sup.request("link", ProbeServer(), reply=ServerProbed, timeout_s=20)
        assert probed.reached in ("nothing", "dns")
        assert probed.detail
        assert here.sup.ref("link").incarnation == 1


def test_the_second_address_of_a_name_is_tried_too(platform, key, monkeypatch):
    """A server may have one of a family that cannot be reached from here."""
    rows = [(None, None, None, "", (host, 0)) for host in ("127.0.0.2", "127.0.0.1")]
    monkeypatch.setattr("actors.uplink.resolving.socket.getaddrinfo", lambda *_a, **_m: rows)
    with place(limits(f"http://rvm.example:{platform.port}"), key[0]) as here:
        here.opened()
        assert here.call("GET", "/x").status == 200
    assert platform.asked("/x")[0].headers["host"] == f"rvm.example:{platform.port}"


def test_an_address_that_got_through_outlives_its_name_server(platform, key, monkeypatch):
    told = iter([[(None, None, None, "", ("127.0.0.1", 0))]])

    def getaddrinfo(*_args, **_more):
        found = next(told, None)
        if found is None:
            raise OSError("no name server")
        return found

    monkeypatch.setattr("actors.uplink.resolving.socket.getaddrinfo", getaddrinfo)
    with place(limits(f"http://rvm.example:{platform.port}"), key[0]) as here:
        here.opened()
        ups = len([seen for seen in platform.seen if seen.path == "/up"])
        eventually(lambda: len([seen for seen in platform.seen if seen.path == "/up"]) > ups + 2)
        assert here.call("GET", "/x").status == 200


def test_a_name_server_that_hangs_takes_one_thread_however_often_it_is_asked(key, monkeypatch):
    gate, asked = threading.Event(), []

    def hang(*words, **more):
        asked.append(words)
        gate.wait(20)
        raise socket.gaierror(socket.EAI_AGAIN, "try again")

    monkeypatch.setattr("actors.uplink.way.PROBE_S", 0.1)
    monkeypatch.setattr(socket, "getaddrinfo", hang)
    with place(limits("http://platform.example:1"), key[0]) as here:
        for _ in range(4):
            here.sup.request("link", ProbeServer(), reply=ServerProbed)
        assert len(asked) == 1
        gate.set()
        eventually(lambda: "try again" in here.facts.get("stops", ""))


@pytest.mark.parametrize("address", ["8.8.8.8", "2001:4860:4860::8888"])
def test_plain_http_never_leaves_private_networks(key, monkeypatch, address):
    rows = [(None, None, None, "", (address, 0))]
    monkeypatch.setattr("actors.uplink.resolving.socket.getaddrinfo", lambda *_a, **_m: rows)
    with place(limits("http://rvm.example"), key[0]) as here:
        probed = here.sup.request("link", ProbeServer(), reply=ServerProbed)
    assert "plain http may not go there" in probed.detail


def test_plain_http_is_no_path_where_it_is_not_allowed(platform, key):
    with place(limits(platform.url, allow_plain_http=False), key[0]) as here:
        assert here.sup.request("link", ProbeServer(), reply=ServerProbed).reached == "nothing"
    assert platform.seen == []


def test_a_black_hole_is_found_and_the_other_path_taken(key, monkeypatch):
    """Connections stay, new ones are taken, and nothing ever comes back."""
    monkeypatch.setattr("actors.uplink.way.PROBE_S", 0.5)

    async def swallow(_seen):
        await asyncio.sleep(60)

    tunnel, direct = Platform(public_key=key[1]), Platform(public_key=key[1])
    with serving(tunnel), serving(direct):
        settings = limits(direct.url, tunnel_url=tunnel.url)
        with place(settings, key[0]) as here:
            assert here.opened().path == "tunnel"
            tunnel.everything = swallow
            while here.opened().path != "direct":
                pass
            says = "tunnel stops after tcp: no "
            eventually(lambda: says in here.facts.get("stops", ""))
            assert here.call("GET", "/x").status == 200


def test_everybody_comes_back_at_a_moment_of_their_own(key):
    platform = Platform(public_key=key[1])
    platform.welcome = {**platform.welcome, "spread_s": 3600.0}
    with serving(platform):
        pass
    with place(limits(platform.url), key[0]) as here:
        with serving(platform):
            here.opened()
        here.closed()
        with serving(platform):
            eventually(lambda: "one after the other" in here.facts["waiting_for"])
            with pytest.raises(RequestFailed, match="paused"):
                here.call("GET", "/x")


def test_no_secret_is_told_anywhere(at, platform, key):
    secret = (key[0].read_text().rpartition(" ")[2].strip(), *platform.tokens)
    platform.is_token_good = lambda token: False
    with pytest.raises(RequestFailed) as failed:
        at.call("POST", "/x", b"{}")
    told = f"{at.facts} {at.events.kept} {failed.value} {HARDWARE_ID}"
    assert not any(each in told for each in secret)
