// node-redis drives the server in RESP2 and RESP3: connections, every base type, transactions, iterators, a restart.
'use strict';

const assert = require('node:assert/strict');
const { afterEach, beforeEach, describe, it } = require('node:test');

const { createClient, createClientPool, ErrorReply, RESP_TYPES, WatchError } = require('redis');

const {
  SERVER, GUARDED, PASSWORD, EVERY_BYTE, LARGE_BYTES, TEST_BOUND_MS,
  killServer, range, assertAlike, assertAlikeAsSets,
} = require('./support');

const bounded = { timeout: TEST_BOUND_MS };

/** All that an asynchronous iterator of arrays delivers. */
const all = async (iterator, look = async () => {}) => {
  const found = [];
  for await (const items of iterator) {
    found.push(...items);
    await look(items);
  }
  return found;
};

/**
 * Repeats a call while the connection breaks or the server loads. A command that was sent when a connection broke is not
 * sent again by node-redis, as its outcome is unknown, and LOADING is an error like any other to it.
 */
const again = async (call) => {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!/Socket closed|ECONN|LOADING/.test(error.message)) throw error;
    }
  }
};

for (const RESP of [2, 3]) {
  describe(`node-redis in RESP${RESP}`, () => {
    let opened = [];
    let client;

    const connect = async ({ socket = {}, ...options } = {}) => {
      const made = createClient({ RESP, socket: { ...SERVER, ...socket }, ...options });
      opened.push(made);
      made.on('error', () => {});
      return made.connect();
    };

    beforeEach(async () => {
      client = await connect();
      await client.flushAll();
    });

    afterEach(() => {
      opened.filter((made) => made.isOpen).forEach((made) => made.destroy());
      opened = [];
    });

    it('a connection says who it is, and is made anew when it was killed', bounded, async () => {
      const named = await connect({ name: 'named', database: 7 });
      const known = await named.clientInfo();
      assert.equal(known.name, 'named');
      assert.equal(known.db, 7);
      assert.equal(known.resp, RESP);
      assert.match(known.libName, /^node-redis/);
      assert.equal(await named.clientGetName(), 'named');
      const listed = await client.clientList({ TYPE: 'NORMAL' });
      assert.ok(listed.some((entry) => entry.id === known.id && entry.name === 'named'));
      assert.equal(await named.clientNoEvict(true), 'OK');
      assert.equal(await named.clientNoTouch(true), 'OK');
      assert.equal(await client.clientKill({ filter: 'ID', id: known.id }), 1);
      assert.ok((await again(() => named.clientId())) > known.id);
    });

    it('a password is asked for, and only the right one lets in', bounded, async () => {
      const guarded = (options) => connect({ socket: { ...GUARDED, reconnectStrategy: false }, ...options });
      assert.equal(await (await guarded({ password: PASSWORD })).set('a', '1'), 'OK');
      assert.equal(await (await guarded({ username: 'default', password: PASSWORD })).get('a'), '1');
      await assert.rejects(guarded({ password: 'wrong' }), /WRONGPASS/);
      await assert.rejects(guarded({}).then((refused) => refused.get('a')), /NOAUTH/);
    });

    it('strings and keys', bounded, async () => {
      assert.equal(await client.set('s', '10', { expiration: { type: 'EXAT', value: 4_000_000_000 }, condition: 'NX' }), 'OK');
      assert.equal(await client.set('s', '1', { condition: 'NX' }), null);
      assert.equal(await client.incrBy('s', 5), 15);
      assert.equal(await client.incrByFloat('s', 0.1), '15.1');
      assert.deepEqual(await client.mGet(['s', 'none']), ['15.1', null]);
      assert.equal(await client.mSet({ a: '1', b: '2' }), 'OK');
      assert.equal(await client.exists(['a', 'b', 'none']), 2);
      assert.equal(await client.expireTime('s'), 4_000_000_000);
      assert.equal(await client.persist('s'), 1);
      assert.equal(await client.expireTime('s'), -1);
      assert.deepEqual((await client.keys('[ab]')).sort(), ['a', 'b']);
      assert.equal(await client.copy('a', 'd'), 1);
      assert.equal(await client.objectEncoding('a'), 'int');
      assert.equal(await client.dbSize(), 4);
    });

    it('lists, sets and hashes', bounded, async () => {
      assert.equal(await client.rPush('l', ['1', '2', '3']), 3);
      assert.deepEqual(await client.lmPop(['none', 'l'], 'LEFT', { COUNT: 2 }), ['l', ['1', '2']]);
      assert.deepEqual(await client.lPopCount('none', 2), null);
      assert.equal(await client.sAdd('s', ['a', 'b', 'b']), 2);
      assert.deepEqual((await client.sMembers('s')).sort(), ['a', 'b']);
      assert.deepEqual(await client.smIsMember('s', ['a', 'x']), [1, 0]);
      assert.equal(await client.hSet('h', { f: '1', g: 'x' }), 2);
      assert.deepEqual({ ...(await client.hGetAll('h')) }, { f: '1', g: 'x' });
      assert.deepEqual(await client.hmGet('h', ['f', 'x']), ['1', null]);
      assert.equal(await client.hIncrByFloat('h', 'f', 1.5), '2.5');
      const drawn = await client.hRandFieldCountWithValues('h', 5);
      assert.deepEqual(drawn.map(({ field }) => field).sort(), ['f', 'g']);
    });

    it('sorted sets, with scores as numbers', bounded, async () => {
      const pairs = [{ value: 'a', score: 1 }, { value: 'b', score: 2.5 }, { value: 'c', score: Infinity }];
      assert.equal(await client.zAdd('z', pairs), 3);
      assert.deepEqual(await client.zRangeWithScores('z', 0, -1), pairs);
      assert.equal(await client.zScore('z', 'b'), 2.5);
      assert.equal(await client.zScore('z', 'none'), null);
      assert.deepEqual(await client.zmScore('z', ['a', 'none']), [1, null]);
      assert.deepEqual(await client.zRange('z', '(1', '+inf', { BY: 'SCORE', LIMIT: { offset: 0, count: 1 } }), ['b']);
      assert.deepEqual(await client.zRankWithScore('z', 'b'), { rank: 1, score: 2.5 });
      assert.deepEqual(await client.zPopMin('z'), pairs[0]);
      assert.deepEqual(await client.zmPop(['none', 'z'], 'MAX'), { key: 'z', members: [pairs[2]] });
      assert.equal(await client.zPopMax('none'), null);
    });

    it('answers take the types that the client maps them to', bounded, async () => {
      await client.hSet('h', { f: 'v' });
      const mapped = client.withTypeMapping({ [RESP_TYPES.MAP]: Map, [RESP_TYPES.BLOB_STRING]: Buffer });
      assert.deepEqual(await mapped.hGetAll('h'), new Map([['f', Buffer.from('v')]]));
      await client.sAdd('s', 'm');
      const sets = client.withTypeMapping({ [RESP_TYPES.SET]: Set });
      assert.deepEqual(await sets.sMembers('s'), RESP === 3 ? new Set(['m']) : ['m']);
    });

    it('transactions and pipelines', bounded, async () => {
      const whole = await client.multi().set('a', '1').incr('a').hSet('h', 'f', 'v').hGetAll('h').zScore('z', 'm').exec();
      assert.deepEqual([...whole.slice(0, 3), { ...whole[3] }, whole[4]], ['OK', 2, 1, { f: 'v' }, null]);
      const pipelined = await client.multi().incr('a').incr('a').execAsPipeline();
      assert.deepEqual(pipelined, [3, 4]);
      const failed = await client.multi().set('a', 'x').incr('a').set('b', '1').exec().catch((error) => error);
      assert.match(failed.replies[1].message, /not an integer/);
      assert.equal(await client.get('b'), '1');
      await assert.rejects(client.multi().set('a', '9').addCommand(['SET', 'a']).exec());
      assert.equal(await client.get('a'), 'x');
      const long = range(5_000).map((n) => client.rPush('l', String(n)));
      assertAlike(await Promise.all(long), range(5_000).map((n) => n + 1));
    });

    it('a transaction whose watched key changed does not run and may be repeated', bounded, async () => {
      const other = await connect();
      await client.watch('a');
      await other.set('a', '1');
      await assert.rejects(client.multi().set('ran', '1').exec(), WatchError);
      assert.equal(await client.exists('ran'), 0);
      await client.watch('a');
      assert.deepEqual(await client.multi().incr('a').exec(), [2]);
    });

    it('iterators see what stays while other things change', bounded, async () => {
      const stays = range(2_000).map((n) => `stays:${n}`);
      await client.mSet(stays.map((key) => [key, '1']));
      await client.hSet('h', stays.map((field) => [field, '1']));
      await client.sAdd('s', stays);
      await client.zAdd('z', stays.map((value, score) => ({ value, score })));
      const disturb = (items) => client.mSet([['none', '1'], ...items.map((item) => [`new:${item}`, '1'])]);
      const options = { MATCH: 'stays:*', COUNT: 50 };
      assertAlikeAsSets(await all(client.scanIterator(options), disturb), stays);
      assertAlikeAsSets((await all(client.hScanIterator('h', options))).map(({ field }) => field), stays);
      assertAlikeAsSets(await all(client.sScanIterator('s', options)), stays);
      assertAlikeAsSets((await all(client.zScanIterator('z', options))).map(({ value }) => value), stays);
      assert.deepEqual(await all(client.scanIterator({ TYPE: 'hash' })), ['h']);
    });

    it('bytes come back as they were sent, large ones too', bounded, async () => {
      const bytes = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
      await bytes.set(EVERY_BYTE, EVERY_BYTE);
      assert.deepEqual(await bytes.get(EVERY_BYTE), EVERY_BYTE);
      const single = range(256).map((byte) => Buffer.from([byte]));
      await bytes.sAdd('s', single);
      assert.deepEqual((await bytes.sMembers('s')).sort(Buffer.compare), single);
      const large = Buffer.alloc(LARGE_BYTES, EVERY_BYTE);
      await bytes.set('large', large);
      assert.ok(large.equals(await bytes.get('large')));
      await client.hSet('ключ', '日本語', '🦀');
      assert.deepEqual({ ...(await client.hGetAll('ключ')) }, { 日本語: '🦀' });
    });

    it('an error is an ErrorReply with the words of the server', bounded, async () => {
      await client.set('s', 'x');
      const error = await client.lPush('s', '1').catch((refused) => refused);
      assert.ok(error instanceof ErrorReply);
      assert.equal(error.message, 'WRONGTYPE Operation against a key holding the wrong kind of value');
      await assert.rejects(client.sendCommand(['NOSUCH']), /ERR unknown command 'NOSUCH'/);
      await assert.rejects(client.sendCommand(['GET']), /ERR wrong number of arguments for 'get' command/);
    });

    it('what is asked of the server is answered', bounded, async () => {
      assert.equal((await client.hello()).version, '7.2.4');
      assert.equal((await client.configGet('port')).port, String(SERVER.port));
      assert.equal((await client.commandInfo(['get']))[0].arity, 2);
      assert.deepEqual(await client.commandGetKeys(['MSET', 'a', '1', 'b', '2']), ['a', 'b']);
      assert.equal(await client.configResetStat(), 'OK');
      assert.equal(await client.echo('x'), 'x');
      assert.ok((await client.time()) instanceof Array);
    });

    it('a pool shares connections among tasks', bounded, async () => {
      const pool = await createClientPool({ RESP, socket: SERVER }, { minimum: 1, maximum: 5 }).connect();
      const numbers = await Promise.all(range(200).map(() => pool.clientId()));
      await Promise.all(range(200).map(() => pool.incr('n')));
      assert.ok(new Set(numbers).size <= 5);
      assert.equal(await pool.execute((one) => one.get('n')), '200');
      await pool.close();
    });

    it('what was acknowledged is there after kill -9, and the client goes on by itself', bounded, async () => {
      const patient = await connect({ socket: { reconnectStrategy: () => 5 }, database: 2, name: 'patient' });
      const acknowledged = [];
      const kill = async () => killServer(await again(() => patient.info('server')));
      const work = async (writer) => {
        for (const n of range(300)) {
          await again(() => patient.set(`k:${writer}:${n}`, String(n)));
          acknowledged.push([`k:${writer}:${n}`, String(n)]);
          if (writer === 0 && n % 100 === 50) await kill();
        }
      };
      await Promise.all(range(8).map(work));
      await kill();
      const found = await again(() => patient.mGet(acknowledged.map(([key]) => key)));
      assertAlike(found, acknowledged.map(([, value]) => value));
      assert.equal(acknowledged.length, 8 * 300);
      assert.equal(await patient.clientGetName(), 'patient');
    });

    it('closing waits for what was sent', bounded, async () => {
      const ends = await connect();
      const unsent = ends.set('last', 'word');
      await ends.close();
      assert.equal(await unsent, 'OK');
      assert.equal(await client.get('last'), 'word');
    });
  });
}
