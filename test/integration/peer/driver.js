'use strict';

// The reference runtime behind a pipe: one JSON request a line on standard
// input, one JSON answer a line on standard output, strictly in turn.
//
//   request  {"op": "ingest", "store": 3, …arguments}
//   answer   {"result": …}  or  {"error": "what the runtime said"}
//
// "store" is the number that create, open, openReadonly, derive and branch gave out.
// Bytes and vectors (f32, little-endian, row after row) travel as base64.

const readline = require('readline');
const { RvfDatabase } = require('@ruvector/rvf-node');

// Any filter keeps the runtime from building its index and so forces an exact
// scan; this one lets every vector pass.
const EXACT = {
  filter: JSON.stringify({
    op: 'not',
    child: { op: 'eq', fieldId: 0, valueType: 'u64', value: '1' },
  }),
};

const stores = new Map();
let lastStore = 0;

function keep(database) {
  lastStore += 1;
  stores.set(lastStore, database);
  return lastStore;
}

function storeOf(request) {
  const database = stores.get(request.store);
  if (!database) throw new Error(`no open store ${request.store}`);
  return database;
}

function bytes(text) {
  return Buffer.from(text, 'base64');
}

// floats copies the bytes, for a Float32Array must start at a multiple of four.
function floats(text) {
  const source = bytes(text);
  const aligned = new Uint8Array(source.length);
  aligned.set(source);
  return new Float32Array(aligned.buffer);
}

const operations = {
  create: (r) => keep(RvfDatabase.create(r.path, { dimension: r.dimension, metric: r.metric })),
  open: (r) => keep(RvfDatabase.open(r.path)),
  openReadonly: (r) => keep(RvfDatabase.openReadonly(r.path)),
  derive: (r) => keep(storeOf(r).derive(r.path)),
  branch: (r) => keep(storeOf(r).branch(r.path)),
  close: (r) => {
    storeOf(r).close();
    stores.delete(r.store);
    return null;
  },

  ingest: (r) => storeOf(r).ingestBatch(floats(r.vectors), r.ids),
  delete: (r) => storeOf(r).delete(r.ids),
  freeze: (r) => { storeOf(r).freeze(); return null; },
  compact: (r) => storeOf(r).compact(),
  query: (r) => storeOf(r).query(floats(r.vector), r.k, EXACT),
  search: (r) => storeOf(r).query(floats(r.vector), r.k),

  // ownDistances searches for each vector and tells the distance at which the
  // id beside it came back, null where it did not.
  ownDistances: (r) => {
    const database = storeOf(r);
    const dimension = database.dimension();
    const all = floats(r.vectors);
    return r.ids.map((id, i) => {
      const row = all.slice(i * dimension, (i + 1) * dimension);
      const hit = database.query(row, r.k, EXACT).find((answer) => answer.id === id);
      return hit === undefined ? null : hit.distance;
    });
  },

  embedKernel: (r) => storeOf(r).embedKernel(
    r.arch, r.type, r.flags, bytes(r.image), r.port, r.cmdline),
  extractKernel: (r) => {
    const found = storeOf(r).extractKernel();
    return found && { header: found.header.toString('base64'), bytes: found.image.toString('base64') };
  },
  embedEbpf: (r) => storeOf(r).embedEbpf(
    r.programType, r.attachType, r.maxDimension, bytes(r.program), bytes(r.btf)),
  extractEbpf: (r) => {
    const found = storeOf(r).extractEbpf();
    return found && { header: found.header.toString('base64'), bytes: found.payload.toString('base64') };
  },

  segments: (r) => storeOf(r).segments(),
  status: (r) => storeOf(r).status(),
  verifyWitness: (r) => storeOf(r).verifyWitness(),
  identity: (r) => {
    const database = storeOf(r);
    return {
      fileId: database.fileId(),
      parentId: database.parentId(),
      lineageDepth: database.lineageDepth(),
      metric: database.metric(),
      dimension: database.dimension(),
    };
  },
};

function answer(line) {
  try {
    const request = JSON.parse(line);
    const operation = operations[request.op];
    if (!operation) throw new Error(`no operation ${request.op}`);
    return { result: operation(request) };
  } catch (failure) {
    return { error: failure.message };
  }
}

readline.createInterface({ input: process.stdin, crlfDelay: Infinity }).on('line', (line) => {
  process.stdout.write(`${JSON.stringify(answer(line))}\n`);
});
