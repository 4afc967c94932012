// A processor for each interface of aws-kcl. Arguments: the version, and the file to tell what happens.
'use strict';

const fs = require('fs');
const kcl = require(process.env.AWS_KCL_PATH);

const [version, log] = process.argv.slice(2);
const BEYOND = '9'.repeat(100);

const tell = line => fs.appendFileSync(log, line + '\n');
const told = (line, done) => () => { tell(line); done(); };

const processor = {
  initialize(input, done) {
    told('initialize ' + input.shardId, done)();
  },

  processRecords(input, done) {
    for (const record of input.records) {
      const data = Buffer.from(record.data, 'base64').toString();
      tell('record ' + data);
      if (data === 'raise' && !fs.existsSync(log + '.raised')) {
        fs.writeFileSync(log + '.raised', '');
        throw new Error('asked to throw');
      }
    }
    console.log('a library says hello');
    const last = input.records[input.records.length - 1].sequenceNumber;
    input.checkpointer.checkpoint(BEYOND, error => {
      tell('refused ' + error);
      input.checkpointer.checkpoint(last, () => done());
    });
  },

  shutdownRequested(input, done) {
    input.checkpointer.checkpoint(told('stopping', done));
  },
};

if (version === '1') {
  processor.shutdown = (input, done) => {
    if (input.reason === 'TERMINATE') {
      input.checkpointer.checkpoint(told('ended', done));
    } else {
      told('lost', done)();
    }
  };
} else {
  processor.leaseLost = (input, done) => told('lost', done)();
  processor.shardEnded = (input, done) => input.checkpointer.checkpoint(told('ended', done));
}

kcl(processor).run();
