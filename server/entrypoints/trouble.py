"""How a command says that it can't go on."""


class Trouble(Exception):
    """A command can't go on; the message is one plain sentence that says what is wrong and what to do."""
