"""The way out: each writer turns Ollama's answer into what its client expects.

``base`` holds the protocol side (WSGI, lines, closing) once; ``chat``,
``completion``, ``embed``, ``list`` and ``retrieve`` hold the meaning.
"""
