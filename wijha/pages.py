"""HTML pages of one file: nothing is fetched, everything from outside is escaped, Arabic is isolated.

A Content-Security-Policy in the page allows its own script, by checksum, and nothing else: text that slipped through
the escaping could still not run.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from wijha.extras import need

SHARED = Path(__file__).parent / "templates"


def render(name: str, *folders: Path, script: str = "", **values: object) -> str:
    """The template `name` of `folders` (or of wijha/templates) with `values`; `script` is JavaScript for its end."""
    jinja2 = need("jinja2", "report")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([*folders, SHARED]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False}  # Arabic in two bytes a letter, not in six
    environment.filters["percent"] = lambda share: f"{100 * share:.1f} %"
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return str(environment.get_template(name).render(script=script, script_hash=f"sha256-{digest}", **values))
