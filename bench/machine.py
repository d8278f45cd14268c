"""What a benchmark ran on: the machine, and the versions of who took part."""

import datetime
import os
import platform
import subprocess
from importlib import metadata

from tests.support.nginx import NGINX

from .rivals import litellm


def describe() -> dict[str, str]:
    """What the figures hold for, by its name; what is not there is left out."""
    found = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "cores": str(os.cpu_count()),
        "Python": platform.python_version(),
        "gunicorn": metadata.version("gunicorn"),
        "gevent": metadata.version("gevent"),
        "requests": metadata.version("requests"),
        "nginx": _nginx(),
        "LiteLLM": litellm.version(),
    }
    return {name: what for name, what in found.items() if what}


def _nginx() -> str:
    if NGINX is None:
        return ""
    told = subprocess.run([NGINX, "-v"], capture_output=True, text=True, check=True)
    return told.stderr.strip().rpartition("/")[2]
