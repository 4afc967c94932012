#!/usr/bin/env python3
"""Writes corpus/: the messages from which the fuzzer starts, and which the tests judge as they are. Needs Python 3 alone.

A file is read twice, as a whole record and as a message that is given its magic and digest. So most are messages.
"""

import hashlib
import pathlib

HERE = pathlib.Path(__file__).parent
GOLDENS = HERE.parent / "tests" / "data" / "aggregates" / "golden"
MAGIC = bytes.fromhex("f3899ac2")


def varint(number):
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def key(field, wire_type):
    return varint(field << 3 | wire_type)


def number(field, value):
    return key(field, 0) + varint(value)


def chunk(field, content):
    return key(field, 2) + varint(len(content)) + content


def record(*fields):
    return chunk(3, b"".join(fields))


def sealed(message):
    return MAGIC + message + hashlib.md5(message).digest()


APPLE = chunk(1, b"apple")
PEAR = chunk(1, b"pear")
SEVEN = chunk(2, b"7")
DATA = chunk(3, b"data")
FIRST = record(number(1, 0), DATA)
WHOLE = APPLE + PEAR + SEVEN + FIRST + record(number(1, 1), number(2, 0), DATA, chunk(4, chunk(1, b"t") + chunk(2, b"v")))
UNKNOWN = number(9, 2**63) + key(10, 1) + bytes(8) + chunk(2**29 - 1, b"x") + key(11, 5) + bytes(4)

AGGREGATES = {
    "empty": b"",
    "whole": WHOLE,
    "whole_record": sealed(WHOLE),
    "twice_sealed": sealed(sealed(WHOLE)),
    "records_before_tables": FIRST + record(number(1, 1), number(2, 0), DATA) + SEVEN + APPLE + PEAR,
    # Indexes beyond their tables, and tables beyond their use.
    "index_one_too_high": APPLE + record(number(1, 1), DATA),
    "index_of_32_bits_and_more": APPLE + record(number(1, 2**32), DATA),
    "index_highest": APPLE + record(number(1, 2**64 - 1), DATA),
    "hash_key_index_without_table": APPLE + record(number(1, 0), number(2, 0), DATA),
    "many_empty_keys": chunk(1, b"") * 2000 + FIRST,
    "many_hash_keys": chunk(2, b"1") * 1000 + APPLE + FIRST,
    "many_empty_records": chunk(1, b"") + record(number(1, 0), chunk(3, b"")) * 500,
    "many_tags": APPLE + record(number(1, 0), DATA, chunk(4, chunk(1, b"")) * 300),
    "long_key": chunk(1, b"k" * 1000) + FIRST * 3,
    # Lengths beyond the end.
    "huge_length": APPLE + key(3, 2) + varint(2**64 - 1),
    "huge_length_of_31_bits": APPLE + key(3, 2) + varint(2**31 - 1) + DATA,
    "data_beyond_its_record": APPLE + record(number(1, 0), key(3, 2) + varint(9) + b"data") + PEAR,
    "length_one_too_long": key(1, 2) + varint(6) + b"apple",
    # Numbers.
    "varint_cut": APPLE + FIRST + b"\x80",
    "varint_cut_in_a_record": APPLE + record(number(1, 0), DATA, b"\x10\xff"),
    "varint_of_eleven_bytes": APPLE + key(9, 0) + b"\x80" * 10 + b"\x00",
    "varint_of_65_bits": APPLE + key(9, 0) + b"\xff" * 9 + b"\x02",
    "varint_padded": APPLE + record(key(1, 0) + b"\x80" * 9 + b"\x00", DATA),
    # Digests.
    "wrong_digest": sealed(WHOLE)[:-1] + b"\x00",
    "digest_of_nothing": sealed(b""),
    "magic_alone": MAGIC,
    "magic_and_digest_cut": sealed(WHOLE)[:-8],
    # What follows.
    "trailing_zero": WHOLE + b"\x00",
    "trailing_text": WHOLE + b"the end",
    "trailing_in_a_sealed_record": sealed(WHOLE) + b"\x00",
    # Fields twice, unknown, of another type, or missing.
    "duplicate_fields": APPLE + PEAR + record(number(1, 9), DATA, number(1, 1), chunk(3, b"new")),
    "unknown_fields": UNKNOWN + APPLE + UNKNOWN + record(UNKNOWN, number(1, 0), UNKNOWN, DATA, chunk(4, UNKNOWN + chunk(1, b"t"))),
    "known_numbers_of_other_types": number(1, 1) + key(2, 5) + bytes(4) + APPLE + record(chunk(1, b"0"), number(1, 0), number(3, 0), DATA),
    "field_zero": APPLE + number(0, 1),
    "field_too_high": number(2**29, 1),
    "group": APPLE + key(9, 3) + number(1, 1) + key(9, 4),
    "group_end": APPLE + key(3, 4),
    "wire_type_6": APPLE + key(3, 6),
    "wire_type_7": APPLE + record(number(1, 0), DATA, key(3, 7)),
    "no_user_record": APPLE + SEVEN,
    "no_key": APPLE + record(DATA),
    "no_data": APPLE + record(number(1, 0)),
    "tag_without_key": APPLE + record(number(1, 0), DATA, chunk(4, chunk(2, b"v"))),
    # Text.
    "key_not_utf_8": chunk(1, b"a\xff") + FIRST,
    "tag_not_utf_8": APPLE + record(number(1, 0), DATA, chunk(4, chunk(1, b"\xc3"))),
    "hash_key_not_a_number": chunk(2, b"7x"),
    "hash_key_empty": chunk(2, b""),
    "hash_key_negative": chunk(2, b"-1"),
    "hash_key_largest": APPLE + chunk(2, str(2**128 - 1).encode()) + record(number(1, 0), number(2, 0), DATA),
    "hash_key_too_large": chunk(2, str(2**128).encode()),
    "hash_key_with_zeros": APPLE + chunk(2, b"0" * 60 + b"7") + record(number(1, 0), number(2, 0), DATA),
}

# Lists of messages, as the fuzzer takes them from bytes.
LANES = {f"bytes_{length}": bytes(place * 37 % 256 for place in range(length)) for length in (0, 1, 64, 1000, 4000)}


def write(target, name, content):
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


def main():
    for name, content in AGGREGATES.items():
        write("aggregates", name, content)
    for path in sorted(GOLDENS.glob("*.hex")):
        content = bytes.fromhex(path.read_text())
        if len(content) < 1000:
            write("aggregates", "golden_" + path.stem.replace(".", "_"), content)
    for name, content in LANES.items():
        write("md5_lanes", name, content)


main()
