"""Remote commands, the actor: fetched over HTTP, written down, carried out once, always answered.

actor.py      fetches, and starts whatever follows
journal.py    the commands that are not over: in memory as they are on the disk
work.py       what one command becomes: a question, a message, a movement, a file, an end
telling.py    reports to the platform, until it has taken them
readings.py   how the machine stands
"""

from actors.uplink.commands.actor import Commands

__all__ = ["Commands"]
