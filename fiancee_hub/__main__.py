"""``python -m fiancee_hub``."""

import sys

from fiancee_hub.cli import main

sys.exit(main())
