/** A history from dated full files, through sources, models and the load; the case of deletes that got the clock of the run. */
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { duckDbEngine } from '../../src/engines/duckdb/engine.ts'
import { readContext } from '../../src/run/api.ts'
import { openProject } from '../../src/run/project.ts'
import { commandLine } from '../cli/command-line.ts'
import { makeProject } from './project.ts'

const pipeline = (source: string, load: string): string => `
name: m
layers: [raw, stage]
sources:
  people:
    kind: files
    path: inbox/people_*.csv
    fileDate: yyyy-MM-dd
    columns: { id: integer, city: text, age: { type: integer, nullable: true } }
    quarantine: { maxShare: 0.9 }
    ${source}
loads:
  dim_people: { mode: scd2, from: stage.people, key: id, ${load} }
`

function project(load = 'snapshot: file_date', source = 'changedContent: error\n    duplicateContent: append') {
  return makeProject({
    'package.json': '{ "private": true, "type": "module" }',
    'sluice.config.json': '{ "name": "p", "warehouse": { "kind": "duckdb", "path": "warehouse.duckdb" } }',
    'pipelines/m/pipeline.yaml': pipeline(source, load),
    'pipelines/m/stage/people.sql': 'SELECT id, city, _file_date AS file_date FROM raw.people\n',
    'inbox/.keep': '',
  })
}

/** Delivers files, each by its day of March 2026, and runs once. */
async function run(root: string, files: Readonly<Record<string, string>>): Promise<unknown> {
  for (const [name, rows] of Object.entries(files))
    writeFileSync(join(root, `inbox/people_2026-03-${name}.csv`), `id,city,age\n${rows}`)
  await using opened = await openProject(root)
  const { summary } = await opened.run()
  return summary.status
}

async function history(root: string): Promise<unknown[][]> {
  await using session = await duckDbEngine({ memoryLimit: '1GB', threads: 1 }).open({
    attach: { path: join(root, 'warehouse.duckdb'), name: 'w', readOnly: true },
  })
  const rows = await session.all(
    `SELECT id, city, strftime(effective_date, '%d') AS d, strftime(expiry_date, '%d.%m.%Y') AS e FROM w.dim_people ORDER BY id, effective_date`,
  )
  return rows.map((row) => Object.values(row as object).map((value) => String(value).replace('31.12.9999', '')))
}

const [first, second, third] = ['1,Ankara,\n2,Izmir,\n', '1,Ankara,\n', '1,Ankara,\n2,Adana,\n'] as const
const expected = [
  ['1', 'Ankara', '01', ''],
  ['2', 'Izmir', '01', '02.03.2026'],
  ['2', 'Adana', '05', ''],
]

test('WH-09: who is gone is closed at the date of the file without it, whatever the clock; a return is no conflict', async () => {
  const root = project()
  for (const files of [{ '01': first }, { '02': second }, { '05': third }]) {
    expect(await run(root, files)).toBe('succeeded')
  }
  expect(await history(root)).toEqual(expected)
})

test('WH-06: files that come in another order, or all at once, make the same history', async () => {
  const turned = project()
  for (const files of [{ '05': third }, { '01': first }, { '02': second }])
    expect(await run(turned, files)).toBe('succeeded')
  expect(await history(turned)).toEqual(expected)
  const once = project()
  expect(await run(once, { '01': first, '02': second, '05': third })).toBe('succeeded')
  expect(await history(once)).toEqual(expected)
})

test('WH-09: a key whose row was refused is not absent; where its key cannot be read, that file deletes nothing', async () => {
  const root = project()
  await run(root, { '01': '1,Ankara,\n2,Izmir,\n3,Bursa,\n', '02': '1,Ankara,\n2,Izmir,old\n', '03': '1,Ankara,\n' })
  expect(await history(root)).toEqual([
    ['1', 'Ankara', '01', ''],
    ['2', 'Izmir', '01', '03.03.2026'],
    ['3', 'Bursa', '01', '02.03.2026'],
  ])
  const unreadable = project()
  await run(unreadable, { '01': first, '02': '1,Ankara,\ntwo,Izmir,\n', '03': second })
  expect(await history(unreadable)).toEqual([
    ['1', 'Ankara', '01', ''],
    ['2', 'Izmir', '01', '03.03.2026'],
  ])
})

