"""Runs the gateway: `GATEWAY_CONFIG='{…}' python -m local.gateway`."""

import os

from aiohttp import web

from local.gateway.app import Gateway
from local.gateway.config import GatewayConfig


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    config = GatewayConfig.model_validate_json(os.environ["GATEWAY_CONFIG"])
    application = Gateway(config).application()
    # No access log: it would cost more than the forwarding. The parts behind have theirs.
    web.run_app(application, host=config.host, port=config.port, access_log=None, print=None, shutdown_timeout=1)


if __name__ == "__main__":
    main()
