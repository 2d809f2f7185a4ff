"""The base of all event types."""

import msgspec


class TraceEvent(msgspec.Struct, frozen=True, tag_field="type", tag=True, gc=False):
    """One thing that happened; the class name is the type's name in files."""
