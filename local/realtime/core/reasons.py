"""The literal words of the server: clients and tests compare them."""

from typing import Final

from local.realtime.core.questions import Fault
from local.realtime.core.tokens import BadToken, Flaw

TOPIC_REQUIRED: Final = "TopicNameRequired: You must provide a topic name"
RESTARTING: Final = "RealtimeRestarting: Realtime is restarting, please standby"
PRIVATE_ONLY: Final = "PrivateOnly: This project only allows private channels"
TOO_MANY_USERS: Final = "ConnectionRateLimitReached: Too many connected users"
TOO_MANY_JOINS: Final = "ClientJoinRateLimitReached: Too many joins per second"
TOO_MANY_CHANNELS: Final = "ChannelRateLimitReached: Too many channels"
REPLAY_PARAMS: Final = "UnableToReplayMessages: Replay params are not valid"
REPLAY_PUBLIC: Final = "UnableToReplayMessages: Replay is not allowed for public channels"
REPLAY_FAILED: Final = "UnableToReplayMessages: Realtime was unable to replay messages"
UNKNOWN: Final = "Unknown Error on Channel"

TOO_MANY_MESSAGES: Final = "Too many messages per second"
TOO_MANY_PRESENCE_MESSAGES: Final = "Too many presence messages per second"
TOO_MANY_PRESENCE_PUSHES: Final = "Client presence rate limit exceeded"
TRACK_TOO_LARGE: Final = "Track message size exceeded"
TRACK_NO_MAP: Final = "Presence track payload must be a map"
REPLICATION_READY: Final = "Replication connection established"
REPLICATION_LATE: Final = "Replication connection was not established in time"
NO_DATABASE: Final = "Realtime was unable to connect to the project database"

_NOT_A_JWT: Final = "The token provided is not a valid JWT"
_MISSING_CLAIMS: Final = "Fields `role` and `exp` are required in JWT"
_BAD_SIGNATURE: Final = "Failed to validate JWT signature"


def _no_signer(bad: BadToken) -> str:
    kid = f' for key ID (kid) "{bad.kid}"' if bad.kid is not None else ""
    return f"Failed to generate JWT signer{kid}, check your JWT secret or JWKS configuration"


def _expired(bad: BadToken) -> str:
    return f"Token has expired {bad.seconds} seconds ago"


def connect_refusal(bad: BadToken) -> tuple[int, str]:
    """HTTP status and message when the connection's token is refused."""
    match bad.flaw:
        case Flaw.MALFORMED:
            return 401, _NOT_A_JWT
        case Flaw.EXPIRED:
            return 401, "Token has expired"
        case Flaw.MISSING_CLAIMS:
            return 401, _MISSING_CLAIMS
        case Flaw.SIGNATURE:
            return 401, _BAD_SIGNATURE
        case Flaw.NO_SIGNER:
            return 401, _no_signer(bad)
    return 500, "Error connecting to Realtime"


def join_refusal(bad: BadToken) -> str:
    """Reason of a join's error reply when the channel's token is refused."""
    match bad.flaw:
        case Flaw.MALFORMED:
            return f"MalformedJWT: {_NOT_A_JWT}"
        case Flaw.EXPIRED:
            return f"InvalidJWTToken: {_expired(bad)}"
        case Flaw.MISSING_CLAIMS:
            return f"InvalidJWTToken: {_MISSING_CLAIMS}"
        case Flaw.SIGNATURE:
            return f"JwtSignatureError: {_BAD_SIGNATURE}"
        case Flaw.NO_SIGNER:
            return f"JwtSignerError: {_no_signer(bad)}"
    return UNKNOWN


def token_end(bad: BadToken) -> str:
    """System message when a joined channel's token is refused, at its timer or when it is replaced."""
    match bad.flaw:
        case Flaw.MALFORMED:
            return _NOT_A_JWT
        case Flaw.EXPIRED:
            return _expired(bad)
        case Flaw.MISSING_CLAIMS:
            return _MISSING_CLAIMS
        case Flaw.NO_SIGNER:
            return _no_signer(bad)
    return str(bad.flaw.value)


def unauthorized(topic: str) -> str:
    return f"Unauthorized: {no_read(topic)}"


def no_read(topic: str) -> str:
    return f"You do not have permissions to read from this Channel topic: {topic}"


def read_lost(topic: str) -> str:
    return f"You no longer have permission to read from this Channel topic: {topic}"


_JOIN_FAULTS: Final = {
    Fault.CANCELED: "QueryCanceled: Query was cancelled, please try again",
    Fault.MISSING_PARTITION: "MissingPartition: Realtime was unable to find the expected messages partition",
    Fault.POOL_EXHAUSTED: "IncreaseConnectionPool: Please increase your connection pool size",
    Fault.TOO_MANY_CONNECTIONS: (
        "DatabaseLackOfConnections: Database can't accept more connections, Realtime won't connect"
    ),
    Fault.UNAVAILABLE: f"UnableToConnectToProject: {NO_DATABASE}",
    Fault.INITIALIZING: "InitializingProjectConnection: Realtime is initializing the project connection",
}
_REST_FAULTS: Final = {
    Fault.POLICY: (422, "RLS policy error"),
    Fault.CANCELED: (422, "Query canceled"),
    Fault.MISSING_PARTITION: (422, "Missing messages partition"),
    Fault.POOL_EXHAUSTED: (429, "Connection pool exhausted"),
    Fault.TOO_MANY_CONNECTIONS: (422, "Tenant database has too many connections"),
    Fault.UNAVAILABLE: (422, "Tenant database unavailable"),
    Fault.INITIALIZING: (422, "Tenant database initializing"),
}


def join_fault(fault: Fault, topic: str) -> str:
    """Reason of a join's error reply when policies could not be evaluated."""
    return _JOIN_FAULTS.get(fault) or unauthorized(topic)


def token_fault(fault: Fault, topic: str) -> str:
    """System message when policies could not be evaluated for a new token."""
    match fault:
        case Fault.CANCELED:
            return "Query was cancelled, please try again"
        case Fault.POLICY:
            return no_read(topic)
    return NO_DATABASE


def rest_fault(fault: Fault) -> tuple[int, str]:
    """HTTP status and message of a single REST broadcast when policies could not be evaluated."""
    return _REST_FAULTS[fault]