test('WH-09: a file that was refused whole is missing, and a file without a row is no snapshot unless that is declared', async () => {
  const root = project()
  await run(root, { '01': first, '03': third })
  writeFileSync(join(root, 'inbox/people_2026-03-02.csv'), 'id,town\n1,Ankara\n')
  await run(root, { '04': '' })
  expect(await history(root)).toEqual([
    ['1', 'Ankara', '01', ''],
    ['2', 'Izmir', '01', '03.03.2026'],
    ['2', 'Adana', '03', ''],
  ])
  const empty = project('snapshot: file_date, allowEmpty: true')
  await run(empty, { '01': first, '04': '', '05': second })
  expect(await history(empty)).toEqual([
    ['1', 'Ankara', '01', '04.03.2026'],
    ['1', 'Ankara', '05', ''],
    ['2', 'Izmir', '01', '04.03.2026'],
  ])
})

test('WH-09: a source that each delivery replaces, or an absence amid dates of the data, is refused before anything runs', async () => {
  const replaced = project('snapshot: file_date', 'mode: replace')
  writeFileSync(join(replaced, 'inbox/people_2026-03-01.csv'), `id,city,age\n${first}`)
  {
    await using opened = await openProject(replaced)
    expect((await opened.plan()).problems.map(({ name }) => name)).toContain('Warehouse.SnapshotReplaced')
  }
  rmSync(replaced, { recursive: true })
  {
    await using opened = await openProject(project('snapshot: file_date', 'changedContent: error'))
    expect((await opened.plan()).problems.map(({ name }) => name)).toContain('Warehouse.SnapshotChanged')
  }
  const dated = project('effective: file_date, deletes: absence')
  const refused = await openProject(dated).then(
    async (opened) => (await opened.plan()).problems.map(({ message }) => message).join(),
    (error) => JSON.stringify(error.problems ?? error.message),
  )
  expect(refused).toContain('in place of')
})

test('WH-09: a truncated file is held, said in the run and the plan, and counts once it is accepted; in any order', async () => {
  const [many, few, two] = ['1,A,\n2,A,\n3,A,\n', '1,A,\n', '1,A,\n2,A,\n']
  const whole = project()
  await run(whole, { '01': many, '02': few, '03': two })
  const late = project()
  for (const files of [{ '03': two }, { '02': few }, { '01': many }]) await run(late, files)
  const held = [
    ['1', 'A', '01', ''],
    ['2', 'A', '01', ''],
    ['3', 'A', '01', '03.03.2026'],
  ]
  const counts = [
    ['1', 'A', '01', ''],
    ['2', 'A', '01', '02.03.2026'],
    ['2', 'A', '03', ''],
    ['3', 'A', '01', '02.03.2026'],
  ]
  for (const root of [whole, late]) {
    expect(await history(root)).toEqual(held)
    await using opened = await openProject(root)
    const { plan } = await opened.plan()
    const load = plan.tasks.find(({ id }) => id === 'load:dim_people')
    expect(load).toMatchObject({ action: 'skip' })
    expect(load?.warnings.join()).toContain(
      '2026-03-02 has 1 key, the one before it has 3. If it is right: sluice accept dim_people 2026-03-02',
    )
    expect((await commandLine(opened, ['accept'])).out).toContain('2026-03-02')
    expect((await commandLine(opened, ['accept', 'dim_people', '2026-03-03', '--yes'])).err).toContain('SLU6045')
    expect(await commandLine(opened, ['accept', 'dim_people', '2026-03-02', '--yes'])).toMatchObject({ code: 0 })
    expect(await history(root)).toEqual(held)
    const planned = (await opened.plan()).plan.tasks.find(({ id }) => id === 'load:dim_people')
    expect(planned).toMatchObject({ action: 'run', warnings: [], detail: 'accepted: the snapshot of 2026-03-02' })
    expect((await opened.run()).summary).toMatchObject({ status: 'succeeded', warnings: 0 })
    expect(await history(root)).toEqual(counts)
    expect((await opened.plan()).plan.tasks.every(({ action }) => action === 'skip')).toBe(true)
  }
})

