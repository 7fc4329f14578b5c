import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isSluiceError } from '../../src/base/errors.ts'
import { type Change, type Message, pgoutputDecoder } from '../../src/sources/cdc/wire/pgoutput.ts'
import { type EncodedRelation, type EncodedValue, encode, unchanged } from './pgoutput-encoder.ts'

const people: EncodedRelation = {
  id: 16_385,
  schema: 'public',
  name: 'people',
  replicaIdentity: 'd',
  columns: [
    { name: 'id', typeOid: 23, isKey: true },
    { name: 'näme "x"', typeOid: 25, isKey: false },
    { name: 'region', typeOid: 25, isKey: true },
    { name: 'notes', typeOid: 25, isKey: false },
  ],
}
const whole: EncodedRelation = {
  ...people,
  id: 16_390,
  name: 'whole',
  replicaIdentity: 'f',
  columns: people.columns.map((column) => ({ ...column, isKey: true })),
}

function decoder(keys?: ReadonlyMap<string, readonly string[]>) {
  const { decode, types } = pgoutputDecoder(keys)
  const one = (message: Buffer, streamed = false): Message => {
    // Not at the frame's begin nor end: a place of its own inside a larger buffer.
    const around = Buffer.concat([Buffer.from('before'), message, Buffer.from('after')])
    return decode(around, 6, 6 + message.length, streamed)
  }
  one(encode.relation(people))
  one(encode.relation(whole))
  return { one, types }
}

const hard = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 20 }),
  fc.string({ unit: 'binary', maxLength: 20 }).filter((value) => !/\0|[\ud800-\udfff]/.test(value)),
  fc.constantFrom(
    '',
    '"',
    '\\',
    '\n\r\t\b\f\u0001\u007f',
    '\ufeff',
    '😀',
    'null',
    '{"a":1}',
    'x'.repeat(70_000),
    '\n"'.repeat(40_000),
  ),
)
const value = fc.option(hard)

function named(values: readonly EncodedValue[], columns = people.columns): object {
  return Object.fromEntries(columns.flatMap(({ name }, i) => (values[i] === unchanged ? [] : [[name, values[i]]])))
}

test('texts arrive exactly: every image is the row that was encoded', () => {
  const { one } = decoder()
  fc.assert(
    fc.property(hard, value, hard, value, hard, (id, name, region, notes, oldId) => {
      const row = [id, name, region, notes]
      const key = { id, region }
      const inserted = one(encode.insert(people.id, row)) as Change
      expect(JSON.parse(inserted.after!)).toEqual(named(row))
      expect(JSON.parse(inserted.key!)).toEqual(key)
      expect([inserted.before, inserted.unchanged]).toEqual([null, null])

      const updated = one(encode.update(people.id, [id, name, region, unchanged])) as Change
      expect(JSON.parse(updated.after!)).toEqual({ id, 'näme "x"': name, region })
      expect(JSON.parse(updated.key!)).toEqual(key)
      expect(updated.before).toBeNull()
      expect(JSON.parse(updated.unchanged!)).toEqual(['notes'])

      const old = [oldId, null, region, null]
      const moved = one(encode.update(people.id, row, { kind: 'K', values: old })) as Change
      expect(JSON.parse(moved.before!)).toEqual({ id: oldId, region })
      expect(JSON.parse(moved.after!)).toEqual(named(row))

      const deleted = one(encode.delete(people.id, 'K', old)) as Change
      expect([JSON.parse(deleted.before!), deleted.key]).toEqual([{ id: oldId, region }, deleted.before])
      expect(deleted.after).toBeNull()
    }),
    { numRuns: 300 },
  )
})

test('CD-09: with a whole old row, an unchanged large value is taken from it', () => {
  const { one } = decoder()
  fc.assert(
    fc.property(
      fc.tuple(value, value, value, value),
      fc.tuple(value, value, value, value),
      fc.array(fc.nat(3)),
      (old, row, same) => {
        const sent = row.map((one, i) => (same.includes(i) ? unchanged : one))
        const expected = row.map((one, i) => (same.includes(i) ? old[i]! : one))
        const change = one(encode.update(whole.id, sent, { kind: 'O', values: old })) as Change
        expect(JSON.parse(change.before!)).toEqual(named(old))
        expect(JSON.parse(change.after!)).toEqual(named(expected))
        expect(change.unchanged).toBeNull()
        expect(change.key).toBe(change.after)
      },
    ),
    { numRuns: 200 },
  )
})

