/** Change files of AWS DMS, taken by a source of files. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { readContext } from '../../src/run/api.ts'
import { openProject } from '../../src/run/project.ts'
import { makeProject } from '../acceptance/project.ts'

const roots: string[] = []
afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true })
})

test('CD-29: files of DMS, with changes that come twice and out of order, are the rows that they describe', async () => {
  const root = makeProject({
    'package.json': '{ "private": true, "type": "module" }',
    'sluice.config.ts': `import { defineConfig } from 'sluice'\nexport default defineConfig({ name: 'shop' })\n`,
    'pipelines/shop/pipeline.ts': `import { changes, files, nullable, pipeline } from 'sluice'
export default pipeline('shop', {
  sources: { customers: files('inbox/*.csv', { columns: { Op: nullable('text'), id: 'bigint', since: 'timestamp', name: nullable('text') }, rowNumbers: true }) },
  tables: {
    'stage.customers': changes('raw.customers', { dms: { op: 'Op' }, key: 'id' }),
    'stage.history': changes('raw.customers', { dms: { op: 'Op' }, key: 'id', as: 'history' }) } })\n`,
  })
  roots.push(root)
  mkdirSync(join(root, 'inbox'), { recursive: true })
  const deliver = async (files: Record<string, string>): Promise<readonly unknown[][]> => {
    for (const [name, text] of Object.entries(files))
      writeFileSync(join(root, 'inbox', name), `Op,id,since,name\n${text}`)
    await using opened = await openProject(root)
    const { id } = await opened.run()
    const events = await opened[readContext].events(id)
    expect(
      events.flatMap((event) => (event.type === 'task.finished' && event.error !== undefined ? [event.error] : [])),
    ).toEqual([])
    await using session = await opened[readContext].openRead()
    const rows = await session.all<Record<string, unknown>>('SELECT id, name FROM stage.customers ORDER BY id')
    return rows.map((row) => Object.values(row))
  }
  const at = '2024-01-01 10:00:00.123456'
  expect(await deliver({ 'LOAD0000000A.csv': `,3,${at},c\n`, 'LOAD00000001.csv': `,1,${at},a\n,2,${at},b\n` })).toEqual(
    [
      ['1', 'a'],
      ['2', 'b'],
      ['3', 'c'],
    ],
  )
  const later = `U,1,${at},later\nD,3,${at},\nI,3,${at},again\nI,3,${at},again\n`
  expect(await deliver({ '20240102-101112500.csv': later })).toEqual([
    ['1', 'later'],
    ['2', 'b'],
    ['3', 'again'],
  ])
  // It belongs before the one that came first.
  expect(await deliver({ '20240102-101112400.csv': `U,1,${at},earlier\nD,2,${at},b\n` })).toEqual([
    ['1', 'later'],
    ['3', 'again'],
  ])
  writeFileSync(join(root, 'inbox', '20240103-101112400.csv'), `Op,id,since,name\nU,1,${at},x\nX,1,${at},y\n`)
  await using opened = await openProject(root)
  const events = await opened[readContext].events((await opened.run()).id)
  const errors = events.flatMap((event) => (event.type === 'task.finished' && event.error ? [event.error] : []))
  expect(errors.map(({ name }) => name)).toEqual(['Changes.OperationUnknown', 'Changes.OperationUnknown'])
  expect(errors[0]?.message).toMatch(/20240103-101112400\.csv, row 2: the operation is X/)
})
