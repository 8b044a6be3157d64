"""An exception written down for the person who must look, without the data it stumbled over."""

import re
import traceback

# What PostgreSQL adds to its message: the row that failed, the parameter that did not fit.
DATA = re.compile(r"\n(?:DETAIL|CONTEXT):.*?(?=\n\[SQL|\n\(Background|\Z)", re.DOTALL)


def written(error: BaseException) -> str:
    """Return the traceback of `error` itself: no causes, no values, nothing a database cannot hold."""
    text = "".join(traceback.format_exception(error, chain=False))
    return DATA.sub("", text).replace("\x00", "")
