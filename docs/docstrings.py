"""Extension of the reference: the section `Example:` of a docstring is shown as code, as `Examples:` is."""

import re
from typing import Any

import griffe


class ExampleAsCode(griffe.Extension):
    """Griffe's Google style knows the plural only, and would take the code of an `Example:` for text."""

    def on_object(self, *, obj: griffe.Object, loader: griffe.GriffeLoader, **kwargs: Any) -> None:
        """Rename the section."""
        if obj.docstring:
            obj.docstring.value = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE)
