// The part of foreign.sh that speaks for aws-kinesis-agg.
//
// make FILE DIRECTORY    writes what aws-kinesis-agg makes of each scenario
// verify FILE DIRECTORY  has aws-kinesis-agg read what is in the directory, and compares
'use strict';

const assert = require('assert');
const fs = require('fs');
const path = require('path');
const { createRequire } = require('module');

// Installed where the script is run, not where it lies.
const aggregation = createRequire(path.join(process.cwd(), 'x'))('aws-kinesis-agg');

function scenariosOf(file) {
  const scenarios = [];
  for (const line of fs.readFileSync(file, 'ascii').split('\n')) {
    const words = line.split(' ');
    if (words[0] === 'scenario') scenarios.push({ name: words[1], records: [] });
    if (words[0] === 'record') {
      scenarios[scenarios.length - 1].records.push({
        partitionKey: Buffer.from(words[1], 'hex').toString(),
        explicitHashKey: words[2] === '-' ? undefined : words[2],
        data: words[3] === '=' ? Buffer.alloc(0) : Buffer.from(words[3], 'hex'),
      });
    }
  }
  return scenarios;
}

function make(scenarios, directory) {
  for (const { name, records } of scenarios) {
    const aggregator = new aggregation.RecordAggregator();
    records.forEach((record) => aggregator.addUserRecord(record));
    fs.writeFileSync(path.join(directory, `${name}.node.hex`), aggregator.build().data.toString('hex') + '\n');
  }
}

function verify(scenarios, directory) {
  for (const { name, records } of scenarios) {
    const data = Buffer.from(fs.readFileSync(path.join(directory, `${name}.hex`), 'ascii').trim(), 'hex');
    const container = { partitionKey: 'a', sequenceNumber: '1', data: data.toString('base64') };
    aggregation.deaggregateSync(container, true, (error, read) => {
      assert.ifError(error);
      // See the README.
      const first = records.map((record) => record.explicitHashKey).find((key) => key !== undefined);
      const expected = records.map(({ partitionKey, explicitHashKey, data }, subSequenceNumber) => ({
        partitionKey,
        explicitPartitionKey: explicitHashKey ?? first,
        sequenceNumber: '1',
        subSequenceNumber,
        data: data.toString('base64'),
      }));
      assert.deepStrictEqual(read, expected, name);
    });
  }
  console.log(`aws-kinesis-agg reads ${scenarios.length} aggregates of ours`);
}

const [verb, file, directory] = process.argv.slice(2);
({ make, verify })[verb](scenariosOf(file), directory);