test('CD-10: an unchanged large value of a row whose key moved is named, beside its old key', () => {
  const { one } = decoder()
  const message = encode.update(people.id, ['2', 'a', 'north', unchanged], {
    kind: 'K',
    values: ['1', null, 'north', null],
  })
  expect(one(message)).toMatchObject({
    kind: 'update',
    before: '{"id":"1","region":"north"}',
    after: '{"id":"2","näme \\"x\\"":"a","region":"north"}',
    key: '{"id":"2","region":"north"}',
    unchanged: '["notes"]',
  })
})

test('a large value that is a part of the key, and unchanged, comes with the old key', () => {
  const { one } = decoder()
  const message = encode.update(people.id, ['2', 'a', unchanged, 'b'], {
    kind: 'K',
    values: ['2', null, 'north', null],
  })
  expect(one(message)).toMatchObject({ key: '{"id":"2","region":"north"}', unchanged: null })
})

test('CD-14: a change that does not name its row is refused', () => {
  const { one } = decoder()
  one(
    encode.relation({ ...people, replicaIdentity: 'n', columns: people.columns.map((c) => ({ ...c, isKey: false })) }),
  )
  expect(one(encode.insert(people.id, ['1', 'a', 'b', 'c']))).toMatchObject({ kind: 'insert', key: null })
  expect(() => one(encode.update(people.id, ['1', 'a', 'b', 'c']))).toThrow(/no replica identity/)
  expect(() => decoder().one(encode.update(people.id, ['1', 'a', unchanged, 'c']))).toThrow(/key did not come/)
})

test('a table with REPLICA IDENTITY FULL and a primary key is known by that', () => {
  const { one } = decoder(new Map([['public.whole', ['region', 'id']]]))
  expect(one(encode.insert(whole.id, ['1', 'a', 'north', 'b']))).toMatchObject({ key: '{"region":"north","id":"1"}' })
  expect(one(encode.delete(whole.id, 'O', ['1', 'a', 'north', 'b']))).toMatchObject({
    key: '{"region":"north","id":"1"}',
  })
})

const micros = fc.bigInt(-(2n ** 62n), 2n ** 62n)
const lsn = fc.bigInt(0n, 2n ** 63n - 1n)
const xid = fc.nat(0xffffffff)

test('everything around the changes is decoded as it was encoded, inside and outside of streams', () => {
  const { one, types } = decoder()
  fc.assert(
    fc.property(lsn, lsn, micros, xid, xid, (a, b, at, x, sub) => {
      expect(one(encode.begin(a, at, x))).toEqual({ kind: 'begin', finalLsn: a, committedAt: at, xid: x })
      expect(one(encode.commit(a, b, at))).toEqual({ kind: 'commit', lsn: a, endLsn: b, committedAt: at })
      expect(one(encode.origin(a, 'elsewhere'))).toEqual({ kind: 'origin', lsn: a, name: 'elsewhere' })
      expect(one(encode.streamStart(x, true))).toEqual({ kind: 'streamStart', xid: x, first: true })
      expect(one(encode.streamStop())).toEqual({ kind: 'streamStop' })
      expect(one(encode.streamAbort(x, sub))).toEqual({ kind: 'streamAbort', xid: x, subXid: sub })
      expect(one(encode.streamCommit(x, a, b, at))).toEqual({
        kind: 'streamCommit',
        xid: x,
        lsn: a,
        endLsn: b,
        committedAt: at,
      })
      expect(one(encode.message(true, a, 'beat', Buffer.from([0, 255]), x), true)).toEqual({
        kind: 'message',
        transactional: true,
        lsn: a,
        prefix: 'beat',
        content: Buffer.from([0, 255]),
      })
    }),
    { numRuns: 100 },
  )
  expect(one(encode.type(90_000, 'public', 'mood'))).toEqual({ kind: 'type', oid: 90_000, name: 'public.mood' })
  expect(types.get(90_000)).toBe('public.mood')
  expect(one(encode.truncate([people.id, whole.id], 3, 7), true)).toMatchObject({
    kind: 'truncate',
    relations: [{ table: 'public.people' }, { table: 'public.whole' }],
    cascade: true,
    restartIdentity: true,
  })
  expect(one(encode.insert(people.id, ['1', null, 'b', 'c'], 77), true)).toMatchObject({ kind: 'insert' })
})

