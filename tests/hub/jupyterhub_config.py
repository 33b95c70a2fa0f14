"""The hub that `run.py` starts: one password, homes in a folder of its own, a proxy from npm.

Its learners are one user of the system: nobody is protected from anybody. It is for measuring.
"""

import os
import sys

from jupyterhub.utils import random_port

c = get_config()  # noqa: F821
run = os.environ["HUB_RUN"]

c.JupyterHub.bind_url = os.environ["HUB_URL"]
c.JupyterHub.hub_port = random_port()
c.JupyterHub.authenticator_class = "shared-password"
c.SharedPasswordAuthenticator.user_password = os.environ["HUB_PASSWORD"]
c.Authenticator.allow_all = True
c.ConfigurableHTTPProxy.command = [os.environ["HUB_PROXY"]]
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{random_port()}"

c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = f"{run}/homes/{{username}}"
c.Spawner.cmd = [sys.executable, "-m", "jupyterhub.singleuser"]
c.Spawner.environment = {
    name: value for name, value in os.environ.items() if name.startswith("QHELPERS_")
}
# Many start at once on few cores.
c.Spawner.start_timeout = c.Spawner.http_timeout = 600