test('WH-09: the run that holds a snapshot warns of it, and of nothing once it has been corrected', async () => {
  const root = project()
  await run(root, { '01': '1,A,\n2,A,\n3,A,\n' })
  writeFileSync(join(root, 'inbox/people_2026-03-02.csv'), 'id,city,age\n1,A,\n')
  await using opened = await openProject(root)
  const messages: string[] = []
  const { summary } = await opened.run({
    onEvent: (event) => void (event.type === 'task.warning' && messages.push(event.message)),
  })
  expect(summary).toMatchObject({ status: 'succeeded', warnings: 1 })
  expect(messages).toEqual([
    'a snapshot is held, as if it had not come: 2026-03-02 has 1 key, the one before it has 3. If it is right: sluice accept dim_people 2026-03-02',
  ])
  // The rest of the day came in a file of its own.
  writeFileSync(join(root, 'inbox/people_2026-03-02_b.csv'), 'id,city,age\n2,B,\n')
  expect((await opened.run()).summary).toMatchObject({ status: 'succeeded', warnings: 0 })
  expect(await history(root)).toEqual([
    ['1', 'A', '01', ''],
    ['2', 'A', '01', '02.03.2026'],
    ['2', 'B', '02', ''],
    ['3', 'A', '01', '02.03.2026'],
  ])
})

test('WH-09: a file of the same name takes the place of the earlier one, also when it is what it was before; another name adds to the date', async () => {
  const root = project('snapshot: file_date', 'changedContent: replace\n    duplicateContent: append')
  // Id 3 was refused at first, and is not in the correction: it is absent then.
  const [wrong, right] = ['1,A,\n2,B,\n3,C,old\n', '1,A,\n2,C,\n']
  await run(root, { '01': '1,A,\n2,A,\n3,A,\n', '02': wrong, '04': '1,A,\n4,E,\n' })
  const asWrong = [
    ['1', 'A', '01', ''],
    ['2', 'A', '01', '02.03.2026'],
    ['2', 'B', '02', '04.03.2026'],
    ['3', 'A', '01', '04.03.2026'],
    ['4', 'E', '04', ''],
  ]
  const asRight = [
    ['1', 'A', '01', ''],
    ['2', 'A', '01', '02.03.2026'],
    ['2', 'C', '02', '04.03.2026'],
    ['3', 'A', '01', '02.03.2026'],
    ['4', 'E', '04', ''],
  ]
  expect(await history(root)).toEqual(asWrong)
  for (const [content, expected] of [
    [right, asRight],
    [wrong, asWrong],
    [right, asRight],
    [right, asRight],
  ] as const) {
    expect(await run(root, { '02': content })).toBe('succeeded')
    expect(await history(root)).toEqual(expected)
  }
  // One that is refused whole takes no place.
  writeFileSync(join(root, 'inbox/people_2026-03-02.csv'), 'id,town\n1,A\n')
  await run(root, {})
  expect(await history(root)).toEqual(asRight)
  await run(root, { '02_more': '3,D,\n' })
  expect(await history(root)).toEqual([
    ...asRight.slice(0, 3),
    ['3', 'A', '01', '02.03.2026'],
    ['3', 'D', '02', '04.03.2026'],
    ['4', 'E', '04', ''],
  ])
  await using opened = await openProject(root)
  const record = (await opened[readContext].versions('raw.people'))[0]
  expect(record).toMatchObject({ rows: 8 })
  const again = project('snapshot: file_date', 'changedContent: replace\n    duplicateContent: append')
  await run(again, { '01': '1,A,\n2,A,\n3,A,\n', '02': right, '02_more': '3,D,\n', '04': '1,A,\n4,E,\n' })
  expect(await history(again)).toEqual(await history(root))
})

test('WH-09: an empty file is a snapshot of the version that has it, and of no earlier one; with a name that has no date nothing takes a place', async () => {
  const root = project('snapshot: file_date, allowEmpty: true', 'changedContent: replace\n    duplicateContent: append')
  await run(root, { '01': first, '03': second })
  writeFileSync(join(root, 'inbox/people_2026-03-02.csv'), 'id,city,age\n')
  {
    // The raw table is ahead of what the dimension is made from.
    await using opened = await openProject(root)
    await opened.run({ select: ['raw.people'] })
    await opened.run({ select: ['dim_people'], force: true })
  }
  expect(await history(root)).toEqual([
    ['1', 'Ankara', '01', ''],
    ['2', 'Izmir', '01', '03.03.2026'],
  ])
  await run(root, {})
  expect(await history(root)).toEqual([
    ['1', 'Ankara', '01', '02.03.2026'],
    ['1', 'Ankara', '03', ''],
    ['2', 'Izmir', '01', '02.03.2026'],
  ])
  await run(root, { '02': first })
  expect(await history(root)).toEqual([
    ['1', 'Ankara', '01', ''],
    ['2', 'Izmir', '01', '03.03.2026'],
  ])
  const dateless = makeProject({
    'package.json': '{ "private": true, "type": "module" }',
    'sluice.config.json': '{ "name": "p", "warehouse": { "kind": "duckdb", "path": "warehouse.duckdb" } }',
    'pipelines/m/pipeline.yaml': pipeline(
      'changedContent: replace\n    duplicateContent: append',
      'snapshot: file_date',
    )
      .replace('    fileDate: yyyy-MM-dd\n', '')
      .replace('city: text', 'city: text, day: date'),
    'pipelines/m/stage/people.sql': 'SELECT id, city, day AS file_date FROM raw.people\n',
  })
  await using opened = await openProject(dateless)
  expect((await opened.plan()).problems.map(({ name }) => name)).toContain('Warehouse.SnapshotOverwritten')
})

