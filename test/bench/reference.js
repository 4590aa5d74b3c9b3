'use strict';

// One measurement of the reference runtime in a process of its own.
//
//   node reference.js PACKAGE ingest STORE ROWS DIMENSION BATCH   rows: a file of raw f32
//   node reference.js PACKAGE single STORE COUNT DIMENSION        commits of one vector
//   node reference.js PACKAGE open STORE
//   node reference.js PACKAGE query STORE                         the second of two exact searches
//
// prints one JSON object. What belongs to no store is prepared before the clock
// starts.

const fs = require('fs');

const [, , location, operation, path, ...rest] = process.argv;
const { RvfDatabase } = require(location);

const seconds = (since) => Number(process.hrtime.bigint() - since) / 1e9;

const operations = {
  ingest(source, dimension, batch) {
    const width = Number(dimension);
    const bytes = fs.readFileSync(source);
    const rows = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
    const count = rows.length / width;
    const batches = [];
    for (let first = 0; first < count; first += Number(batch)) {
      const size = Math.min(Number(batch), count - first);
      batches.push([
        rows.subarray(first * width, (first + size) * width),
        Array.from({ length: size }, (_, i) => first + i),
      ]);
    }
    const database = RvfDatabase.create(path, { dimension: width, metric: 'l2' });
    const start = process.hrtime.bigint();
    let accepted = 0;
    for (const [vectors, ids] of batches) accepted += database.ingestBatch(vectors, ids).accepted;
    database.close();
    return { seconds: seconds(start), vectors: accepted, size: fs.statSync(path).size };
  },

  single(count, dimension) {
    const width = Number(dimension);
    const row = Float32Array.from({ length: width }, (_, i) => i / width);
    const database = RvfDatabase.create(path, { dimension: width, metric: 'l2' });
    const start = process.hrtime.bigint();
    let accepted = 0;
    for (let id = 0; id < Number(count); id += 1) accepted += database.ingestBatch(row, [id]).accepted;
    database.close();
    return { seconds: seconds(start), vectors: accepted, size: fs.statSync(path).size };
  },

  open() {
    const before = process.memoryUsage.rss();
    const start = process.hrtime.bigint();
    const database = RvfDatabase.open(path);
    const took = seconds(start);
    const memory = process.memoryUsage.rss() - before;
    const vectors = database.status().totalVectors;
    database.close();
    return { seconds: took, memory, vectors };
  },

  query() {
    const database = RvfDatabase.openReadonly(path);
    const vector = Float32Array.from({ length: database.dimension() }, () => 2 * Math.random() - 1);
    // A filter that lets everything pass keeps it from building an index for minutes.
    const filter = JSON.stringify({ op: 'not', child: { op: 'eq', fieldId: 0, valueType: 'u64', value: '1' } });
    let took = 0;
    for (let turn = 0; turn < 2; turn += 1) {
      const start = process.hrtime.bigint();
      database.query(vector, 10, { filter });
      took = seconds(start);
    }
    database.close();
    return { seconds: took };
  },
};

process.stdout.write(`${JSON.stringify(operations[operation](...rest))}\n`);
