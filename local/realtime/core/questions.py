"""What the core has to ask the world outside, and the answers: policies, replay, and the passing of time.

A process with questions in it is written as a generator (`Steps`) that yields a question and is sent its answer.
"""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias, TypeVar

from local.realtime.core.text import Json


class Fault(Enum):
    """Why the database gave no answer."""

    POLICY = auto()  # a policy raises, the role is unknown, a grant is missing, any other SQL error
    CANCELED = auto()
    MISSING_PARTITION = auto()
    POOL_EXHAUSTED = auto()
    TOO_MANY_CONNECTIONS = auto()
    UNAVAILABLE = auto()
    INITIALIZING = auto()


@dataclass(frozen=True, slots=True)
class Caller:
    """On whose behalf policies are evaluated, and on which topic."""

    topic: str
    claims: Mapping[str, Json]
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ReadPolicies:
    """May the caller read broadcasts, and presence if asked?"""

    caller: Caller
    presence: bool


@dataclass(frozen=True, slots=True)
class WritePolicies:
    """May the caller send broadcasts and presence?"""

    caller: Caller


@dataclass(frozen=True, slots=True)
class Replay:
    """The newest private broadcasts of a topic since then (epoch milliseconds), oldest first."""

    topic: str
    since: int
    limit: int


@dataclass(frozen=True, slots=True)
class Pause:
    """Let this many seconds pass."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Grant:
    """What policies said; None where they were not asked."""

    broadcast: bool
    presence: bool | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """A row of realtime.messages: payload is JSON text or bytes, or neither."""

    id: str | None
    topic: str | None
    private: bool | None
    event: str | None
    payload: str | bytes | None


Question: TypeAlias = ReadPolicies | WritePolicies | Replay | Pause
Answer: TypeAlias = Grant | Sequence[Stored] | Fault | None
Result = TypeVar("Result")
Steps: TypeAlias = Generator[Question, Answer, Result]


def ask_policies(question: ReadPolicies | WritePolicies) -> Steps[Grant | Fault]:
    """Asks, and returns the one kind of answer that belongs to the question."""
    answer = yield question
    return answer if isinstance(answer, Grant | Fault) else Fault.UNAVAILABLE


def ask_replay(question: Replay) -> Steps[Sequence[Stored] | Fault]:
    """Asks, and returns the one kind of answer that belongs to the question."""
    answer = yield question
    return answer if isinstance(answer, Sequence | Fault) else Fault.UNAVAILABLE
