"""``python -m fiancee_hub``."""

import sys

from fiancee_hub.cli.main import main

sys.exit(main())
