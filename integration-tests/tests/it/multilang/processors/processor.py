"""A processor for each interface of amazon_kclpy. Arguments: the version, and the file to tell what happens."""

import base64
import os
import sys

from amazon_kclpy import kcl
from amazon_kclpy.v2 import processor as v2
from amazon_kclpy.v3 import processor as v3

VERSION, LOG = int(sys.argv[1]), sys.argv[2]
BEYOND = "9" * 100


def tell(line):
    with open(LOG, "a", encoding="utf-8") as log:
        log.write(line + "\n")


def take(records, checkpointer):
    """Each record is (data, sequence number, sub-sequence number)."""
    for data, _, _ in records:
        tell("record " + data)
        if data == "raise" and not os.path.exists(LOG + ".raised"):
            open(LOG + ".raised", "w").close()
            raise RuntimeError("asked to raise")
    print("a library says hello")
    try:
        checkpointer.checkpoint(BEYOND)
    except kcl.CheckpointError as error:
        tell("refused " + error.value)
    checkpointer.checkpoint(records[-1][1], records[-1][2])


def text(data):
    return base64.b64decode(data).decode("utf-8")


def plain(records):
    return [(r.binary_data.decode("utf-8"), r.sequence_number, r.sub_sequence_number) for r in records]


class Version1(kcl.RecordProcessorBase):
    def initialize(self, shard_id):
        tell("initialize " + shard_id)

    def process_records(self, records, checkpointer):
        take([(text(r.get("data")), r.get("sequenceNumber"), r.get("subSequenceNumber")) for r in records], checkpointer)

    def shutdown(self, checkpointer, reason):
        if reason == "TERMINATE":
            checkpointer.checkpoint()
        tell({"TERMINATE": "ended", "ZOMBIE": "lost"}[reason])

    def shutdown_requested(self, checkpointer):
        checkpointer.checkpoint()
        tell("stopping")


class Version2(v2.RecordProcessorBase):
    def initialize(self, initialize_input):
        tell("initialize " + initialize_input.shard_id)

    def process_records(self, process_records_input):
        take(plain(process_records_input.records), process_records_input.checkpointer)

    def shutdown(self, shutdown_input):
        if shutdown_input.reason == "TERMINATE":
            shutdown_input.checkpointer.checkpoint()
        tell({"TERMINATE": "ended", "ZOMBIE": "lost"}[shutdown_input.reason])

    def shutdown_requested(self, shutdown_requested_input):
        shutdown_requested_input.checkpointer.checkpoint()
        tell("stopping")


class Version3(v3.RecordProcessorBase):
    def initialize(self, initialize_input):
        tell("initialize " + initialize_input.shard_id)

    def process_records(self, process_records_input):
        take(plain(process_records_input.records), process_records_input.checkpointer)

    def lease_lost(self, lease_lost_input):
        tell("lost")

    def shard_ended(self, shard_ended_input):
        shard_ended_input.checkpointer.checkpoint()
        tell("ended")

    def shutdown_requested(self, shutdown_requested_input):
        shutdown_requested_input.checkpointer.checkpoint()
        tell("stopping")


if __name__ == "__main__":
    kcl.KCLProcess({1: Version1, 2: Version2, 3: Version3}[VERSION]()).run()
