"""Pages: the administration as people see it, under ``/admin/``.

A page is a template and a handler ``(Admin, Asked) -> values``.  Handlers call those of
the API and change nothing: all that changes something is sent to the API by the browser
(``static/app.js``), so there is one implementation of it.

    routes.py       PAGES: all of them; NAVIGATION: those of the menu
    page.py         Page: what a page is
    show.py         Show: answers requests for them; knows Flask
    filters.py      numbers, sizes and times as templates write them
    static.py       scripts and styles, packed once, under names that never change
    overview.py, live.py, keys.py, … handlers, named as what they are about
    templates/      Jinja; base.html is the frame, macros.html has what pages share
    static/         app.js, app.css, charts.js and those of single pages; vendor/
"""
