"""Calls to one lab: they survive the restart of its actor, and say what is the matter where they do not."""

from __future__ import annotations

import time
from typing import Any, Protocol

import ray
import ray.exceptions

from raylab.client.session import (
    ANSWER_S,
    bounded,
    disconnected,
    is_channels,
    is_forgotten,
    is_lost,
    patiently,
    session,
)
from raylab.client.speech import UNCHANGED, Interruptible
from raylab.errors import LabUnavailable, RaylabError, VersionMismatch
from raylab.server.protocol import NAMESPACE, PROTOCOL, versions
from raylab.worker.ray_internals import client_worker

SLACK_S = 1.0
"""Ray's own timeout comes first, where it works."""

BACK_S = 0.2
"""How long a lab that is being restarted may take to say that it is there, before it is asked once more."""

INTERRUPTED = {
    "submit": "whether the lab took the sweep is not known; submit the same again, and it is found or made, not twice",
    "extend": "whether the lab extended the sweep is not known; extend it again, which adds nothing twice",
    "cancel": "whether the lab cancelled the sweep is not known; look at it, or cancel it again, which is safe",
    "archive": "whether the lab archived the sweep is not known; ask for the same again, which is safe",
    "remove": "whether the lab removed the sweep is not known; look for it, and remove it again if it is there",
    "lock": "whether the lab locked the sweep is not known; lock it again, which is safe",
    "pause": "whether the sweep is paused is not known; look at it, or pause it again, which is safe",
    "resume": "whether the sweep goes on is not known; look at it, or resume it again, which is safe",
    "change": "whether the sweep has its new policy is not known; look at info(), or change it again, which is safe",
    "notify": "whether the lab tells others from now on is not known; say it again, which is safe",
    "retry": "whether the lab runs again what failed is not known; look at it, or retry it again, which is safe",
    "close": "whether the lab was shut down is not known; its notebook stays, and shutting it down again is safe",
}
"""What is known when a call that changes something is interrupted; the other verbs change nothing."""

_GONE = (ray.exceptions.RayActorError, ray.exceptions.OwnerDiedError, ray.exceptions.RpcError)


class Calls(Protocol):
    """What a client does with a connection to a lab, however that is made; see `Connection`."""

    def check(self) -> None: ...
    def job_environment(self) -> dict[str, Any]: ...
    def info(self) -> dict[str, Any]: ...
    def call(self, verb: str, *args: Any, within: float = ANSWER_S) -> Any: ...
    def end(self, force: bool) -> None: ...


