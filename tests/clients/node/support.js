// What the tests share: where the servers are, and how one is killed.
//
// The process that runs the tests starts the servers and starts one again, over the same files and port, that was killed.
'use strict';

const assert = require('node:assert/strict');
const { once } = require('node:events');

const address = (variable) => {
  const [host, port] = process.env[variable].split(':');
  return { host, port: Number(port) };
};

/** The server that asks for no password. */
const SERVER = address('LEDGERSTONE_ADDRESS');
/** The server that asks for one, and which. */
const GUARDED = address('LEDGERSTONE_GUARDED_ADDRESS');
const PASSWORD = process.env.LEDGERSTONE_PASSWORD;

const EVERY_BYTE = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
const LARGE_BYTES = 10 * 1024 * 1024;

/** How long one test may take. */
const TEST_BOUND_MS = 60_000;

/** Kills the server whose INFO this is with SIGKILL. */
const killServer = (info) => process.kill(Number(/process_id:(\d+)/.exec(info)[1]), 'SIGKILL');

/** The numbers from 0 on, as many as asked for. */
const range = (count) => Array.from({ length: count }, (_, n) => n);

/** All that a stream of arrays delivers. */
const drained = async (stream, look = () => {}) => {
  const found = [];
  stream.on('data', (items) => {
    found.push(...items);
    look(items);
  });
  await once(stream, 'end');
  return found;
};

/** Compares long lists without a diff of the whole, which takes longer than the test. */
const assertAlike = (found, wanted) => {
  assert.equal(found.length, wanted.length);
  const differing = range(wanted.length).filter((n) => found[n] !== wanted[n]);
  assert.deepEqual(differing.slice(0, 5).map((n) => ({ n, found: found[n], wanted: wanted[n] })), []);
};

/** The same for sets, as lists in any order that may name an element more than once. */
const assertAlikeAsSets = (found, wanted) => assertAlike([...new Set(found)].sort(), [...new Set(wanted)].sort());

module.exports = {
  SERVER, GUARDED, PASSWORD, EVERY_BYTE, LARGE_BYTES, TEST_BOUND_MS,
  killServer, range, drained, assertAlike, assertAlikeAsSets,
};
