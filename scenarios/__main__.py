"""`python -m quiesce.scenarios` is the same as `quiesce`."""

import sys

from .cli import main

sys.exit(main())
