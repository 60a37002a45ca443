"""``custom-vision-emulator serve`` in a process that may open few files.

Run as ``python -m tests.support.few_descriptors_server serve ...``.
"""

import resource

from emulator.__main__ import main

MOST_FILES = 160

if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (MOST_FILES, MOST_FILES))
    main()
