"""The actor runtime: OTP's supervision in Python, on Pykka threads and processes of their own.

This package knows no actor of ours. Start with `Supervisor.start`; `docs/runtime.md` tells people
who know OTP what is the same, what is more, and what is not there.

    spec         what a tree is made of          core       the supervisor as a pure machine
    actor        what an actor is                supervisor the thread around it
    context      an actor's way to the world     system     addresses, routing, requests
    mailbox      two lanes, bounded              loop       the life of one incarnation
    thread_host  in a thread (on Pykka)          process_host, zygote, host_main  in a process
    monitor      hangs and the watchdog          recorder   what is left after a crash
"""

from supervisors.actor import IGNORE, LATER, Actor, AsyncActor, Waiting, handles
from supervisors.clock import Clock, SystemClock
from supervisors.context import AsyncContext, Context, RequestFailed
from supervisors.mailbox import Put
from supervisors.results import ChildRef
from supervisors.spec import (
    AutoShutdown,
    Backoff,
    ChildSpec,
    Host,
    Limits,
    MailboxSpec,
    Restart,
    SpecError,
    Strategy,
    SupervisorSpec,
    dynamic,
)
from supervisors.supervisor import Supervisor, SupervisorFailed
from supervisors.system import ActorSystem

__all__ = [
    "IGNORE",
    "LATER",
    "Actor",
    "ActorSystem",
    "AsyncActor",
    "AsyncContext",
    "AutoShutdown",
    "Backoff",
    "ChildRef",
    "ChildSpec",
    "Clock",
    "Context",
    "Host",
    "Limits",
    "MailboxSpec",
    "Put",
    "RequestFailed",
    "Restart",
    "SpecError",
    "Strategy",
    "Supervisor",
    "SupervisorFailed",
    "SupervisorSpec",
    "SystemClock",
    "Waiting",
    "dynamic",
    "handles",
]
