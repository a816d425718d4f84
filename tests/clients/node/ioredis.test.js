// ioredis drives the server: connections, every base type, pipelines, transactions, streams of scans, a restart.
'use strict';

const assert = require('node:assert/strict');
const { once } = require('node:events');
const { afterEach, beforeEach, test } = require('node:test');

const Redis = require('ioredis');

const {
  SERVER, GUARDED, PASSWORD, EVERY_BYTE, LARGE_BYTES, TEST_BOUND_MS,
  killServer, range, drained, assertAlike, assertAlikeAsSets,
} = require('./support');

const bounded = { timeout: TEST_BOUND_MS };
let opened = [];
let client;

const connect = (options = {}) => {
  const made = new Redis({ ...SERVER, ...options });
  opened.push(made);
  return made;
};

beforeEach(async () => {
  client = connect();
  await client.flushall();
});

afterEach(() => {
  opened.forEach((made) => made.disconnect());
  opened = [];
});

test('a connection is ready and says who it is', bounded, async () => {
  const named = connect({ db: 7, connectionName: 'named' });
  await once(named, 'ready');
  const known = await named.client('INFO');
  assert.match(known, / db=7 /);
  assert.match(known, / name=named /);
  assert.match(known, / lib-name=ioredis /);
  assert.equal(await named.client('GETNAME'), 'named');
  const listed = await client.client('LIST', 'ID', await named.client('ID'));
  assert.match(listed, / name=named /);
});

test('a killed connection is made anew', bounded, async () => {
  const victim = connect({ retryStrategy: () => 1 });
  const before = await victim.client('ID');
  assert.equal(await client.client('KILL', 'ID', before), 1);
  await once(victim, 'ready');
  assert.ok((await victim.client('ID')) > before);
});

test('a password is asked for, and only the right one lets in', bounded, async () => {
  const fails = async (options, text) => {
    const refused = connect({ ...GUARDED, ...options, retryStrategy: null, maxRetriesPerRequest: 0 });
    refused.on('error', () => {});
    await assert.rejects(refused.get('a'), text);
  };
  assert.equal(await connect({ ...GUARDED, password: PASSWORD }).set('a', '1'), 'OK');
  assert.equal(await connect({ ...GUARDED, username: 'default', password: PASSWORD }).get('a'), '1');
  await fails({}, /NOAUTH Authentication required/);
  await fails({ password: 'wrong' }, /NOAUTH|WRONGPASS/);
  await fails({ username: 'nobody', password: PASSWORD }, /NOAUTH|WRONGPASS/);
});

test('strings and keys', bounded, async () => {
  assert.equal(await client.set('s', 10, 'EXAT', 4_000_000_000, 'NX'), 'OK');
  assert.equal(await client.set('s', 1, 'NX'), null);
  assert.equal(await client.incrby('s', 5), 15);
  assert.equal(await client.incrbyfloat('s', 0.1), '15.1');
  assert.deepEqual(await client.mget('s', 'none'), ['15.1', null]);
  assert.equal(await client.mset({ a: 1, b: 2 }), 'OK');
  assert.equal(await client.mset(new Map([['c', 3]])), 'OK');
  assert.equal(await client.exists('a', 'b', 'none'), 2);
  assert.equal(await client.expiretime('s'), 4_000_000_000);
  assert.equal(await client.type('s'), 'string');
  assert.deepEqual((await client.keys('[abc]')).sort(), ['a', 'b', 'c']);
  assert.equal(await client.copy('a', 'd'), 1);
  assert.equal(await client.getdel('d'), '1');
  assert.equal(await client.object('ENCODING', 'a'), 'int');
});

