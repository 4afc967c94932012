"""Scenarios as text: what is in an aggregate. A line names a scenario; the lines after it are its user records."""

from typing import NamedTuple, Optional


class Record(NamedTuple):
    partition_key: str
    explicit_hash_key: Optional[int]
    data: bytes


def write(path, scenarios):
    with open(path, "w", encoding="ascii", newline="\n") as file:
        file.write("# scenario NAME\n# record PARTITION_KEY(hex) EXPLICIT_HASH_KEY(decimal or -) DATA(hex, or = for none)\n")
        for name, records in scenarios.items():
            file.write(f"scenario {name}\n")
            for record in records:
                hash_key = "-" if record.explicit_hash_key is None else str(record.explicit_hash_key)
                data = record.data.hex() or "="
                file.write(f"record {record.partition_key.encode().hex()} {hash_key} {data}\n")


def read(path):
    scenarios = {}
    with open(path, encoding="ascii") as file:
        for line in file:
            words = line.split()
            if words[0] == "scenario":
                records = scenarios.setdefault(words[1], [])
            elif words[0] == "record":
                hash_key = None if words[2] == "-" else int(words[2])
                data = b"" if words[3] == "=" else bytes.fromhex(words[3])
                records.append(Record(bytes.fromhex(words[1]).decode(), hash_key, data))
    return scenarios
