/** Tables of changes as a project makes them: run after run. */
import { expect, test } from 'vitest'
import { newId, systemClock } from '../../src/base/clock.ts'
import { type EncodedRelation, encode, unchanged } from '../cdc/pgoutput-encoder.ts'
import {
  columns,
  currentRows,
  historyRows,
  insert,
  logOf,
  move,
  project,
  redefine,
  relation,
  remove,
  rowsOf,
  run,
  type Step,
  tables,
  truncate,
  update,
} from './shop.ts'

test('changes become current rows and a history, typed, batch after batch', async () => {
  const root = project(tables(`transforms: { email: 'lower(email)' },`))
  const log = logOf(root)
  await log.commit(
    [insert('1', 'A@X', '10.50', 'first'), insert('2', 'b@x', '0', null)],
    [update('1', 'A@Y', '11.00', unchanged)],
  )
  const first = await run(root)
  expect(first.errors).toEqual([])
  expect(await currentRows(root)).toEqual([
    { id: '1', email: 'a@y', balance: '11.00', note: 'first' },
    { id: '2', email: 'b@x', balance: '0.00', note: null },
  ])
  await log.commit([move('1', '3', 'a@y', '11.00', unchanged), remove('2')], [truncate, insert('4', 'd@x', '1', 'n')])
  expect((await run(root)).errors).toEqual([])
  expect(await currentRows(root)).toEqual([{ id: '4', email: 'd@x', balance: '1.00', note: 'n' }])
  expect(await historyRows(root)).toEqual([
    { _op: 'I', id: '1', email: 'a@x', balance: '10.50', note: 'first' },
    { _op: 'I', id: '2', email: 'b@x', balance: '0.00', note: null },
    { _op: 'U', id: '1', email: 'a@y', balance: '11.00', note: 'first' },
    { _op: 'D', id: '1', email: null, balance: null, note: null },
    { _op: 'I', id: '3', email: 'a@y', balance: '11.00', note: 'first' },
    { _op: 'D', id: '2', email: null, balance: null, note: null },
    { _op: 'D', id: '3', email: null, balance: null, note: null },
    { _op: 'I', id: '4', email: 'd@x', balance: '1.00', note: 'n' },
  ])
  const versions = await log.lake.versions('stage.history')
  expect(versions.map(({ operation }) => operation)).toEqual(['append', 'append'])
})

const dimension = `{ dim_customer: scd2({ from: 'stage.history', key: 'id', effective: '_effective_at', sequence: '_sequence', deletes: { column: '_op', value: 'D' } }) }`

const versionsOf = (root: string) =>
  rowsOf(
    root,
    'SELECT id, email, balance, note, effective_date, is_current_record FROM warehouse.dim_customer ORDER BY id, effective_date',
  )

test('a dimension that takes only the new changes of a history is the one that takes all at once', async () => {
  const batches: (readonly Step[])[][] = [
    [[insert('1', 'a@x', '1', 'n'), insert('2', 'b@x', '2', null)], [update('1', 'a@y', '1', unchanged)]],
    [[move('1', '3', 'a@y', '1', unchanged), remove('2')]],
    [[insert('2', 'b@z', '2', 'again')], [update('2', 'b@z', '2', unchanged)], [truncate, insert('4', 'd', '4', null)]],
  ]
  const [apart, together] = [project(tables(), dimension), project(tables(), dimension)]
  const log = logOf(apart)
  const read: number[] = []
  for (const batch of batches) {
    await log.commit(...batch)
    expect((await run(apart, ['stage.*', 'dim_customer'])).errors).toEqual([])
    const [load] = await rowsOf(
      apart,
      `SELECT (result ->> 'read')::INTEGER AS read FROM sluice.loads ORDER BY ordinal DESC LIMIT 1`,
    )
    read.push(load!['read'] as number)
  }
  expect(read).toEqual([3, 3, 5])
  await logOf(together).commit(...batches.flat())
  expect((await run(together, ['stage.*', 'dim_customer'])).errors).toEqual([])
  expect(await versionsOf(apart)).toEqual(await versionsOf(together))
  expect(await versionsOf(apart)).toHaveLength(6)
})

