"""JOST's settings; `jost.settings` itself means development, the stages are named in full elsewhere.

Importing a stage passes through here, so development is loaded only when it is what was asked for.
"""

import os

if os.environ.get("DJANGO_SETTINGS_MODULE", "jost.settings") == "jost.settings":
    from jost.settings.development import *  # noqa: F403
