"""The part of foreign.sh that speaks for aws_kinesis_agg.

scenarios FILE         writes the scenarios of the goldens
random FILE SEED       writes random ones
make FILE DIRECTORY    writes what aws_kinesis_agg makes of each scenario
verify FILE DIRECTORY  has aws_kinesis_agg read what is in the directory, and compares
"""

import base64
import pathlib
import random
import sys

import scenario_file
from scenario_file import Record

LARGEST_HASH_KEY = 2**128 - 1
MAGIC = bytes.fromhex("f3899ac2")


def golden_scenarios():
    return {
        "one_record": [Record("key", None, b"data")],
        "one_key": [Record("key", None, f"data {number}".encode()) for number in range(5)],
        # More than 128, so that an index takes two bytes.
        "many_keys": [Record(f"key-{number}", None, bytes([number])) for number in range(150)],
        "keys_in_turn": [Record("abc"[number % 3], None, bytes([number])) for number in range(9)],
        "explicit_hash_keys": [
            # No other small number: see the README.
            Record("pear", 0, b"1"),
            Record("apple", 2**64 + 5, b"2"),
            Record("pear", LARGEST_HASH_KEY, b"3"),
            Record("plum", 2**64 + 5, b"4"),
        ],
        "some_explicit_hash_keys": [
            Record("pear", None, b"1"),
            Record("apple", 10**38, b"2"),
            Record("pear", 2**100, b"3"),
            Record("apple", None, b"4"),
        ],
        "no_data": [Record("key", None, b""), Record("key", None, b"data"), Record("key", None, b"")],
        "keys_beyond_ascii": [
            Record(key, None, key.encode()) for key in ["\u00e9t\u00e9", "\u9375", "\U0001f511", "a b\n"]
        ],
        "longest_key": [Record("k" * 256, None, b"data"), Record("\U0001f511" * 256, None, b"data")],
        # More than 2^14 bytes, so that a length takes three.
        "much_data": [Record("key", None, bytes(range(256)) * 65)],
        "aggregate_in_an_aggregate": [Record("key", None, MAGIC + bytes(30)), Record("key", None, MAGIC)],
    }


def random_scenarios(seed):
    dice = random.Random(seed)

    def character():
        return chr(dice.choice([dice.randrange(33, 127), dice.randrange(0xA1, 0x2000)]))

    def record():
        key = dice.choice("xyz")
        if dice.random() < 0.5:
            key += "".join(character() for _ in range(dice.randrange(1, 20)))
        hash_key = dice.choice([None, dice.randrange(3), dice.getrandbits(128)])
        return Record(key, hash_key, dice.randbytes(dice.choice([0, 1, 100, 200, 20_000])))

    return {f"random_{number}": [record() for _ in range(dice.randrange(1, 200))] for number in range(20)}


def make(scenarios, directory):
    from aws_kinesis_agg.aggregator import AggRecord

    for name, records in scenarios.items():
        aggregate = AggRecord()
        for record in records:
            hash_key = None if record.explicit_hash_key is None else str(record.explicit_hash_key)
            assert aggregate.add_user_record(record.partition_key, record.data, hash_key), name
        data = aggregate.get_contents()[2]
        (directory / f"{name}.python.hex").write_text(data.hex() + "\n")


def verify(scenarios, directory):
    from aws_kinesis_agg.deaggregator import deaggregate_records

    for name, records in scenarios.items():
        data = bytes.fromhex((directory / f"{name}.hex").read_text())
        container = {"kinesisSchemaVersion": "1.0", "sequenceNumber": "1", "approximateArrivalTimestamp": 0}
        read = deaggregate_records([{"kinesis": {**container, "data": base64.b64encode(data)}}])
        hash_keys = [record.explicit_hash_key for record in records if record.explicit_hash_key is not None]
        # See the README.
        default = hash_keys[0] if hash_keys else None
        expected = [
            {
                **container,
                "explicitHashKey": None if default is None else str(default if key is None else key),
                "partitionKey": partition_key,
                "subSequenceNumber": number,
                "aggregated": True,
                "data": base64.b64encode(content),
            }
            for number, (partition_key, key, content) in enumerate(records)
        ]
        assert [record["kinesis"] for record in read] == expected, name
    print(f"aws_kinesis_agg reads {len(scenarios)} aggregates of ours")


def main():
    verb, path, *rest = sys.argv[1:]
    if verb == "scenarios":
        scenario_file.write(path, golden_scenarios())
    elif verb == "random":
        scenario_file.write(path, random_scenarios(int(rest[0])))
    elif verb == "make":
        make(scenario_file.read(path), pathlib.Path(rest[0]))
    elif verb == "verify":
        verify(scenario_file.read(path), pathlib.Path(rest[0]))
    else:
        sys.exit(__doc__)


main()
