"""Administration: what an operator does, whoever asks for it in his name.

The commands use it, and so can pages.  Everything is checked before anything is
written, each call writes in one transaction, and the audit log learns who did it.
What cannot be done is ``Refused``, with a sentence for people and the field's name.
Loads SQLAlchemy.

    office.py        Administration: all of it, for one database and one actor
    desk.py          Desk: reading, writing, and the secret that keys are hashed with
    keys.py          Keys: make, change, rotate, revoke, delete, import
    models.py        Models, Aliases
    outside.py       Outside: aliases of the environment
    accounts.py      Accounts: who signs in over HTTP
    passwords.py     how passwords are kept
    choices.py       Choices: settings in the database, and the overrides for all
    checks.py        what is wrong with what somebody wants to set
    document.py      Document: all that is set, as a file
    transfer.py      Transfer: writes such a file, and takes one in
    steps.py         what that does, one thing after the other
    ollama2openai.py reads the files of Ollama2OpenAI into a Document
    ollama2openai_models.py  what of that is about models and their names
    ollama2openai_logs.py  and its log into rows of usage
    foreign.py       how files of other programs are read
    views.py         how keys are shown: never their digests
"""

from ..storage.refusal import Refused
from .office import Administration

__all__ = ["Administration", "Refused"]