class Connection:
    """Calls to one lab. A call whose answer was lost is repeated: every verb is idempotent by its content."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._handle: Any = None
        self._session = session()

    def check(self) -> None:
        """Make sure that this process is connected as it was. Else Ray would start a cluster, or ask another one.

        Raises:
            LabUnavailable: it is not.
        """
        now = session()
        if now is None and is_lost():
            raise disconnected()
        if now != self._session:
            has = "no connection to Ray any more" if now is None else "another connection to Ray now"
            raise LabUnavailable(
                f"this process attached to the lab {self.name!r} and has {has}; attach again with Lab({self.name!r}). "
                "Nothing of the lab is lost, and it is safe to repeat the call"
            )

    def find(self) -> bool:
        """Look the actor up; whether it is there."""
        self.check()
        self._handle = patiently(self._look_up, ANSWER_S)
        return self._handle is not None

    def _look_up(self) -> Any:
        try:
            return ray.get_actor(self.name, namespace=NAMESPACE)
        except ValueError as error:
            if is_channels(error) and self.name not in str(error):
                raise  # gRPC's: there is no connection at the moment
            return None

    def greet(self) -> None:
        """Make sure that both sides speak the same protocol."""
        there = self.call("hello")
        if there["protocol"] != PROTOCOL:
            raise VersionMismatch(
                f"the lab {self.name!r} runs raylab {there['versions']['raylab']} (protocol {there['protocol']}), this "
                f"is raylab {versions()['raylab']} (protocol {PROTOCOL}); install the same version here, or end "
                f"the lab with `raylab shutdown {self.name}` and attach again to start it with this one"
            )

    def job_environment(self) -> dict[str, Any]:
        """The runtime_env of this process's own job."""
        return dict(patiently(lambda: ray.get_runtime_context().runtime_env, ANSWER_S))

    def info(self) -> dict[str, Any]:
        """What `Lab.info()` gives."""
        found: dict[str, Any] = self.call("info")
        return found

    def call(self, verb: str, *args: Any, within: float = ANSWER_S) -> Any:
        """Call a verb of the lab.

        Args:
            verb: its name.
            *args: its arguments.
            within: seconds after which to give up.

        Raises:
            LabUnavailable: no answer in time. Nobody knows whether it was carried out; repeating it is safe.
            RaylabError: whatever the lab says.
            KeyboardInterrupt: it was interrupted; a line says what is known of it.
        """
        with Interruptible(lambda: f"interrupted; {INTERRUPTED.get(verb, UNCHANGED)}"):
            return self._call(verb, args, within)

    def _call(self, verb: str, args: tuple[Any, ...], within: float) -> Any:
        self.check()
        until = time.monotonic() + within
        why: BaseException | None = None
        pause = 0.05
        while (left := until - time.monotonic()) > 0 and (self._handle is not None or self.find()):
            try:
                return self._ask(verb, args, left)
            except ray.exceptions.GetTimeoutError as error:
                why = error
                break
            except ray.exceptions.RayTaskError as error:
                if isinstance(error.cause, RaylabError):
                    raise error.cause from None
                raise
            except _GONE as error:
                why = error
            except Exception as error:
                if session() is not None and not isinstance(error, ConnectionError) and not is_forgotten(error):
                    raise
                raise disconnected(error) from error
            time.sleep(min(pause, max(0.0, until - time.monotonic())))
            pause = min(2 * pause, 1.0)
            if isinstance(why, ray.exceptions.ActorDiedError):
                self.find()  # another one of this name, or none; Ray lists the dead one for a moment
            else:
                self._knock(until)
        if self._handle is None:
            raise LabUnavailable(
                f"the lab {self.name!r} is not running; Lab({self.name!r}) starts it again on its notebook"
            ) from why
        raise LabUnavailable(
            f"the lab {self.name!r} did not answer {verb} within {within:.0f} s ({type(why).__name__}); it is safe to "
            "repeat the call"
        ) from why

    def _ask(self, verb: str, args: tuple[Any, ...], left: float) -> Any:
        def ask() -> Any:
            return ray.get(getattr(self._handle, verb).remote(*args), timeout=left)

        return bounded(ask, left + SLACK_S)

    def _knock(self, until: float) -> None:
        """Wait until the lab answers again, as long as it is only being restarted.

        What is asked meanwhile fails at the next tick of a clock of Ray's that strikes every two seconds, also where
        the actor is back long before (seen with 2.60). So each question is given up soon, and asked anew. Not over
        `ray://`: a question that is given up there goes on, and may connect anew by itself when the connection breaks.
        """
        patience = BACK_S
        while client_worker() is None and (left := until - time.monotonic()) > 0:
            try:
                self._ask("hello", (), min(patience, left))
            except ray.exceptions.GetTimeoutError:
                patience *= 1.5  # it may be there, and busy
                continue
            except Exception:
                pass  # the call itself will meet it, and tell what it means
            return

    def end(self, force: bool) -> None:
        """Shut the lab down; its notebook stays."""
        with Interruptible(lambda: f"interrupted; {INTERRUPTED['close']}"):
            self.call("close", force)  # it ends by itself then
            ended = self._handle
            until = time.monotonic() + ANSWER_S
            while self.find() and self._handle == ended and time.monotonic() < until:
                time.sleep(0.05)  # Ray frees the name when the process is gone