test('a refused change is counted and kept, a key stays at its last good row, and the next good change brings it up to date', async () => {
  const root = project(tables(`checks: [range('balance', { min: 0 })], quarantine: { maxShare: 1 },`))
  const log = logOf(root)
  await log.commit([
    insert('1', 'a', '1', null),
    insert('2', 'b', '2', null),
    insert('3', 'c', '3', null),
    insert('4', 'd', '4', null),
  ])
  await run(root)
  await log.commit([
    update('1', 'a', '-1', null),
    update('1', 'a', 'NaN', null),
    move('2', '5', 'b', '1e5', null),
    update('3', 'c', '33', null),
    update('3', 'c', '-3', null),
    remove('4'),
  ])
  const second = await run(root)
  expect(second.errors).toEqual([])
  // A change of a key is two; what is refused of the second leaves the first.
  expect(second.accounts).toMatchObject({
    'model:stage.history': { read: 7, accepted: 3, quarantined: 4, dropped: {} },
    'model:stage.customers': { read: 7, accepted: 1, quarantined: 4, dropped: { deleted: 2 }, carried: 1 },
  })
  const rows = async () => (await currentRows(root)).map(({ id, balance }) => [id, balance])
  expect(await rows()).toEqual([
    ['1', '1.00'],
    ['3', '33.00'],
  ])
  const refused = await rowsOf(
    root,
    `SELECT reasons[1] AS reason, fields ->> 'id' AS id, fields ->> 'balance' AS balance FROM sluice.quarantine WHERE "table" = 'stage.customers' ORDER BY ALL`,
  )
  expect(refused).toEqual([
    { reason: 'cast:balance', id: '1', balance: 'NaN' },
    { reason: 'cast:balance', id: '5', balance: '1e5' },
    { reason: 'range:balance', id: '1', balance: '-1' },
    { reason: 'range:balance', id: '3', balance: '-3' },
  ])
  await log.commit([update('1', 'a', '7', null), update('5', 'b', '8', null)])
  await run(root)
  expect(await rows()).toEqual([
    ['1', '7.00'],
    ['3', '33.00'],
    ['5', '8.00'],
  ])
})

test('one bad row of a handful is no reason to stop; two of three are', async () => {
  const root = project(tables(`checks: [range('balance', { min: 0 })],`))
  const log = logOf(root)
  await log.commit([1, 2, 3].map((id) => insert(`${id}`, 'a', '1', null)))
  await run(root)
  await log.commit([update('1', 'a', '-1', null), update('2', 'b', '2', null), update('3', 'c', '3', null)])
  const one = await run(root)
  expect(one.errors).toEqual([])
  expect(one.accounts).toMatchObject({ 'model:stage.customers': { read: 3, accepted: 2, quarantined: 1 } })
  await log.commit([update('1', 'a', '-1', null), update('2', 'b', '-2', null), update('3', 'c', '4', null)])
  expect((await run(root)).errors).toEqual(['Quality.TooManyRefused', 'Quality.TooManyRefused'])
})

test('CD-12: a value that was taken along to another key is found, though the key that it left has another whole row since', async () => {
  const root = project(tables())
  const log = logOf(root)
  await log.commit([insert('1', 'a', '1', 'of a'), insert('2', 'b', '2', 'of b')])
  // They take each other's key; then the one is written as a whole, and the other goes on without its value.
  await log.commit(
    [move('1', '0', 'a', '1', unchanged), move('2', '1', 'b', '2', unchanged), move('0', '2', 'a', '1', unchanged)],
    [update('2', 'a', '1', 'new of a')],
  )
  await log.commit([update('1', 'b', '3', unchanged)])
  await log.commit([update('1', 'b', '4', unchanged)])
  for (const at of [0, 1]) {
    // Made at once, and from where the last batch begins.
    expect((await run(root)).errors, `run ${at}`).toEqual([])
    expect(await currentRows(root)).toEqual([
      { id: '1', email: 'b', balance: at === 0 ? '4.00' : '5.00', note: 'of b' },
      { id: '2', email: 'a', balance: '1.00', note: 'new of a' },
    ])
    if (at === 0) await log.commit([update('1', 'b', '5', unchanged)])
  }
})

test('truth values and bytes are taken as PostgreSQL writes them', async () => {
  const root = project(`{ 'stage.customers': changes('raw.shop', 'public.customers', {
    columns: { id: 'bigint', email: 'boolean', balance: 'boolean', note: { type: 'binary', nullable: true } }, key: 'id' }) }`)
  await logOf(root).commit([insert('1', 't', 'f', '\\x00ff'), insert('2', 'true', 'FALSE', null)])
  expect((await run(root)).errors).toEqual([])
  expect(await rowsOf(root, 'SELECT id, email, balance, hex(note) AS note FROM stage.customers ORDER BY id')).toEqual([
    { id: '1', email: true, balance: false, note: '00FF' },
    { id: '2', email: true, balance: false, note: null },
  ])
})

