"""What stands before the application: watching, keys and limits, in this order."""

from __future__ import annotations

from fastapi import FastAPI

from cluster.config import ServeConfig
from cluster.meter import HttpMeter
from deploy.auth import Auth, Keyring
from deploy.keys import KeySource
from deploy.limits import Limits
from deploy.watching import Watch, access_log


def guard(app: FastAPI, config: ServeConfig, keys: KeySource, meter: HttpMeter) -> FastAPI:
    """Put everything that guards an application before it; raises ConfigError for bad keys.

    What is refused is watched too. Whoever has no key takes no place from those who have one.
    """
    app.state.meter = meter
    app.add_middleware(Limits, config=config)  # the last one added is asked first
    app.add_middleware(Auth, keyring=Keyring(keys), host=config.host)
    app.add_middleware(Watch, meter=meter, log=access_log(config.access_log))
    return app
