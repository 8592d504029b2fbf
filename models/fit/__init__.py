"""How a network is trained: its device, the order of the rows, the loop, what it survives and what comes after it."""


class TrainingError(Exception):
    """Training can't go on: the message says which split, what was expected and what was found."""
