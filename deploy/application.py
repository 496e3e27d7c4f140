"""The network as Ray Serve builds it by itself, from its own configuration file:

    applications:
      - name: sen
        import_path: deploy.application:build
        args: {config: /etc/sen/sen.yaml}

That is how KubeRay and `serve deploy` start it, where nobody runs `sen up`. Serve calls `build` in
a task on the cluster: it makes sure that the controller runs, and says what the replicas are. When
the whole cluster comes back Serve builds it again, so the network is back too.
"""

# Serve looks at the annotation of `build`, which must be the class itself and not its name: so no
# annotations from the future here.
import os
from dataclasses import replace

from pydantic import BaseModel, ConfigDict
from ray.serve import Application

from cluster.config import SenConfig, read_config
from cluster.lifecycle import ensure_network
from cluster.store import Store
from deploy.auth import check_exposed
from deploy.keys import ENVIRONMENT, KeySource
from deploy.serving import ingress, replicas


class Arguments(BaseModel):
    """What the configuration file of Serve gives; anything else is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    config: str
    """YAML file with the network's settings, at the same path on every node. `serve.host`,
    `serve.port` and `serve.grpc_port` must say what Serve's own file says of them."""


def build(arguments: Arguments) -> Application:
    """Bring the network back unless it runs, and return what Serve is to run.

    Raises ConfigError for settings that are wrong or open to others without API keys, before
    anything is started, and SenError (StoreError for an unusable store) if it cannot come back.
    """
    config, keys = settings(arguments)
    ensure_network(config)
    return ingress(config, keys, replicas())


def settings(arguments: Arguments) -> tuple[SenConfig, KeySource]:
    """The network's settings with its store opened, and its API keys; errors as for `build`."""
    config = read_config(arguments.config)
    keys = KeySource(file=config.serve.keys_file, text=os.environ.get(ENVIRONMENT, ""))
    check_exposed(config.serve, keys)
    return replace(config, store=Store.open(config.store, create=True).uri), keys
