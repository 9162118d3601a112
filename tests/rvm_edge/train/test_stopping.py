"""The first signal asks, the second one ends."""

from __future__ import annotations

import signal

import pytest

from rvm_edge.train.stopping import Stop


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_only_asks(number, capsys):
    with Stop("this picture") as stop:
        assert not stop.asked
        signal.raise_signal(number)
        assert stop.asked
    assert "stopping after this picture" in capsys.readouterr().err


def test_the_second_signal_ends_it(capsys):
    with Stop("this picture"):
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_afterwards_signals_do_what_they_did_before():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with Stop("it"):
        assert signal.getsignal(signal.SIGINT) != before[0]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
