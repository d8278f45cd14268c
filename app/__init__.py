"""The inner application: Ollama, relayed.

Peel off every layer of ``middleware`` and this is what is left: a faithful proxy
(``relay``, ``upstream``) with a few pages for people (``pages``).
"""
