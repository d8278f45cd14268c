"""Live: what runs now; the browser hears of it once a second (``static/live.js``)."""

from .page import Page, plain

PAGES: list[Page] = [Page("/live", "live.html", plain)]
