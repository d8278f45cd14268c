"""Admin: what operators do over HTTP, under ``/admin/api/v1``.

Loaded with the first request that comes there: Flask, SQLAlchemy and password hashing
are nothing that traffic needs.  Handlers are plain functions of what they work with and
of what was asked; ``application`` alone knows Flask.

    application.py   the Flask application: routes, sessions, errors
    asked.py         Admin, Asked, Route: what handlers get
"""
