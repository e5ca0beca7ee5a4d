"""Reads secrets from SSM when a function starts: `SUPABASE_SECRET_KEY_PARAMETER=/path` stands for the key there.

So they are in no template, no stack and no configuration that a console shows; docs/adr/0008 says why. boto3 is
imported only where there is something to read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from realtime_likes.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_SECRETS = ("SUPABASE_SECRET_KEY", "SUPABASE_JWT_SECRET")
_CONNECT_SECONDS, _READ_SECONDS = 1.0, 2.0


def read_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """The secrets whose parameters the environment names, by their own names.

    Raises:
        SettingsError: a parameter is not there, or may not be read.
    """
    parameters = {name: path for name in _SECRETS if (path := environ.get(f"{name}_PARAMETER"))}
    if not parameters:
        return {}
    values = _fetch(parameters.values())
    if missing := sorted(set(parameters.values()) - values.keys()):
        raise SettingsError(f"There is no SSM parameter {', '.join(missing)}: make it, as a SecureString.")
    return {name: values[path] for name, path in parameters.items()}


def _fetch(paths: Iterable[str]) -> dict[str, str]:
    import boto3  # noqa: PLC0415 - as in sqs_queue: importing it takes longer than all the rest of a start
    from botocore.config import Config  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    patience = Config(connect_timeout=_CONNECT_SECONDS, read_timeout=_READ_SECONDS, retries={"total_max_attempts": 3})
    try:
        answer = boto3.client("ssm", config=patience).get_parameters(Names=list(paths), WithDecryption=True)
    except (BotoCoreError, ClientError) as error:
        raise SettingsError(f"The secrets in SSM could not be read: {error}") from error
    return {parameter["Name"]: parameter["Value"] for parameter in answer["Parameters"]}
