"""The blinker signals of the mapper. The sender is the document's class.

Every receiver gets `document` and `session` as keyword arguments, and should take `**_` for what later
versions add. A `pre_` receiver that raises stops its write before anything is sent. With the a-methods
async receivers are awaited; with the others they are an error.
"""

from __future__ import annotations

from blinker import Namespace

_namespace = Namespace()

pre_save = _namespace.signal("pre_save", "Before a document is written; it may still be changed.")
post_save = _namespace.signal("post_save", "After a document was written; `document.ref` is the new ref.")
pre_delete = _namespace.signal("pre_delete", "Before a document is deleted.")
post_delete = _namespace.signal("post_delete", "After a document was deleted.")
post_load = _namespace.signal("post_load", "After a document was made from a stored value.")
conflict = _namespace.signal(
    "conflict", "When a write met a newer version; `conflict` is the error, with its three values."
)
