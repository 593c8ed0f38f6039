"""The base of every error that mmd raises on purpose."""


class MmdError(Exception):
    """An error with a message made for the operator: what was wrong, where, and the way out."""


class ConfigError(MmdError):
    """Ours to mend before any order is sent: a bad file, key, value, credential or recording.

    The process exits with code 78 and is not restarted.
    """
