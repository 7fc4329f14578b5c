import { expect, test } from 'vitest'
import { fakeProject } from '../../test/cli/fake-project.ts'
import { type ReadContext, readContext } from '../run/api.ts'
import { openReads, owner, type Reads } from './reads.ts'

test('a reader is plain data, and its policy is a digest that a name does not change', () => {
  const reader = owner('ana')
  expect(JSON.parse(JSON.stringify(reader))).toEqual(reader)
  expect(reader).toMatchObject({ kind: 'owner', name: 'ana', policy: owner('ben').policy })
})

/** A call of every method; a method that is missing here does not compile. */
const questions: { readonly [M in Exclude<keyof Reads, 'reader'>]: (reads: Reads) => Promise<unknown> } = {
  table: (reads) => reads.table('raw.sales'),
  query: (reads) => reads.query('SELECT id FROM raw.sales'),
  stream: (reads) => reads.stream('SELECT id FROM raw.sales', {}, async ({ columns }) => columns),
  preview: (reads) => reads.preview('raw.sales'),
  catalog: (reads) => reads.catalog(),
  versions: (reads) => reads.versions('raw.sales'),
  verify: (reads) => reads.verify('raw.sales'),
  iceberg: (reads) => reads.iceberg('raw.sales'),
  loads: (reads) => reads.loads(),
  lineage: (reads) => reads.lineage('raw.sales'),
  quality: (reads) => reads.quality(),
  quarantine: (reads) => reads.quarantine(undefined, { samples: 1 }),
  refused: (reads) => reads.refused('raw.sales')[Symbol.asyncIterator]().next(),
  runs: (reads) => reads.runs(),
  run: (reads) => reads.run(undefined),
  events: (reads) => reads.events('20261120T100000Z-00000001'),
  log: (reads) => reads.log('20261120T100000Z-00000001'),
}

test.each(Object.entries(questions))(
  '%s asks the read context of the project, and nothing else of it',
  async (_name, ask) => {
    const project = await fakeProject()
    const asked: string[] = []
    const watched = new Proxy(project[readContext], {
      get(target, name, receiver) {
        asked.push(String(name))
        return Reflect.get(target, name, receiver)
      },
    }) as ReadContext
    await ask(openReads({ [readContext]: watched }, owner()))
    expect(asked).not.toEqual([])
  },
)

test('versions come newest first, with what they were made from', async () => {
  const reads = openReads(await fakeProject(), owner())
  expect(await reads.versions('stage.sales')).toEqual([
    expect.objectContaining({ version: 2, rows: 3, from: ['raw.sales v1'] }),
    expect.objectContaining({ version: 1, rows: 2 }),
  ])
  await expect(reads.versions('stage.sale')).rejects.toMatchObject({ suggestion: 'stage.sales' })
})

test('a version that is not there cannot be verified', async () => {
  const seen: unknown[] = []
  const project = await fakeProject({
    [readContext]: { verify: async ({ table, version }) => void seen.push([table, version]) },
  })
  const reads = openReads(project, owner())
  await reads.verify('stage.sales', 1)
  await reads.verify('stage.sales')
  expect(seen).toEqual([
    ['stage.sales', 1],
    ['stage.sales', 2],
  ])
  await expect(reads.verify('stage.sales', 9)).rejects.toMatchObject({ name: 'Query.UnknownVersion' })
})

test("a run's events can be those of one task, by its id or its table", async () => {
  const reads = openReads(await fakeProject(), owner())
  const { id } = await reads.run(undefined)
  const own = await reads.events(id, 'raw.sales')
  expect(new Set(own.flatMap((event) => ('task' in event ? [event.task] : [])))).toEqual(new Set(['ingest:raw.sales']))
  expect(await reads.events(id, 'ingest:raw.sales')).toEqual(own)
  await expect(reads.run('nope')).rejects.toMatchObject({ params: { known: [id] } })
})
