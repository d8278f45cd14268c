"""What makes a gateway of a sidecar: keys, models, aliases, overrides, usage.

All of it is data of one installation, the same in every worker: a ``Snapshot`` in
memory, replaced when it changes.  Requests look at it and never wait for a database.
Nothing here knows WSGI, SQL or a dialect.

    keys.py        Key, Terms: who may ask, and for what
    credentials.py  how a key looks, and what of it is kept
    groups.py      endpoint groups: which routes a key may use
    guesses.py     wrong keys, by the address that they came from
    globs.py       patterns of names of models
    entries.py     ModelEntry, AliasEntry: what was set for a model, or for a name
    names.py       Names: which alias a name is, of all that count
    template.py    Template: how a model is asked for code
    parameters.py  Ollama's options: their types and ranges
    rules.py       what override JSON says
    overrides.py   parameters that an installation sets, and which of them wins
    snapshot.py    Snapshot: all of that at one moment
    current.py     Current: the snapshot in force
    limits.py      how much a key may have; limits_*.py count, here and in Redis
    spent.py       what a request asks and uses, noted while it passes
    usage.py       rows of what requests have used, on their way to the database
    usage_export.py  the same as lines of a file
"""
