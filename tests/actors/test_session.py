"""The session: totals of a guest, closed by hand or by time."""

from actors.session import Session
from protocol.service import (
    DescribeSession,
    FinishSession,
    ItemCredited,
    ItemRefused,
    SessionDescribed,
)
from supervisors import ChildSpec
from supervisors.testing import VirtualClock, eventually
from tests.actors.runtime import tree


def describe(sup) -> SessionDescribed:
    return sup.request("session", DescribeSession(), reply=SessionDescribed)


def session(**more):
    return ChildSpec("session", Session, args={"idle_timeout_s": 300.0}, **more)


def test_items_add_up_until_the_customer_is_done():
    with tree(session()) as (sup, events):
        sup.tell("session", ItemCredited("a"))
        sup.tell("session", ItemCredited("b"))
        sup.tell("session", ItemRefused("c", "not_empty"))
        assert describe(sup) == SessionDescribed(is_open=True, credited=2, refused=1)
        sup.request("session", FinishSession())
        assert describe(sup) == SessionDescribed(is_open=False, credited=0, refused=0)
        assert events.named("session_closed") == [{"credited": 2, "refused": 1}]


def test_a_session_closes_when_nothing_has_come_for_a_while():
    clock = VirtualClock()
    with tree(session(), clock=clock) as (sup, events):
        sup.tell("session", ItemCredited("a"))
        assert describe(sup).is_open
        clock.advance(299.0)
        sup.tell("session", ItemCredited("b"))
        assert describe(sup).credited == 2
        clock.advance(2.0)  # the first item's timer has run out, the second's has not
        assert describe(sup).is_open
        clock.advance(300.0)
        eventually(lambda: not describe(sup).is_open)
        assert events.named("session_closed") == [{"credited": 2, "refused": 0}]
