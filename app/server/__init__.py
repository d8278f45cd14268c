"""The server's side of a request: gunicorn's gevent worker, with less work for each.

``worker`` is what gunicorn is given; ``request`` reads heads and ``response`` writes
them.  Each is gunicorn's own class with its common case written out, and what is not
that case is gunicorn's.
"""
