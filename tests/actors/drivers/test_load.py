"""Drivers are made by name, with the arguments that a child spec carries."""

import pytest

from actors.drivers import make


def test_arguments_come_by_keyword_and_by_position():
    assert make("builtins:dict", entry=25, drop=24) == {"entry": 25, "drop": 24}
    assert make("pathlib:PurePosixPath", "/sys", "class") == make(
        "pathlib:PurePosixPath", "/sys/class"
    )
    assert make("builtins:dict", {"entry": 25}, drop=24) == {"entry": 25, "drop": 24}


def test_a_driver_that_does_not_exist_is_a_mistake_of_the_caller():
    with pytest.raises(ImportError):
        make("actors.drivers.no_such_module:Gpio")
    with pytest.raises(AttributeError):
        make("actors.drivers.load:NoSuchDriver")
