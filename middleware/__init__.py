"""The way in: each endpoint's middleware turns a request into a call to Ollama.

``stack`` puts everything together and is the place to start reading.  *Layers*
(``inflight``, ``request_id``, ``access_log``, ``cors``, ``errors``, ``doors``) act on
headers and outcome and never read a body; *endpoints* (``chat``, ``completions``,
``embeddings``, ``models``, ``transcriptions``) rewrite one route each, on the base in
``base``; *policies* (``aliases``, ``abilities``, ``reasoning``, ``context``,
``awaited``) look at the call that was made of a request and amend it.
"""
