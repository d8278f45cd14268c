"""Pannier's configuration of gunicorn, and a look at what is left for the collector.

``GET /garbage`` answers the types of the objects in circles, in JSON, and how many
there are of each, since it was last asked; none is collected between.
"""

import gc
import json
import runpy
from collections import Counter
from pathlib import Path

globals().update(runpy.run_path(str(Path(__file__).parents[2] / "gunicorn.conf.py")))

_theirs = post_worker_init  # type: ignore[name-defined]  # noqa: F821


def found():
    """The types of what cannot be reached any more, which is let go then."""
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.collect()
    kinds = Counter(
        f"{type(one).__module__}.{type(one).__name__}" for one in gc.garbage
    )
    gc.set_debug(0)
    gc.garbage.clear()
    gc.collect()
    return kinds


def post_worker_init(worker):
    """Collect nothing by itself, and answer for it."""
    _theirs(worker)
    inner = worker.wsgi
    gc.collect()
    gc.disable()

    def asked(environ, start_response):
        if environ["PATH_INFO"] != "/garbage":
            return inner(environ, start_response)
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(found()).encode()]

    worker.wsgi = asked