test('CD-11: a value that nobody holds stops its table by name, and the other tables go on', async () => {
  const root = project(`{
  'stage.customers': changes('raw.shop', 'public.customers', { ${columns} }),
  'stage.emails': changes('raw.shop', 'public.customers', { columns: { id: 'bigint', email: 'text' }, key: 'id' }),
  'stage.orders': changes('raw.shop', 'public.orders', { columns: { id: 'bigint' }, key: 'id' }) }`)
  const log = logOf(root)
  await log.commit([insert('1', 'a', '1', 'n')], [update('9', 'z', '9', unchanged)])
  const { errors } = await run(root)
  expect(errors).toEqual(['Changes.ValueNotHeld'])
  expect(await log.lake.current('stage.customers')).toBeUndefined()
  // Nobody asks for what is not taken.
  expect((await log.lake.current('stage.emails'))?.rows).toBe(2)
  expect(await log.lake.current('stage.orders')).toBeDefined()
})

test('CD-11: what nobody holds is left out and counted once the log says later what became of the row', async () => {
  const root = project(tables())
  const log = logOf(root)
  await log.commit(
    [insert('1', 'a', '1', 'n')],
    // None of these rows has an earlier change; each goes on in another way.
    [update('6', 'f', '6', unchanged), update('7', 'g', '7', unchanged), move('8', '18', 'h', '8', unchanged)],
    [update('9', 'z', '9', unchanged), update('9', 'y', '9', unchanged)],
  )
  expect((await run(root)).errors).toEqual(['Changes.ValueNotHeld', 'Changes.ValueNotHeld'])
  await log.commit([update('6', 'f', '7', 'whole'), remove('7')])
  expect((await run(root)).errors).toEqual(['Changes.ValueNotHeld', 'Changes.ValueNotHeld'])
  const whole = (op: 'U' | 'S', id: string) => ({ op, id, row: { email: 'now', balance: '10', note: 'copied' } })
  await log.copy(whole('U', '9'), whole('S', '18'), { op: 'D', id: '1' })
  const { errors, accounts } = await run(root)
  expect(errors).toEqual([])
  expect(accounts).toMatchObject({
    'model:stage.history': { read: 12, accepted: 7, quarantined: 0, dropped: { 'value not held': 5 } },
    'model:stage.customers': { read: 12, accepted: 3, dropped: { deleted: 3, superseded: 1, 'value not held': 5 } },
  })
  expect(await currentRows(root)).toEqual([
    { id: '6', email: 'f', balance: '7.00', note: 'whole' },
    { id: '9', email: 'now', balance: '10.00', note: 'copied' },
    { id: '18', email: 'now', balance: '10.00', note: 'copied' },
  ])
  await log.commit([update('9', 'later', '9', unchanged)])
  expect((await run(root)).errors).toEqual([])
  expect((await currentRows(root))[1]).toEqual({ id: '9', email: 'later', balance: '9.00', note: 'copied' })
})

const keyed = (replicaIdentity: 'd' | 'f', ...key: readonly string[]): EncodedRelation => ({
  ...relation,
  replicaIdentity,
  columns: relation.columns.map((column) => ({ ...column, isKey: key.includes(column.name) })),
})

test('CD-13: a declared key that is not the one of the table is refused before two rows become one', async () => {
  const whole = `{ 'stage.customers': changes('raw.shop', 'public.customers', { columns: { id: 'bigint', email: 'text' }, key: ['email', 'id'] }) }`
  const composite = keyed('d', 'id', 'email')
  for (const [declared, of, found] of [
    [tables(), composite, 'Changes.KeyDiffers'],
    [whole, relation, 'Changes.KeyDiffers'],
    [whole, composite, undefined],
  ] as const) {
    const root = project(declared)
    const log = logOf(root, of)
    await log.commit([insert('1', 'a', '1', null), insert('1', 'b', '2', null)].slice(0, of === relation ? 1 : 2))
    const { errors } = await run(root)
    expect(new Set(errors)).toEqual(new Set(found === undefined ? [] : [found]))
    expect((await log.lake.current('stage.customers'))?.rows).toBe(found === undefined ? 2 : undefined)
  }
  // The server's key becomes another one later.
  const root = project(tables())
  const log = logOf(root)
  await log.commit([insert('1', 'a', '1', null)])
  expect((await run(root)).errors).toEqual([])
  await log.commit([() => encode.relation(composite), insert('1', 'b', '2', null)])
  expect((await run(root)).errors).toEqual(['Changes.KeyDiffers', 'Changes.KeyDiffers'])
  expect((await log.lake.current('stage.customers'))?.version).toBe(1)
})