test('lists, sets, hashes and sorted sets', bounded, async () => {
  assert.equal(await client.rpush('l', 1, 2, 3), 3);
  assert.deepEqual(await client.lrange('l', 0, -1), ['1', '2', '3']);
  assert.deepEqual(await client.lmpop(2, 'none', 'l', 'LEFT', 'COUNT', 2), ['l', ['1', '2']]);
  assert.equal(await client.lpop('none'), null);
  assert.equal(await client.sadd('s', ['a', 'b', 'b']), 2);
  assert.deepEqual((await client.smembers('s')).sort(), ['a', 'b']);
  assert.deepEqual(await client.smismember('s', 'a', 'x'), [1, 0]);
  assert.equal(await client.hset('h', { f: 1, g: 'x' }), 2);
  assert.deepEqual(await client.hgetall('h'), { f: '1', g: 'x' });
  assert.deepEqual(await client.hgetall('none'), {});
  assert.deepEqual(await client.hmget('h', 'f', 'x'), ['1', null]);
  assert.equal(await client.hincrbyfloat('h', 'f', 1.5), '2.5');
  assert.equal(await client.zadd('z', 1, 'a', 2.5, 'b', '+inf', 'c'), 3);
  assert.deepEqual(await client.zrange('z', 0, -1, 'WITHSCORES'), ['a', '1', 'b', '2.5', 'c', 'inf']);
  assert.deepEqual(await client.zrangebyscore('z', '(1', '+inf', 'LIMIT', 0, 1), ['b']);
  assert.equal(await client.zscore('z', 'none'), null);
  assert.equal(await client.zrank('z', 'b'), 1);
  assert.deepEqual(await client.zpopmin('z'), ['a', '1']);
});

test('a pipeline answers in order, errors in their places', bounded, async () => {
  const results = await client.pipeline().set('a', 'x').incr('a').get('a').hgetall('none').exec();
  assert.deepEqual(results[0], [null, 'OK']);
  assert.match(results[1][0].message, /^ERR value is not an integer or out of range$/);
  assert.deepEqual(results.slice(2), [[null, 'x'], [null, {}]]);
  const long = client.pipeline();
  range(20_000).forEach((n) => long.rpush('l', n));
  assertAlike((await long.exec()).map(([, length]) => length), range(20_000).map((n) => n + 1));
});

test('commands of one turn may share a pipeline', bounded, async () => {
  const auto = connect({ enableAutoPipelining: true });
  await Promise.all(range(1_000).map((n) => auto.set(`k:${n}`, n)));
  assertAlike(await Promise.all(range(1_000).map((n) => auto.get(`k:${n}`))), range(1_000).map(String));
});

test('a prefix stands before every key', bounded, async () => {
  const prefixed = connect({ keyPrefix: 'app:' });
  await prefixed.mset('a', 1, 'b', 2);
  assert.deepEqual((await client.keys('*')).sort(), ['app:a', 'app:b']);
  assert.equal(await prefixed.zunionstore('d', 2, 'x', 'y'), 0);
  assert.equal(await prefixed.sintercard(2, 'x', 'y'), 0);
});

test('a transaction is whole, and refused whole', bounded, async () => {
  const whole = await client.multi().set('a', 1).incr('a').hset('h', 'f', 'v').hgetall('h').exec();
  assert.deepEqual(whole, [[null, 'OK'], [null, 2], [null, 1], [null, { f: 'v' }]]);
  await assert.rejects(client.multi().set('a', 9).call('SET', 'a').exec(), /EXECABORT Transaction discarded/);
  assert.equal(await client.get('a'), '2');
  const inside = await client.multi().set('a', 'x').incr('a').set('b', 1).exec();
  assert.match(inside[1][0].message, /not an integer/);
  assert.equal(await client.get('b'), '1');
  await client.multi({ pipeline: false });
  assert.equal(await client.set('a', 5), 'QUEUED');
  assert.equal(await client.discard(), 'OK');
  assert.equal(await client.get('a'), 'x');
});

test('a transaction whose watched key changed does not run', bounded, async () => {
  const other = connect();
  assert.equal(await client.watch('a'), 'OK');
  await other.set('a', 1);
  assert.equal(await client.multi().set('ran', 1).exec(), null);
  assert.equal(await client.exists('ran'), 0);
  await client.watch('a');
  await other.set('unrelated', 1);
  assert.deepEqual(await client.multi().incr('a').exec(), [[null, 2]]);
});

