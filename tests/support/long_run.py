"""Whether searches have their full length: ``make test-long``, or EMULATOR_TEST_LONG=1.

Without it, `make test` leaves out what other tests of it show, too, and gives the searches fewer examples.
"""

import os

IS_LONG = os.environ.get("EMULATOR_TEST_LONG", "") not in ("", "0")
