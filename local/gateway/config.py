"""What the gateway is told when it starts, as one JSON document in the environment variable GATEWAY_CONFIG."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict


class PageUser(BaseModel):
    """Somebody whom the page offers to sign in as."""

    model_config = ConfigDict(frozen=True)

    email: str
    username: str
    password: str


class GatewayConfig(BaseModel):
    """Where to listen, where the parts are (`http://host:port`), and which JWT each API key stands for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str
    port: int
    rest: str
    auth: str
    realtime: str
    functions: str
    page: Path
    publishable_key: str
    secret_key: str
    anon_token: str
    service_token: str
    users: list[PageUser]
