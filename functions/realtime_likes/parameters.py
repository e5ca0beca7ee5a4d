"""Reads secrets from SSM when a function starts: `SUPABASE_SECRET_KEY_PARAMETER=/path` stands for the key there.

So they are in no template, no stack and no configuration that a console shows; docs/adr/0008 says why. Every cold start
waits for this, so it is one request on the connections that are there, signed by botocore: boto3's client would take
three times as long to make as the request and its signature together.
"""

from __future__ import annotations

import json
import random
import time
from http import HTTPStatus
from typing import TYPE_CHECKING

import httpx

from realtime_likes.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from botocore.awsrequest import AWSRequest

    from realtime_likes.connections import Http

_SECRETS = ("SUPABASE_SECRET_KEY", "SUPABASE_JWT_SECRET")
# SSM answers 40 requests a second unless the account pays for more; a burst of likes may start more functions.
_ATTEMPTS = 4
_THROTTLED = ("ThrottlingException", "TooManyRequestsException")


def read_secrets(
    environ: Mapping[str, str],
    connections: Callable[[], Http],
    *,
    sleep: Callable[[float], None] = time.sleep,
    chance: Callable[[], float] = random.random,
) -> dict[str, str]:
    """The secrets whose parameters the environment names, by their own names.

    Raises:
        SettingsError: a parameter is not there, or may not be read; or SSM does not answer, after several tries.
    """
    parameters = {name: path for name in _SECRETS if (path := environ.get(f"{name}_PARAMETER"))}
    if not parameters:
        return {}
    question = _signed(environ, parameters.values())
    answer = _ask(connections(), question)
    for attempt in range(1, _ATTEMPTS):
        if not _may_pass(answer):
            break
        sleep(chance() * 2**attempt / 2)  # with full jitter: all that start at once would come back at once
        answer = _ask(connections(), question)
    return _values(parameters, answer)


def _signed(environ: Mapping[str, str], paths: Iterable[str]) -> AWSRequest:
    from botocore.auth import SigV4Auth  # noqa: PLC0415 - only Lambda needs it, and it takes its time
    from botocore.awsrequest import AWSRequest  # noqa: PLC0415
    from botocore.credentials import Credentials  # noqa: PLC0415

    try:
        region, identity, secret = (environ[f"AWS_{name}"] for name in ("REGION", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY"))
    except KeyError as missing:
        raise SettingsError(
            f"{missing.args[0]} is missing: Lambda sets it; elsewhere, set the secret itself."
        ) from None
    body = json.dumps({"Names": list(paths), "WithDecryption": True})
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "AmazonSSM.GetParameters"}
    question = AWSRequest("POST", _endpoint(environ, region), data=body, headers=headers)
    SigV4Auth(Credentials(identity, secret, environ.get("AWS_SESSION_TOKEN")), "ssm", region).add_auth(question)
    return question


def _endpoint(environ: Mapping[str, str], region: str) -> str:
    chosen = environ.get("AWS_ENDPOINT_URL_SSM") or environ.get("AWS_ENDPOINT_URL")
    return f"{(chosen or f'https://ssm.{region}.amazonaws.com').rstrip('/')}/"


def _ask(http: Http, question: AWSRequest) -> httpx.Response | httpx.TransportError:
    try:
        body = str(question.data).encode()
        return http.request("POST", str(question.url), content=body, headers=dict(question.headers.items()))
    except httpx.TransportError as error:
        return error


def _may_pass(answer: httpx.Response | httpx.TransportError) -> bool:
    if isinstance(answer, httpx.TransportError):
        return True
    return answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR or any(name in answer.text for name in _THROTTLED)


def _values(parameters: Mapping[str, str], answer: httpx.Response | httpx.TransportError) -> dict[str, str]:
    if isinstance(answer, httpx.TransportError):
        raise SettingsError(f"The secrets in SSM could not be read: {answer!r}") from answer
    if answer.status_code != HTTPStatus.OK:
        raise SettingsError(f"The secrets in SSM could not be read: {answer.text[:300]}")
    values = {parameter["Name"]: parameter["Value"] for parameter in answer.json()["Parameters"]}
    if missing := sorted(set(parameters.values()) - values.keys()):
        raise SettingsError(f"There is no SSM parameter {', '.join(missing)}: make it, as a SecureString.")
    return {name: values[path] for name, path in parameters.items()}
