"""``custom-vision-emulator serve`` with little time for requests to arrive.

Run as ``python -m tests.support.impatient_server serve ...``.
"""

from emulator.__main__ import main
from emulator.server.connections import incoming_request

if __name__ == "__main__":
    incoming_request.HEAD_SECONDS = incoming_request.BODY_SECONDS = 1.0
    main()
