import { existsSync, mkdirSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { relationOf } from '../../lake/relation.ts'
import { duckDbEngine } from './engine.ts'

/** A store of objects that are copied here, and counts how often and for how long. */
async function store() {
  const root = mkdtempSync(join(tmpdir(), 'sluice-relation-'))
  const brought: string[] = []
  const open = new Set<string>()
  const engine = duckDbEngine({
    memoryLimit: '256MB',
    threads: 1,
    async materialise(path) {
      brought.push(path)
      open.add(path)
      return {
        file: join(root, path, 'part-0.parquet'),
        [Symbol.asyncDispose]: async () => void open.delete(path),
      }
    },
  })
  await using session = await engine.open()
  const write = async (path: string, sql: string): Promise<string> => {
    mkdirSync(join(root, path))
    const [written] = await session.write(sql, { folder: join(root, path) })
    return written!.file
  }
  const local = await write('c', 'SELECT 3::TINYINT AS n')
  await write('a', 'SELECT 1::TINYINT AS n, \'x\' AS "Text"')
  await write('b', 'SELECT 2::SMALLINT AS n')
  return { engine, brought, open, local }
}

const fields = [
  { name: 'n', type: 'INTEGER' },
  { name: 'text', type: 'VARCHAR' },
]

test('objects are brought here once a session, whoever asks, and let go when it ends', async () => {
  const { engine, brought, open, local } = await store()
  const files = [
    { path: 'a', fields: ['n', 'Text'], types: { n: 'TINYINT' } },
    { path: 'b', fields: ['n'], types: { n: 'SMALLINT' } },
    { localFile: local, fields: ['n'], types: { n: 'TINYINT' } },
  ]
  const session = await engine.open()
  const beside = await session.beside()
  const rows = await session.from(relationOf({ fields, files }))
  const some = await beside.from(relationOf({ fields, files: files.slice(1) }, 'n > 2'))
  expect(await session.all(`SELECT * FROM ${rows} ORDER BY n`)).toEqual([
    { n: 1, text: 'x' },
    { n: 2, text: null },
    { n: 3, text: null },
  ])
  expect(await beside.all(`SELECT * FROM ${some}`)).toEqual([{ n: 3, text: null }])
  expect(brought.sort()).toEqual(['a', 'b'])
  expect([...open].sort()).toEqual(['a', 'b'])
  await session.close()
  await session.close()
  expect(open.size).toBe(0)
  expect(existsSync(local)).toBe(true)
})

test('a relation is plain data: sent to another process it reads the same, and holds no place on this machine', async () => {
  const { engine } = await store()
  const relation = relationOf({ fields, files: [{ path: 'a', fields: ['n', 'Text'] }] })
  const sent = JSON.parse(JSON.stringify(relation))
  expect(sent).toEqual(relation)
  await using session = await engine.open()
  expect(await session.from(sent)).toBe(await session.from(relation))
  expect(JSON.stringify(relation)).not.toContain(tmpdir())
})
