"""The WSGI application as servers find it: ``gunicorn wsgi:application``."""

from app.given import given
from app.settings import options
from middleware.application import Application

application = Application(given(options(), None, None))
