"""The WSGI application as servers find it: ``gunicorn wsgi:application``."""

from app.settings import Settings
from middleware.stack import build_stack

application = build_stack(Settings.from_environ())
