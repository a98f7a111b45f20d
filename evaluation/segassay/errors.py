"""Errors that a user can mend: the message names the file, what was expected, what came and what to do."""


class SegAssayError(Exception):
    """Any error whose message is meant for the user; shown without a traceback."""

    exit_code = 1


class DataError(SegAssayError):
    """The data has problems (exit code 1)."""


class UsageError(SegAssayError):
    """The call is wrong: a setting, an option or an output folder (exit code 2)."""

    exit_code = 2
