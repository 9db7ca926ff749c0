"""Pictures of every page and state: `python -m tests.screenshots`."""

import os

from desktop.translation import use_language

# Here, since the modules of the window, which the others import, make their texts at once.
use_language(os.environ.get("SERVERY_LANGUAGE", "en"))
