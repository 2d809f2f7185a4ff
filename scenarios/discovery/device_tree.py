"""A flattened device tree: nodes and properties, written as source text and as a binary.

Source:
    Devicetree Specification 0.4, 2 (structure), 5 (flattened format, version 17) and 6 (source).
"""

from struct import Struct

import msgspec

MAGIC = 0xD00DFEED
VERSION = 17
LAST_COMPATIBLE_VERSION = 16

_HEADER = Struct(">10I")
_BEGIN_NODE, _END_NODE, _PROPERTY, _END = (number.to_bytes(4, "big") for number in (1, 2, 3, 9))
_NO_RESERVATION = bytes(16)


class TreeProperty(msgspec.Struct, frozen=True):
    """A property: 32-bit cells, or strings, or nothing but its presence.

    Attributes:
        name: Up to 31 characters out of `0-9a-zA-Z,._+?#-`.
        cells: Numbers of 32 bits.
        strings: Texts of any characters but NUL.
    """

    name: str
    cells: tuple[int, ...] = ()
    strings: tuple[str, ...] = ()

    def packed(self) -> bytes:
        """Return the value as the binary holds it."""
        if self.strings:
            return b"".join(_text_bytes(text) + b"\0" for text in self.strings)
        return b"".join(cell.to_bytes(4, "big") for cell in self.cells)


class TreeNode(msgspec.Struct, frozen=True):
    """A node; the root has an empty name."""

    name: str
    properties: tuple[TreeProperty, ...] = ()
    children: tuple["TreeNode", ...] = ()


def cells(name: str, *values: int) -> TreeProperty:
    """Return a property of numbers."""
    return TreeProperty(name, cells=values)


def strings(name: str, *values: str) -> TreeProperty:
    """Return a property of texts."""
    return TreeProperty(name, strings=values)


def wide(value: int) -> tuple[int, int]:
    """Return a number of 64 bits as two cells."""
    return value >> 32, value & 0xFFFFFFFF


def source_text(root: TreeNode, remarks: tuple[str, ...] = ()) -> str:
    """Return the tree as source text.

    Args:
        root: The root node.
        remarks: Lines for comments at the top.
    """
    lines = ["/dts-v1/;", ""]
    lines += [f"// {_one_line(remark)}" for remark in remarks]
    lines += [""] if remarks else []
    _write_source(root, 0, lines)
    return "".join(f"{line}\n" for line in lines)


def binary(root: TreeNode) -> bytes:
    """Return the tree as a binary of version 17."""
    structure = bytearray()
    names = bytearray()
    _write_structure(root, structure, names)
    structure += _END
    structure_at = _HEADER.size + len(_NO_RESERVATION)
    names_at = structure_at + len(structure)
    header = _HEADER.pack(
        MAGIC,
        names_at + len(names),
        structure_at,
        names_at,
        _HEADER.size,
        VERSION,
        LAST_COMPATIBLE_VERSION,
        0,
        len(names),
        len(structure),
    )
    return header + _NO_RESERVATION + bytes(structure) + bytes(names)


def quoted(text: str) -> str:
    r"""Return a text as a string literal of the source format.

    Quotes, backslashes and all characters but printable ASCII become escapes.  So a name from
    a file can neither end the literal nor begin a comment.

    Example:
        >>> quoted('a"; /* \\')
        '"a\\"; /* \\\\"'
    """
    return '"' + "".join(_escaped(byte) for byte in _text_bytes(text)) + '"'


def _escaped(byte: int) -> str:
    if byte in b'"\\':
        return "\\" + chr(byte)
    return chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}"


def _text_bytes(text: str) -> bytes:
    assert "\0" not in text, "a NUL would end the string"
    return text.encode("utf-8", "backslashreplace")


def _one_line(text: str) -> str:
    return "".join(_escaped(byte) for byte in _text_bytes(text)).replace('\\"', '"')


def _write_source(node: TreeNode, depth: int, lines: list[str]) -> None:
    indent = "\t" * depth
    lines.append(f"{indent}{node.name or '/'} {{")
    lines += [f"{indent}\t{_assignment(each)};" for each in node.properties]
    for child in node.children:
        lines.append("")
        _write_source(child, depth + 1, lines)
    lines.append(f"{indent}}};")


def _assignment(each: TreeProperty) -> str:
    if each.strings:
        return f"{each.name} = {', '.join(quoted(text) for text in each.strings)}"
    if each.cells:
        return f"{each.name} = <{' '.join(f'{cell:#x}' for cell in each.cells)}>"
    return each.name


def _write_structure(node: TreeNode, structure: bytearray, names: bytearray) -> None:
    structure += _BEGIN_NODE + _padded(node.name.encode("ascii") + b"\0")
    for each in node.properties:
        value = each.packed()
        structure += _PROPERTY + len(value).to_bytes(4, "big")
        structure += _name_offset(each.name, names).to_bytes(4, "big") + _padded(value)
    for child in node.children:
        _write_structure(child, structure, names)
    structure += _END_NODE


def _name_offset(name: str, names: bytearray) -> int:
    """Return where a name is among the names; the tail of a longer one will do."""
    wanted = name.encode("ascii") + b"\0"
    at = names.find(wanted)
    if at < 0:
        at = len(names)
        names += wanted
    return at


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