test('CD-14: a table without a primary key is known by the declared key, unless two of its rows share it', async () => {
  const root = project(tables())
  const log = logOf(root, keyed('f', 'id', 'email', 'balance', 'note'))
  const whole =
    (from: readonly string[], to: readonly string[]): Step =>
    () =>
      encode.update(1, to, { kind: 'O', values: from })
  await log.commit([
    insert('1', 'a', '1', 'n'),
    insert('2', 'b', '2', 'n'),
    whole(['1', 'a', '1', 'n'], ['3', 'a', '1', 'n']),
    insert('1', 'again', '1', 'n'),
  ])
  expect((await run(root)).errors).toEqual([])
  expect((await currentRows(root)).map(({ id, email }) => [id, email])).toEqual([
    ['1', 'again'],
    ['2', 'b'],
    ['3', 'a'],
  ])
  await log.commit([whole(['3', 'a', '1', 'n'], ['2', 'a', '1', 'n'])])
  expect((await run(root)).errors).toEqual(['Changes.KeyTwice', 'Changes.KeyTwice'])
  expect((await log.lake.current('stage.customers'))?.rows).toBe(3)
})

test('a changed definition is made from scratch, and is what it would have been from the beginning', async () => {
  const batches: (readonly Step[])[][] = [
    [[insert('1', 'A@x', '10', 'n'), insert('2', 'b@x', '-2', null), insert('3', 'C@x', '3', 'kept')]],
    [[move('1', '4', 'A@y', '10', unchanged), update('2', 'b@x', '-3', null)], [remove('3')]],
    [[insert('3', 'D', '5', null), update('4', 'A@z', '1', unchanged)]],
  ]
  const plain = `columns: { id: 'bigint', email: 'text', balance: 'text', note: nullable('text') }, key: 'id'`
  const definitions = [
    tables(),
    // A transform, a column that it makes, and a check.
    tables(
      `transforms: { email: 'lower(email)', is_rich: 'balance > 5' }, checks: [range('balance', { min: 0 })], quarantine: { maxShare: 1 },`,
    ),
    // Other types, and a column less.
    tables().replaceAll(columns, plain.replace(`, note: nullable('text')`, '')),
    tables().replaceAll(columns, plain),
  ]
  const root = project(definitions[0]!)
  const log = logOf(root)
  const all = async (of: string) => [
    await rowsOf(of, 'SELECT * FROM stage.customers ORDER BY id'),
    await rowsOf(of, 'SELECT * FROM stage.history ORDER BY _sequence, id'),
  ]
  for (const [at, definition] of definitions.entries()) {
    redefine(root, definition)
    const approved = at === 0 ? [] : ['stage.customers', 'stage.history']
    expect((await run(root, ['stage.*'], approved)).errors).toEqual([])
    if (batches[at] !== undefined) {
      // Changed, and then gone on with.
      await log.commit(...batches[at])
      expect((await run(root)).errors).toEqual([])
    }
    const anew = project(definition)
    const own = logOf(anew)
    for (const batch of batches.slice(0, at + 1)) await own.commit(...batch)
    expect((await run(anew)).errors).toEqual([])
    expect(await all(root), `definition ${at}`).toEqual(await all(anew))
    const { operation } = (await log.lake.current('stage.history'))!
    expect(operation).toBe(at < batches.length ? 'append' : 'replace')
  }
})

test('a log that was rolled back is made from scratch', async () => {
  const root = project(tables())
  const log = logOf(root)
  await log.commit([insert('1', 'a', '1', 'n')])
  await run(root)
  await log.commit([insert('2', 'b', '2', 'n')])
  await run(root)
  await log.lake.rollback({
    table: 'raw.shop',
    version: 1,
    run: newId(systemClock),
    attempt: 1,
    fencingToken: 0,
    fence: async () => {},
  })
  expect((await run(root)).errors).toEqual([])
  expect((await currentRows(root)).map(({ id }) => id)).toEqual(['1'])
  expect((await log.lake.current('stage.history'))?.operation).toBe('replace')
  await log.commit([insert('3', 'c', '3', 'n')])
  await run(root)
  expect((await log.lake.current('stage.history'))?.operation).toBe('append')
  expect((await historyRows(root)).map(({ id }) => id)).toEqual(['1', '3'])
})

test('changes of other tables alone make no version', async () => {
  const root = project(
    `{ 'stage.orders': changes('raw.shop', 'public.orders', { columns: { id: 'bigint' }, key: 'id' }) }`,
  )
  const log = logOf(root)
  await log.commit([insert('1', 'a', '1', 'n')])
  await run(root)
  await log.commit([insert('2', 'a', '1', 'n')])
  await run(root)
  expect((await log.lake.current('stage.orders'))?.version).toBe(1)
})
