"""Live: what runs now, in all workers, and ending one of it.

Nothing is noted for it while requests pass: who asks looks at the watch over them
(``app.inflight``).  Each worker of a machine answers through a socket in the state
directory, and those of other machines through Redis, where there is one.

    running.py   Running, Report: what one worker is answering
    meeting.py   Door: where a worker can be asked; ``ask_all``: asks those of a machine
    replicas.py  Replicas: asks the workers of all machines, through Redis
    revoked.py   ends what runs of a key that is good no more
    live.py      Live: all of it; what runs anywhere
"""

from .live import CANCEL, Live, Overview
from .running import Running

__all__ = ["CANCEL", "Live", "Overview", "Running"]
