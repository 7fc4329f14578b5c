import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { duckDbEngine } from '../../../engines/duckdb/engine.ts'
import { diskInbox } from '../../../inbox/disk/inbox.ts'
import { crawlFiles } from './crawl.ts'

const engine = duckDbEngine({
  memoryLimit: '256MB',
  tempDirectory: tmpdir(),
  materialise: async () => Promise.reject(),
})

async function crawl(files: Readonly<Record<string, string>>): Promise<string> {
  const root = mkdtempSync(join(tmpdir(), 'sluice-crawl-'))
  mkdirSync(join(root, 'in'))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(root, 'in', name), text)
  await using session = await engine.open()
  const found = await crawlFiles(session, { inbox: diskInbox(root), path: 'in/*' }).catch((error: Error) => error)
  return found instanceof Error ? `${found.name}: ${found.message}` : found.definition
}

test('IN-10: files with different headers: they are listed, and one contract takes them all', async () => {
  expect(
    await crawl({
      'a.csv': 'id,price\n1,2.5\n',
      'b.csv': 'ID,price,tax\n2,3.5,1\n',
      'c.csv': 'id,price\n3,4.5\n',
      'd.csv': '',
    }),
  ).toBe(`// 3 files have 2 different headers:
//   in/a.csv and 1 more: "id", "price"
//   in/b.csv: "ID", "price", "tax"
files('in/*', {
  format: { kind: 'csv' },
  columns: {
    id: { type: 'integer', aliases: ['ID'] },
    price: 'decimal(2,1)',
    tax: { type: 'integer', nullable: true, optional: true },
  },
})
`)
  expect(await crawl({ 'a.jsonl': '{"id":1}\n', 'b.jsonl': '{"id":2,"tax":3}\n' })).toContain(
    "tax: { type: 'integer', nullable: true }",
  )
})

test('what cannot be proposed names the file, and speaks of no contract and no error folder', async () => {
  for (const files of [
    { 'a.csv': 'id,price\n1,2\n', 'b.csv': 'id;price\n3;4\n' },
    { 'a.json': '[{"id":1}]' },
    { 'a.csv': 'PK\u0003\u0004zip' },
    { 'a.csv': '' },
  ]) {
    const said = await crawl(files)
    expect(said).toMatch(/^Source.CannotPropose: "in\/[ab]\.\w+"/)
    expect(said).not.toMatch(/contract|error folder|published|delivered/)
  }
})
