#!/usr/bin/env python3
"""Writes corpus/: the messages and bodies from which the fuzzer starts, and which the tests judge as they are. Needs Python 3 alone.

A file of aggregates/ is read twice, as a whole record and as a message that is given its magic and digest. So most are
messages. A file of event_streams/ is read as it is, and again with right checksums.
"""

import hashlib
import json
import pathlib
import zlib

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


def header(name, value, kind=7):
    """Of an event stream: by default a text."""
    content = len(value).to_bytes(2, "big") + value if kind in (6, 7) else value
    return bytes([len(name)]) + name + bytes([kind]) + content


def frame(headers, payload, length=None, headers_length=None):
    length = 16 + len(headers) + len(payload) if length is None else length
    headers_length = len(headers) if headers_length is None else headers_length
    prelude = length.to_bytes(4, "big") + headers_length.to_bytes(4, "big")
    rest = prelude + zlib.crc32(prelude).to_bytes(4, "big") + headers + payload
    return rest + zlib.crc32(rest).to_bytes(4, "big")


def message(kind, type_header, name, payload, more=b""):
    headers = header(b":message-type", kind) + header(type_header, name) + header(b":content-type", b"application/json")
    return frame(headers + more, payload if isinstance(payload, bytes) else json.dumps(payload).encode())


def event(payload, more=b""):
    return message(b"event", b":event-type", b"SubscribeToShardEvent", payload, more)


def told(first, last, continuation, **more):
    """An event with the records from first to before last."""
    one = {"ApproximateArrivalTimestamp": 1.7e9, "PartitionKey": "k", "Data": "AAAA"}
    records = [{"SequenceNumber": str(number), **one} for number in range(first, last)]
    return {"Records": records, "ContinuationSequenceNumber": continuation, "MillisBehindLatest": 0, **more}


INITIAL = message(b"event", b":event-type", b"initial-response", {})
ONE, TWO, IDLE = event(told(1, 2, "2")), event(told(2, 4, "4")), event(told(4, 4, "5"))
CHILD = {"ShardId": "shardId-1", "ParentShards": ["shardId-0"], "HashKeyRange": {"StartingHashKey": "0", "EndingHashKey": "9"}}
END = event(told(4, 4, "", ChildShards=[CHILD]))
EVERY_HEADER = b"".join([
    header(b"yes", b"", 0), header(b"no", b"", 1), header(b"byte", b"7", 2), header(b"short", bytes(2), 3),
    header(b"int", bytes(4), 4), header(b"long", bytes(8), 5), header(b"bytes", b"seven", 6),
    header(b"time", bytes(8), 8), header(b"uuid", bytes(16), 9)])  # fmt: skip

EVENT_STREAMS = {
    "empty": b"",
    "whole": INITIAL + ONE + TWO + END,
    "idle": INITIAL + IDLE + IDLE,
    "no_initial_response": ONE + TWO,
    "initial_response_alone": INITIAL,
    "initial_response_twice": INITIAL + INITIAL + ONE,
    "events_after_the_end": INITIAL + END + ONE,
    # Frames.
    "cut_in_a_prelude": INITIAL + ONE + TWO[:7],
    "cut_in_a_frame": INITIAL + ONE + TWO[:-1],
    "wrong_checksum": INITIAL + ONE[:-1] + b"\0" + TWO,
    "wrong_checksum_of_a_prelude": INITIAL + ONE[:8] + bytes(4) + ONE[12:] + TWO,
    "trailing_zeros": INITIAL + ONE + bytes(20),
    "length_zero": INITIAL + ONE + frame(b"", b"", length=0) + TWO,
    "length_below_a_frame": INITIAL + frame(b"", b"", length=15) + TWO,
    "huge_length": INITIAL + frame(b"", b"{}", length=2**32 - 1) + TWO,
    "huge_length_of_headers": INITIAL + frame(b"", b"{}", headers_length=2**32 - 1) + TWO,
    "headers_beyond_their_frame": INITIAL + frame(b"", b"{}", headers_length=3) + TWO,
    "header_beyond_its_frame": INITIAL + frame(b"\x0d:message-type\x07\xff\xffevent", b"{}") + TWO,
    "empty_frame": INITIAL + frame(b"", b"") + TWO,
    # Headers.
    "every_type_of_header": INITIAL + event(told(1, 2, "2"), EVERY_HEADER) + TWO,
    "header_of_an_unknown_type": INITIAL + event(told(1, 2, "2"), header(b"new", b"", 10)) + TWO,
    "header_twice": INITIAL + event(told(1, 2, "2"), header(b":event-type", b"Other")) + TWO,
    "header_not_utf_8": INITIAL + event(told(1, 2, "2"), header(b"text", b"\xff")) + TWO,
    "unknown_event": INITIAL + ONE + message(b"event", b":event-type", b"NewEvent", {"a": [1]}) + TWO,
    "unknown_message": INITIAL + ONE + message(b"news", b":event-type", b"SubscribeToShardEvent", {}) + TWO,
    "exception": INITIAL + ONE + message(b"exception", b":exception-type", b"ResourceInUseException", {"message": "x"}) + TWO,
    "unknown_exception": INITIAL + ONE + message(b"exception", b":exception-type", b"NewException", b"not JSON") + TWO,
    "exception_first": message(b"exception", b":exception-type", b"ResourceInUseException", {"message": "x"}) + TWO,
    "error": INITIAL + ONE + frame(header(b":message-type", b"error") + header(b":error-code", b"500"), b"") + TWO,
    # Payloads.
    "payload_empty": INITIAL + event(b"") + TWO,
    "payload_not_json": INITIAL + ONE + event(b'{"Records":[{') + TWO,
    "payload_of_another_type": INITIAL + event(b'[1,"2"]') + TWO,
    "payload_deep": INITIAL + event(b'{"New":' + b"[" * 2000 + b"]" * 2000 + b"}") + TWO,
    "payload_fields_twice": INITIAL + event(b'{"Records":[],"Records":null,"MillisBehindLatest":1e400}') + TWO,
    "payload_escapes": INITIAL + event(rb'{"Records":[],"ContinuationSequenceNumber":"\u0031\ud83d"}') + TWO,
    "data_not_base64": INITIAL + ONE + event(told(2, 3, "3")).replace(b"AAAA", b"A===") + TWO,
    "number_of_57_digits": INITIAL + event(told(10**56, 10**56 + 1, "9" * 57)) + TWO,
    "number_not_a_number": INITIAL + event(told(1, 2, "LATEST")) + TWO,
    "negative_lag": INITIAL + event({**told(1, 2, "2"), "MillisBehindLatest": -1}) + TWO,
    "records_missing": INITIAL + event({"ContinuationSequenceNumber": "0"}) + TWO,
    "child_without_range": INITIAL + event(told(1, 2, "", ChildShards=[{**CHILD, "HashKeyRange": {}}])) + TWO,
}


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
    for name, content in EVENT_STREAMS.items():
        write("event_streams", name, content)


main()
