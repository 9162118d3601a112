"""What `Hosted` actors are told and say."""

from protocol.message import Delivery, Message


class Ask(Message, tag="hosted.ask"):
    """Give ``number`` back."""

    number: int = 0


class Answer(Message, tag="hosted.answer"):
    """Here it is."""

    number: int
    pid: int
    incarnation: int


class Do(Message, tag="hosted.do"):
    """Do something, named by a method of `Hosted`."""

    what: str
    arg: str = ""


class Hang(Message, tag="hosted.hang"):
    """The same, and it is known to take too long."""

    what: str
    arg: str = ""


class Said(Message, tag="hosted.said"):
    """Something an actor reports to the probe."""

    what: str
    by: str = ""


class Pay(Message, tag="hosted.pay"):
    """Money."""

    delivery = Delivery.MONEY

    number: int


class Turn(Message, tag="hosted.turn"):
    """An order to an actuator."""

    delivery = Delivery.COMMAND

    number: int


class Measured(Message, tag="hosted.measured"):
    """A value of which only the latest counts."""

    delivery = Delivery.TELEMETRY

    number: int


class Note(Message, tag="hosted.note"):
    """An event with a load."""

    number: int
    load: bytes = b""


class Halt(Message, tag="hosted.halt"):
    """A message of the fast lane."""

    delivery = Delivery.SAFETY

    number: int = 0


class Load(Message, tag="hosted.load"):
    """Give so many bytes back."""

    size: int


class Loaded(Message, tag="hosted.loaded"):
    """So many bytes."""

    load: bytes
