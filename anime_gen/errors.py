"""What a user can mend."""

from __future__ import annotations


class UserError(Exception):
    """Something the user can mend. Its text is one line that says what to do; the CLI prints it without a traceback."""
