"""What we use of Pykka behind its door, so that a release that moves it fails here and loudly."""

import inspect
import threading

import pykka
import pytest
from pykka import ActorRegistry  # noqa: TID251 - the contract is about it
from pykka.messages import _ActorStop

from supervisors import Supervisor
from supervisors.pykka_thread import PykkaThread
from supervisors.testing import eventually
from tests.supervisors.children import Ping, Pong, group, lives, worker


def thread(live: object = lambda: None, after: object = lambda: None) -> PykkaThread:
    return PykkaThread("name of it", live, after, lambda: None)  # type: ignore[arg-type]


@pytest.mark.parametrize("hook", ["_create_actor_inbox", "_actor_loop", "_start_actor_loop"])
def test_the_private_hooks_are_there_and_take_no_arguments(hook: str) -> None:
    there = getattr(pykka.ThreadingActor, hook)
    bound = list(inspect.signature(there).parameters)
    assert bound in (["self"], []), f"{hook} now takes {bound}"
    assert hook in vars(PykkaThread), "and we override it"


def test_pykka_calls_what_we_override() -> None:
    made = inspect.getsource(pykka.Actor.__init__)
    assert "_create_actor_inbox" in made
    assert "_start_actor_loop" in inspect.getsource(pykka.Actor.start)
    assert _ActorStop().__class__.__name__ == "_ActorStop"


def test_an_incarnation_is_a_pykka_actor_while_it_lives() -> None:
    with Supervisor.start(group("one_for_one", [worker("a"), worker("b")])) as sup:
        actors = ActorRegistry.get_all()
        assert len(actors) == 2
        assert all(ref.is_alive() for ref in actors)
        names = {t.name for t in threading.enumerate()}
        assert {"/a", "/b"} <= names
        sup.terminate_child("a")
        assert len(ActorRegistry.get_all()) == 1
    assert ActorRegistry.get_all() == []
    assert not any(ref.is_alive() for ref in actors)


def test_its_thread_is_a_daemon() -> None:
    with Supervisor.start(group("one_for_one", [worker("a")])):
        assert all(t.daemon for t in threading.enumerate() if t.name == "/a")


def test_stop_all_stops_ours_as_an_end_they_chose_themselves() -> None:
    children = worker("kept"), worker("gone", restart="transient")
    with Supervisor.start(group("one_for_one", children)) as sup:
        assert all(ActorRegistry.stop_all())
        eventually(lambda: lives(sup) == {"gone": 0, "kept": 2})
        assert sup.request("kept", Ping(), reply=Pong).incarnation == 2


def test_pykkas_refs_carry_nothing_but_a_stop() -> None:
    with Supervisor.start(group("one_for_one", [worker("a")])) as sup:
        (ref,) = ActorRegistry.get_all()
        with pytest.raises(pykka.ActorDeadError, match=r"Context\.tell"):
            ref.tell({"hello": 1})
        with pytest.raises(pykka.ActorDeadError):
            ref.ask({"hello": 1}, timeout=1.0)
        assert sup.request("a", Ping(), reply=Pong).incarnation == 1


def test_the_end_is_told_after_everything_of_it_is_gone() -> None:
    seen: list[tuple[bool, int]] = []
    actor = thread(
        after=lambda: seen.append((actor.actor_stopped.is_set(), len(ActorRegistry.get_all())))
    )
    actor.launch()
    eventually(lambda: seen)
    assert seen == [(True, 0)]


def test_even_a_life_that_breaks_out_is_cleaned_up(monkeypatch: pytest.MonkeyPatch) -> None:
    caught: list[object] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: caught.append(args.exc_type))
    over = threading.Event()

    def break_out() -> None:
        raise ZeroDivisionError

    thread(break_out, over.set).launch()
    assert over.wait(5.0)
    eventually(lambda: caught == [ZeroDivisionError])
    assert ActorRegistry.get_all() == []
