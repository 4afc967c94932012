"""Counts records, and tells when its shard's first and last ones have come.

Arguments: how many records the shard has, how many batches go by from one checkpoint to the next (0: none is made), and the
file to tell.
"""

import os
import sys
import time

from amazon_kclpy import kcl
from amazon_kclpy.v3 import processor

RECORDS, BATCHES_PER_CHECKPOINT, LOG = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]


def tell(word, processor_time):
    with open(LOG, "a", encoding="utf-8") as log:
        log.write(f"{word} {time.monotonic()} {processor_time}\n")


class Count(processor.RecordProcessorBase):
    def initialize(self, initialize_input):
        self.records = self.batches = 0
        self.begin = time.process_time()

    def process_records(self, process_records_input):
        if self.records == 0:
            tell("first", 0)
        self.records += len(process_records_input.records)
        self.batches += 1
        if BATCHES_PER_CHECKPOINT and self.batches % BATCHES_PER_CHECKPOINT == 0:
            process_records_input.checkpointer.checkpoint()
        if self.records == RECORDS:
            tell("last", time.process_time() - self.begin)

    def lease_lost(self, lease_lost_input):
        pass

    def shard_ended(self, shard_ended_input):
        shard_ended_input.checkpointer.checkpoint()

    def shutdown_requested(self, shutdown_requested_input):
        pass


if __name__ == "__main__":
    kcl.KCLProcess(Count()).run()