test('CD-21: messages of two-phase commit are refused by name', () => {
  for (const kind of ['b', 'P', 'K', 'r', 'p'])
    expect(() => pgoutputDecoder().decode(Buffer.from(`${kind}rest`), 0, 5)).toThrow(
      expect.objectContaining({ name: 'Source.ChangeTwoPhase' }),
    )
})

test('a text that is not UTF-8 is refused, and its column is named', () => {
  const { one } = decoder()
  const message = encode.insert(people.id, ['1', 'a', 'b', 'ab'])
  message[message.length - 1] = 0xff
  expect(() => one(message)).toThrow(expect.objectContaining({ name: 'Source.ChangeText' }))
  expect(() => one(message)).toThrow(/"notes" of public.people/)
})

const samples: readonly Buffer[] = [
  encode.begin(1n, 2n, 3),
  encode.commit(1n, 2n, 3n),
  encode.relation(people),
  encode.type(90_000, 'public', 'mood'),
  encode.insert(people.id, ['1', 'secret-value', 'b', null]),
  encode.update(people.id, ['1', 'secret-value', 'b', unchanged], { kind: 'K', values: ['1', null, 'b', null] }),
  encode.update(whole.id, ['1', unchanged, 'b', 'c'], { kind: 'O', values: ['1', 'secret-value', 'b', null] }),
  encode.delete(people.id, 'K', ['1', null, 'b', null]),
  encode.truncate([people.id, whole.id], 3),
  encode.message(false, 1n, 'beat', Buffer.from('secret-value')),
  encode.streamStart(1, true),
  encode.streamCommit(1, 2n, 3n, 4n),
  encode.streamAbort(1, 2),
]

/** Decodes bytes: a message, or one of the named errors; anything else is a failure of the decoder. */
function answer(message: Buffer, streamed = false): string {
  try {
    return decoder().one(message, streamed).kind
  } catch (error) {
    if (!isSluiceError(error)) throw error
    expect(error.name).toMatch(/^Source\.Change(Protocol|TwoPhase|Text|Key)$/)
    expect(error.message).not.toContain('secret')
    return error.name
  }
}

test('CD-26: a message that is cut off anywhere, or longer than it says, is refused', () => {
  for (const sample of samples) {
    expect(answer(sample)).not.toMatch(/^Source/)
    for (let length = 0; length < sample.length; length++)
      expect(answer(sample.subarray(0, length))).toBe('Source.ChangeProtocol')
    expect(answer(Buffer.concat([sample, Buffer.from([0])]))).toBe('Source.ChangeProtocol')
  }
})

test('CD-26: lengths and numbers that lie allocate nothing', () => {
  const lies = [0xffffffff, 0x7fffffff, 0x80000000, 0x00ffffff]
  const before = process.memoryUsage().arrayBuffers
  for (const sample of samples)
    for (let at = 1; at + 4 <= sample.length; at++)
      for (const lie of lies) {
        const lying = Buffer.from(sample)
        lying.writeUInt32BE(lie, at)
        answer(lying)
      }
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(256 << 20)
})

test('CD-26: random bytes, and messages with random bytes, have an answer', () => {
  const { assert, property, uint8Array, boolean, constantFrom, array, tuple, nat } = fc
  assert(
    property(uint8Array({ maxLength: 60 }), boolean(), (bytes, streamed) => {
      answer(Buffer.from(bytes), streamed)
    }),
    { numRuns: 2000 },
  )
  assert(
    property(
      constantFrom(...samples),
      array(tuple(nat(200), nat(255)), { minLength: 1, maxLength: 4 }),
      (sample, changes) => {
        const changed = Buffer.from(sample)
        for (const [at, byte] of changes) changed[at % changed.length] = byte
        answer(changed)
      },
    ),
    { numRuns: 4000 },
  )
})
