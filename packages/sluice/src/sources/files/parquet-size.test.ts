import { readdirSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Drop, openDrop, sourceOf, type Taken } from '../../../test/sources/drop.ts'
import { gzipPage, parquetOf, sharedPage } from '../../../test/sources/parquet-by-hand.ts'
import type { FilesSource } from '../../definition/types.ts'
import { readPageSizes } from '../../engines/parquet-pages.ts'
import { parquetTrial } from './parquet-trial.ts'

let drop: Drop
beforeAll(async () => {
  drop = await openDrop()
})
afterAll(async () => {
  await drop[Symbol.asyncDispose]()
})

const source = sourceOf({ s: 'text' }, { format: { kind: 'parquet' } })
let folders = 0
async function take(
  files: { readonly [name: string]: Buffer },
  more: Partial<FilesSource> = {},
): Promise<Taken & { readonly refusals: readonly string[] }> {
  const path = `inbox-${++folders}`
  for (const [name, content] of Object.entries(files)) drop.deliver(`${path}/${name}.parquet`, content)
  const taken = await drop.take({ ...source, path: `${path}/*`, ...more })
  const refusals = taken.refused.map(
    ({ input, error }) => `${input.path.split('/')[1]} ${error.name}: ${error.message}`,
  )
  return { ...taken, refusals }
}
const fine = parquetOf([gzipPage(5)], { codec: 2, encoding: 0 })

test('IN-27: a footer that lies is found by the pages of the file, and its neighbour is published', async () => {
  const page = gzipPage(20_000_000)
  const lies = parquetOf(Array(60).fill(page), { codec: 2, encoding: 0, says: 100 })
  const { refusals, rows } = await take({ lies, fine })
  expect(refusals).toEqual([expect.stringContaining('lies.parquet Source.CompressionLimit')])
  expect(rows.map(({ s }) => s)).toEqual(['xxxxx'])
})

test('IN-27: texts that are written as what they share are read in a process of their own, and end nothing else', async () => {
  const shared = { codec: 0, encoding: 7 } as const
  const files = {
    // 5 GB of texts in one page of 1 MB, 4 GB in pages that fit.
    'a-page': parquetOf([sharedPage(1_000_000, 5000)], shared),
    'b-file': parquetOf(Array(100).fill(sharedPage(10_000, 4000)), shared),
    'c-fine': parquetOf([sharedPage(10, 5)], shared),
    // Unclear by its numbers, and no more than it may be.
    'd-fine': parquetOf([sharedPage(1000, 40_000)], shared),
    'e-fine': fine,
  }
  const { refusals, candidate } = await take(files)
  expect(refusals).toEqual([
    expect.stringMatching(/^a-page.parquet Source.Unreadable: .*failed to allocate/i),
    expect.stringMatching(/^b-file.parquet Source.CompressionLimit: /),
  ])
  expect(candidate!.accounting.accepted).toBe(5 + 40_000 + 1)
})

test('pages are looked at only where their packed bytes could come to more than is allowed', async () => {
  const path = `${drop.root}/sizes.parquet`
  const sizes = async (content: Buffer, enough: number): Promise<unknown> => {
    drop.deliver('sizes.parquet', content)
    return await readPageSizes(drop.session, path, content.length, enough)
  }
  const page = gzipPage(100_000)
  const lies = parquetOf([page, page], { codec: 2, encoding: 0, says: 7 })
  expect(await sizes(lies, 10_000_000)).toEqual({ bytes: 7, isUnclear: false })
  expect(await sizes(lies, 250_000)).toEqual({ bytes: 200_008, isUnclear: false })
  const other = { ...page, unpacked: -1 }
  expect(await sizes(parquetOf([page, other], { codec: 2, encoding: 0 }), 250_000)).toMatchObject({ isUnclear: true })
})

test('a process that reads by trial is stopped at its limits, and the next file has another one', async () => {
  await using trial = parquetTrial()
  const limits = { memoryBytes: 2 ** 28, milliseconds: 60_000 }
  expect(await trial.read('x', 'SELECT 5', limits)).toBe(5)
  const why = async (sql: string, milliseconds = 60_000): Promise<string> =>
    trial.read('x', sql, { ...limits, milliseconds }).then(String, (error: Error) => error.message)
  expect(await why('SELECT nothing')).toContain('Referenced column "nothing" was not found')
  expect(await why('SELECT count(*) FROM range(1000000000000) t(i) WHERE hash(i) = 1', 300)).toContain(
    'it took longer than',
  )
  expect(await trial.read('x', 'SELECT 6', limits)).toBe(6)
})

test.skipIf(process.platform !== 'linux')('a process that dies while it reads refuses its file alone', async () => {
  await using trial = parquetTrial()
  const limits = { memoryBytes: 2 ** 28, milliseconds: 60_000 }
  expect(await trial.read('x', 'SELECT 5', limits)).toBe(5)
  const reading = trial.read('x', 'SELECT count(*) FROM range(1000000000000) t(i) WHERE hash(i) = 1', limits)
  const children = readdirSync('/proc/self/task').flatMap((task) =>
    readFileSync(`/proc/self/task/${task}/children`, 'utf8').trim().split(' '),
  )
  const own = children.filter(
    (pid) => pid !== '' && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('runAndReadAll'),
  )
  for (const pid of own) process.kill(Number(pid), 'SIGSEGV')
  await expect(reading).rejects.toThrow('the process that read it ended (SIGSEGV)')
  expect(await trial.read('x', 'SELECT 6', limits)).toBe(6)
})
