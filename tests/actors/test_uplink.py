"""The link against real sockets on loopback: how far the way is open, stage by stage."""

import socket
from contextlib import closing

import pytest

from actors.uplink import Link
from protocol.health import ProbeServer, ServerProbed
from supervisors import ChildSpec
from supervisors.testing import eventually
from tests.actors.runtime import tree


def link(url):
    args = {"server_url": url, "period_s": 3600.0, "timeout_s": 2.0}
    return ChildSpec("link", Link, args=args)


def probe(sup) -> ServerProbed:
    return sup.request("link", ProbeServer(), reply=ServerProbed)


def test_without_a_server_it_waits_and_says_for_what():
    with tree(link(None)) as (sup, _):
        facts = sup.rows["link"].running.vitals.facts
        assert "uplink.server_url" in facts["waiting_for"]
        assert probe(sup).reached == "nothing"


def test_an_open_port_is_reached_and_a_closed_one_is_not():
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
        with tree(link(f"http://127.0.0.1:{port}")) as (sup, events):
            assert probe(sup) == ServerProbed("tcp", "")
            eventually(lambda: events.named("announced") == [{"topic": "network"}])
            server.close()
            probed = probe(sup)
    assert probed.reached == "dns"
    assert "refused" in probed.detail.lower()


def test_a_server_that_speaks_no_tls_gets_no_further_than_tcp():
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
        with tree(link(f"https://127.0.0.1:{port}")) as (sup, _):
            taken, _ = server.accept()
            taken.close()
            eventually(lambda: sup.rows["link"].running.vitals.facts.get("reached") == "tcp")


def test_a_name_nobody_knows_stops_at_the_first_stage():
    with tree(link("https://no-such-host.invalid")) as (sup, _):
        probed = probe(sup)
    assert probed.reached == "nothing"
    assert probed.detail


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999", "http://" + "x" * 70 + ".example", "//"])
def test_an_address_that_is_none_is_said_and_crashes_nothing(url):
    with tree(link(url)) as (sup, _):
        probed = probe(sup)
        assert probed.reached == "nothing"
        assert probed.detail
        assert sup.ref("link").incarnation == 1


def test_the_second_address_of_a_name_is_tried_too(monkeypatch):
    """A server may have one of a family that cannot be reached from here."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
        rows = [(None, None, None, "", (host, port)) for host in ("127.0.0.2", "127.0.0.1")]
        server_only = lambda *_args, **_more: rows  # noqa: E731
        monkeypatch.setattr("actors.uplink.socket.getaddrinfo", server_only)
        with tree(link(f"http://rvm.example:{port}")) as (sup, _):
            assert probe(sup) == ServerProbed("tcp", "")
