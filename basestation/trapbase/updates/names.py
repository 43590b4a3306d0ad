"""The names of a mirror's files (python-tuf's layout, and permissions): nothing else is served or bundled. Pure."""

import re

NAMES = re.compile(
    r"metadata/(timestamp|([1-9][0-9]{0,8}\.)?(root|snapshot|targets))\.json"
    r"|targets/([a-z0-9][a-z0-9.]{0,15}/){0,3}[0-9a-f]{64}\.[A-Za-z0-9][A-Za-z0-9._+-]{0,150}"
    r"|permits/[1-9][0-9]{0,4}\.permit"
)
