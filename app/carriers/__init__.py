"""What carries a request to Ollama: two carriers behind one interface.

``base`` holds the interface and the words both share; ``http1`` (with ``pool``) is our
own pooled client on gevent sockets, for plain http; ``session`` (with ``direct``) is
``requests``, for https, and by choice.  ``head`` and ``framing`` read
and write HTTP without any socket, ``answer`` is the one response class of both, and
``pace`` knows how long it may keep us waiting.
"""
