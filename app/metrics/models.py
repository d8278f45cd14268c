"""Models: which of their names become labels.

Clients may write what they like, and every label is kept for ever, here and by whoever
collects.  So a model has one from its first good answer on, and only so many have.
"""

from collections.abc import Callable

from ..wire.names import short

#: Models that are told apart, over all workers; the others are one.
MOST = 100
OTHER = "other"
#: Characters of a name.
LONGEST = 128
#: Spellings of names that are remembered.
_REMEMBERED = 1000


class Models:
    """The labels of models; ``known`` tells those that all workers have."""

    def __init__(self, known: Callable[[], set[str]]) -> None:
        self._known = known
        self._own: set[str] = set()
        self._labels: dict[str, str] = {}

    def label(self, name: str, answered: bool) -> str:
        """The label of a model that a client named, empty for none.

        ``answered`` says that Ollama has it, for it has answered.
        """
        label = self._labels.get(name)
        if label is None:
            label = self._found(name, answered)
        return label

    def _found(self, name: str, answered: bool) -> str:
        if not (name and answered) or len(name) > 2 * LONGEST:
            return name and OTHER
        label = short(name)
        if label not in self._own:
            known = self._known()
            if label in known or (len(label) <= LONGEST and len(known) < MOST):
                self._own.add(label)
            else:
                label = OTHER
        if len(self._labels) >= _REMEMBERED:
            self._labels.clear()
        self._labels[name] = label
        return label