test('streams of scans see what stays while other things change', bounded, async () => {
  const stays = range(2_000).map((n) => `stays:${n}`);
  const pairs = stays.flatMap((field, n) => [field, n]);
  await client.mset(pairs);
  await client.hset('h', pairs);
  await client.sadd('s', stays);
  await client.zadd('z', stays.flatMap((member, n) => [n, member]));
  const disturbing = [];
  const disturb = (items) => disturbing.push(client.pipeline().mset(items.flatMap((i) => [`new:${i}`, 1])).exec());
  const even = (list) => list.filter((_, n) => n % 2 === 0);
  const options = { match: 'stays:*', count: 50 };
  assertAlikeAsSets(await drained(client.scanStream(options), disturb), stays);
  assertAlikeAsSets(even(await drained(client.hscanStream('h', options))), stays);
  assertAlikeAsSets(await drained(client.sscanStream('s', options)), stays);
  assertAlikeAsSets(even(await drained(client.zscanStream('z', options))), stays);
  assert.deepEqual((await drained(client.scanStream({ type: 'hash' }))), ['h']);
  await Promise.all(disturbing);
});

test('bytes come back as they were sent, large ones too', bounded, async () => {
  await client.set(EVERY_BYTE, EVERY_BYTE);
  assert.deepEqual(await client.getBuffer(EVERY_BYTE), EVERY_BYTE);
  await client.hset('h', EVERY_BYTE, EVERY_BYTE);
  assert.deepEqual(await client.hvalsBuffer('h'), [EVERY_BYTE]);
  assert.deepEqual(await client.hkeysBuffer('h'), [EVERY_BYTE]);
  const single = range(256).map((byte) => Buffer.from([byte]));
  await client.sadd('s', single);
  assert.deepEqual((await client.smembersBuffer('s')).sort(Buffer.compare), single);
  const large = Buffer.alloc(LARGE_BYTES, EVERY_BYTE);
  await client.set('large', large);
  assert.ok(large.equals(await client.getBuffer('large')));
  assert.equal(await client.strlen('large'), LARGE_BYTES);
  await client.hset('ключ', '日本語', '🦀');
  assert.deepEqual(await client.hgetall('ключ'), { 日本語: '🦀' });
});

test('an error is a ReplyError with the command that it answers', bounded, async () => {
  await client.set('s', 'x');
  const error = await client.lpush('s', 1).catch((refused) => refused);
  assert.ok(error instanceof Redis.ReplyError);
  assert.equal(error.message, 'WRONGTYPE Operation against a key holding the wrong kind of value');
  assert.deepEqual(error.command.args, ['s', '1']);
  const unknown = /^ReplyError: ERR unknown command 'NOSUCH', with args beginning with: 'a' /;
  await assert.rejects(client.call('NOSUCH', 'a'), unknown);
  await assert.rejects(client.call('GET'), /ERR wrong number of arguments for 'get' command/);
  await assert.rejects(client.select(99), /ERR DB index is out of range/);
});

test('many clients at once get their own replies', bounded, async () => {
  const clients = range(20).map(() => connect());
  const work = async (own, n) => {
    for (const round of range(50)) {
      await own.set(`own:${n}`, round);
      assert.equal(await own.get(`own:${n}`), String(round));
      await own.incr('shared');
    }
  };
  await Promise.all(clients.map(work));
  assert.equal(await client.get('shared'), '1000');
});

test('what was acknowledged is there after kill -9, and the client goes on by itself', bounded, async () => {
  const patient = connect({ retryStrategy: () => 5, maxRetriesPerRequest: null, db: 2, connectionName: 'patient' });
  patient.on('error', () => {});
  const acknowledged = [];
  const work = async (writer) => {
    for (const n of range(300)) {
      await patient.set(`k:${writer}:${n}`, n);
      acknowledged.push([`k:${writer}:${n}`, String(n)]);
      if (writer === 0 && n % 100 === 50) killServer(await patient.info('server'));
    }
  };
  await Promise.all(range(8).map(work));
  killServer(await patient.info('server'));
  const found = await patient.mget(acknowledged.map(([key]) => key));
  assertAlike(found, acknowledged.map(([, value]) => value));
  assert.equal(acknowledged.length, 8 * 300);
  assert.equal(await patient.client('GETNAME'), 'patient');
});

test('quit is answered before the connection ends', bounded, async () => {
  const ends = connect();
  const unsent = ends.set('last', 'word');
  assert.equal(await ends.quit(), 'OK');
  await unsent;
  assert.equal(await client.get('last'), 'word');
});
