"""Admin: what operators do over HTTP: the API under ``/admin/api/v1``, and pages.

Loaded with the first request that comes there: Flask, SQLAlchemy and password hashing
are nothing that traffic needs.  Handlers are plain functions of what they work with and
of what was asked; three modules know Flask.

    application.py  the Flask application: its routes, and what is said of errors
    reception.py    Reception: from a request to a handler and back
    pages/          the administration as people see it
    asked.py        Admin, Asked, Route: what handlers get
    keys.py, models.py, aliases.py, settings.py, usage.py, audit.py, transfer.py
                    handlers, named as what they are asked about
    standing.py     what keys have had of their limits by now
    loading.py, pulling.py
                    what is done to models in Ollama itself
    playground.py   requests to models, as any key
    health.py       how Pannier is with all around it; whether an Ollama is elsewhere
    calls.py        calls to Ollama for an operator
    query.py        Query: what stands behind the question mark; pages of lists
    tags.py         how it is noticed that two change the same thing
    routes.py       ROUTES: all handlers for those who are signed in
    guard.py        whose requests come in, and in which form
    me.py           signing in and out, the own account
    signing_in.py   SigningIn: who gets a session, and what the audit log has of it
    sessions.py     Sessions, Cookie: who is signed in
    attempts.py     how often somebody may try one
"""
