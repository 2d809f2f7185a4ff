"""`python -m quiesce.scenarios` is the same as `quiesce`."""

import sys

from .cli.main import main

sys.exit(main())
