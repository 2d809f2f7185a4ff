"""What may stand in a page: data that cannot end their element, and scripts with their hash.

Names come from users' files.  In the page they are text: the template escapes them, the data are
written here so that no `<` is left in them, and the scripts set text and never markup.
"""

import base64
import hashlib
import json

from .numbers import Json

_ESCAPES = {
    "<": "\\u003c",
    ">": "\\u003e",
    "&": "\\u0026",
    "\u2028": "\\u2028",
    "\u2029": "\\u2029",
}


def json_for_element(data: Json) -> str:
    """Return the data as JSON that may stand in a `script` element.

    Example:
        >>> json_for_element(["</p>"]).count("u003c"), json_for_element([1, "2"])
        (1, '[1,"2"]')
    """
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    for character, escape in _ESCAPES.items():
        text = text.replace(character, escape)
    # A lone surrogate cannot be written as UTF-8; a name from a file never holds one.
    return text.encode("utf-8", "replace").decode()


def policy_for(script: str, style: str) -> str:
    """Return the Content Security Policy of a page with this script and this style.

    Nothing is loaded from anywhere; no other script and no other style runs, even if markup got
    into the page; pictures may only be such as the page makes itself.
    """
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {_hash_of(script)}",
            f"style-src {_hash_of(style)}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def _hash_of(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
