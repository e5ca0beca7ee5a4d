"""What the core wants done: frames delivered, sockets closed, questions answered."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from local.realtime.core.frames import Frame
from local.realtime.core.questions import Answer, Question

if TYPE_CHECKING:
    from local.realtime.core.socket import Socket


@dataclass(frozen=True, slots=True)
class Deliver:
    """One frame to all these sockets."""

    frame: Frame
    sockets: "Sequence[Socket]"


@dataclass(frozen=True, slots=True)
class Close:
    """The end of a socket: with this code, or without any close frame."""

    socket: "Socket"
    code: int | None


@dataclass(frozen=True, slots=True)
class Ask:
    """A question to the database; `answered` takes the answer, once."""

    question: Question
    answered: Callable[[Answer], None]


Effect = Deliver | Close | Ask
