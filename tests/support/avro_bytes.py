"""Avro byte by byte, for what no encoder would write."""

INT64_MIN = -(2**63)
OVERLONG = b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"


def varint(number):
    """As Avro writes a long."""
    bits = ((number << 1) ^ (number >> 63)) & (2**64 - 1)
    encoded = bytearray()
    while bits > 0x7F:
        encoded.append(bits & 0x7F | 0x80)
        bits >>= 7
    return bytes(encoded) + bytes([bits])


def text(value):
    data = value if isinstance(value, bytes) else value.encode()
    return varint(len(data)) + data


NULL, VALUE = varint(0), varint(1)  # branches of a union


def members(*pairs):
    """A map in one block."""
    return VALUE + varint(len(pairs)) + b"".join(text(name) + value for name, value in pairs) + NULL