test('WH-06, WH-09: instants of the rows are in the declared zone, those of refused rows too; several in one file; a closing is at the next one', async () => {
  const root = makeProject({
    'package.json': '{ "private": true, "type": "module" }',
    'sluice.config.json': '{ "name": "p", "warehouse": { "kind": "duckdb", "path": "warehouse.duckdb" } }',
    'pipelines/m/pipeline.yaml': `
name: m
layers: [raw, stage]
sources:
  people:
    kind: files
    path: inbox/*.csv
    changedContent: replace
    fileDate: yyyy-MM-dd
    duplicateContent: append
    columns:
      taken: { type: timestamptz, format: dd.MM.yyyy HH:mm, zone: Europe/Istanbul }
      id: text
      age: { type: integer, nullable: true }
    quarantine: { maxShare: 0.9 }
loads:
  dim_people: { mode: scd2, from: stage.people, key: id, snapshot: taken }
`,
    'pipelines/m/stage/people.sql': 'SELECT taken, id, age FROM raw.people\n',
    'inbox/a_2026-03-01.csv':
      'taken,id,age\n01.03.2026 00:30,A,\n01.03.2026 00:30, B ,\n01.03.2026 00:30,C,\n01.03.2026 00:30,D,\n',
  })
  const more = [
    // Of this file another one takes the place: that C was refused in it says nothing.
    '01.03.2026 23:00,A,\n01.03.2026 23:00,C,old\n01.03.2026 23:00,D,',
    // The keys of refused rows are as written, blanks and all; the last row does not say when it is of.
    '01.03.2026 23:00,A,\n01.03.2026 23:00, B ,old\n01.03.2026 23:00,D,',
    '02.03.2026 00:30,A,\nyesterday,D,',
  ]
  await using opened = await openProject(root)
  expect((await opened.run()).summary).toMatchObject({ status: 'succeeded' })
  for (const [at, rows] of more.entries()) {
    writeFileSync(
      join(root, `inbox/${['b', 'b', 'c'][at]}_2026-03-0${at === 2 ? 2 : 1}.csv`),
      `taken,id,age\n${rows}\n`,
    )
    expect((await opened.run()).summary).toMatchObject({ status: 'succeeded' })
  }
  await using session = await duckDbEngine({ memoryLimit: '1GB', threads: 1 }).open({
    attach: { path: join(root, 'warehouse.duckdb'), name: 'w', readOnly: true },
  })
  const rows = await session.all<object>(
    `SELECT id, strftime(effective_date AT TIME ZONE 'UTC', '%d. %H:%M') AS f, strftime(expiry_date AT TIME ZONE 'UTC', '%d. %H:%M') AS t
     FROM w.dim_people ORDER BY id, effective_date`,
  )
  expect(rows.map((row) => Object.values(row))).toEqual([
    [' B ', '28. 21:30', '01. 21:30'],
    ['A', '28. 21:30', '31. 00:00'],
    ['C', '28. 21:30', '01. 20:00'],
    ['D', '28. 21:30', '31. 00:00'],
  ])
})

test('WH-09: without dates an absence closes at the instant of the version', async () => {
  const root = project('deletes: absence', 'mode: replace')
  writeFileSync(join(root, 'pipelines/m/stage/people.sql'), 'SELECT id, city FROM raw.people\n')
  await run(root, { '01': first })
  await run(root, { '02': second })
  await using opened = await openProject(root)
  const [version] = await opened[readContext].versions('stage.people')
  await using session = await duckDbEngine({ memoryLimit: '1GB', threads: 1 }).open({
    attach: { path: join(root, 'warehouse.duckdb'), name: 'w', readOnly: true },
  })
  const [gone] = await session.all<{ at: string }>(
    `SELECT epoch_ms(expiry_date)::VARCHAR AS at FROM w.dim_people WHERE NOT is_current_record`,
  )
  expect(Number(gone?.at)).toBe(Date.parse(version!.committedAt))
})
