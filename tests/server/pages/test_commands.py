"""The page's list of commands is the machine's: the platform cannot import it."""

import json
from importlib.resources import files
from typing import Any, get_args

import msgspec
import pytest

from models.remote.catalogue import CATALOGUE

LIST = json.loads((files("server.pages") / "static/commands.json").read_text())


def test_the_page_offers_the_whole_closed_list_with_its_safety_classes():
    offered = {command["type"]: command["safety"] for command in LIST}
    assert offered == {name: entry.safety for name, entry in CATALOGUE.items()}
    assert len(offered) == len(LIST)


@pytest.mark.parametrize("command", LIST, ids=lambda command: command["type"])
def test_its_forms_ask_for_the_arguments_that_the_machine_takes(command):
    fields = {field.name: field for field in msgspec.structs.fields(args_of(command))}
    assert {each["name"] for each in command["args"]} == set(fields)
    for each in command["args"]:
        field = fields[each["name"]]
        assert each.get("required", False) is field.required
        assert each["kind"] == kind_of(field.type)
        if each["kind"] == "choice":
            assert set(each["choices"]) == set(get_args(field.type))
        if "default" in each:
            assert each["default"] == field.default


@pytest.mark.parametrize("command", LIST, ids=lambda command: command["type"])
def test_what_a_form_sends_is_taken(command):
    samples = {"model": "shipped", "address": "/daemon"}
    args: dict[str, Any] = {}
    for each in command["args"]:
        if each["kind"] == "yes_no":
            args[each["name"]] = True
        elif each["kind"] == "choice":
            args[each["name"]] = each["choices"][0]
        else:
            args[each["name"]] = samples.get(each["name"], "x" * each["max"])
    msgspec.convert(args, args_of(command))


@pytest.mark.parametrize("language", ["en", "id"])
def test_every_command_is_explained_in_both_languages(language):
    assert all(command[language].endswith(".") for command in LIST)


def args_of(command):
    return CATALOGUE[command["type"]].args


def kind_of(hint):
    if hint is bool:
        return "yes_no"
    return (
        "choice"
        if all(isinstance(each, str) for each in get_args(hint)) and get_args(hint)
        else "text"
    )
