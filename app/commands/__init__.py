"""Commands: what an operator types about keys, models, aliases and settings.

They read arguments, ask where that is needed, and print; what may be done is the
administration's affair.  They use the database of the settings in force, beside a
server that runs: it has what they change within a second.

    table.py     the commands by name
    command.py   one of them, from its arguments to its exit code
    terminal.py  Terminal: what they work with, and whom they can ask
    words.py     times, limits and tables, as people write and read them
    keys.py      pannier keys            transfer.py  export, import
    models.py    models, alias           migrate.py   migrate-ollama2openai
    settings.py  settings, overrides     audit.py     audit
    doctor.py    doctor                  password.py  password
    live.py      live                    usage.py     usage
    health_*.py  what the doctor looks at; finding.py: what it finds
    installed.py  which models Ollama has
    remarks.py   what is said of what was set, though it need not be wrong
    database.py  database, which looks at tables that may be of another version
"""

from .command import run

__all__ = ["run"]
