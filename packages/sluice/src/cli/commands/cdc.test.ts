import { beforeAll, describe, expect, test } from 'vitest'
import { commandLine, type Result, type Setting } from '../../../test/cli/command-line.ts'
import { fakeProject } from '../../../test/cli/fake-project.ts'
import { cdc } from '../../definition/builders/cdc.ts'
import type { Project } from '../../definition/types.ts'
import type { CdcControl, CdcStatus, OpenProject } from '../../run/api.ts'

const status: CdcStatus = {
  table: 'raw.shop',
  connection: 'oltp',
  slot: 'sluice_shop',
  publication: 'sluice_shop',
  slotStatus: 'ready',
  position: '0/16B3748',
  serverPosition: '0/16B4748',
  lag: { bytes: 4096, seconds: 2, keptBytes: 16_777_216, level: 'ok' },
  tables: [
    { table: 'public.customers', status: 'captured' },
    { table: 'public.orders', status: 'paused', detail: 'column "note" was dropped' },
  ],
  findings: [{ name: 'wal_level', status: 'ok', detail: 'logical' }],
}
const missing = {
  name: 'publication',
  status: 'fail',
  detail: 'there is none\u001b[2J',
  fix: 'sluice cdc setup raw.shop',
} as const

const statements = [
  { why: 'what is captured', sql: 'CREATE PUBLICATION sluice_shop FOR TABLE public.customers', allowed: true },
  { why: 'keeps changes', sql: "SELECT pg_create_logical_replication_slot('sluice_shop', 'pgoutput');", allowed: true },
]
const accepted = [{ table: 'public.orders', changes: ['column "note" was dropped'] }]

let base: OpenProject
beforeAll(async () => {
  base = await fakeProject()
})

/** A project with logs, whose controls answer as they are told and keep what they were asked. */
async function sluice(
  argv: readonly string[],
  {
    control = {},
    sources = ['shop'],
    ...setting
  }: Setting & { control?: Partial<CdcControl>; sources?: readonly string[] } = {},
): Promise<Result & { readonly asked: unknown[][] }> {
  const asked: unknown[][] = []
  const note = <T>(name: string, table: string, options: object | undefined, answer: T): T => {
    const { signal: _, onProgress: __, ...rest } = (options ?? {}) as { signal?: unknown; onProgress?: unknown }
    asked.push([name, table, rest])
    return answer
  }
  const logs = Object.fromEntries(
    sources.map((name) => [name, cdc('oltp', { tables: ['public.customers', 'public.orders'] })]),
  )
  const definition = {
    ...base.definition,
    pipelines: [{ name: 'shop', file: 'p.ts', layers: ['raw'], sources: logs, models: {}, loads: {}, tables: {} }],
  } as unknown as Project
  const project: OpenProject = {
    ...base,
    definition,
    cdc: async (table) => ({
      status: async (options) => note('status', table, options, { ...status, table }),
      setup: async (options) => note('setup', table, options, { statements, done: options.apply }),
      drop: async (options) => note('drop', table, options, { statements: [], done: false }),
      resnapshot: async (options) =>
        note('resnapshot', table, options, {
          tables: [{ table: 'public.orders', rows: 1200, inserted: 1, updated: 0, deleted: 3 }],
          version: 8,
          position: '0/16B4748',
        }),
      accept: async (options) => note('accept', table, options, accepted),
      ...control,
    }),
  }
  return { ...(await commandLine(project, argv, setting)), asked }
}

describe('status', () => {
  test('tells how far behind a log is, what each table does, and what is missing', async () => {
    const { code, out } = await sluice(['cdc'])
    expect([code, out]).toMatchInlineSnapshot(`
      [
        1,
        "raw.shop  oltp, slot sluice_shop (ready)  at 0/16B3748
        4.0 KiB, 2.0 s behind; the server keeps 16 MiB
        ✔ wal_level  logical
      table             status    detail
      public.customers  captured
      public.orders     paused    column "note" was dropped
      ",
      ]
    `)
  })

  test('exits with 1 where something is missing or lost, and says what to do', async () => {
    const answer = (change: Partial<CdcStatus>): Partial<CdcControl> => ({
      status: async () => ({ ...status, ...change }),
    })
    const unprepared = await sluice(['cdc', 'status', 'shop'], {
      tty: true,
      control: answer({ findings: [missing], tables: [] }),
    })
    expect(unprepared.code).toBe(1)
    expect(unprepared.out).toContain('there is none\\e[2J')
    expect(unprepared.err).toContain('sluice cdc setup raw.shop')
    const paused = await sluice(['cdc'], { tty: true })
    expect([paused.code, paused.err]).toEqual([1, expect.stringContaining('sluice cdc accept raw.shop')])
    const late = await sluice(['cdc'], { control: answer({ tables: [], lag: { ...status.lag!, level: 'alert' } }) })
    expect(late.code).toBe(1)
    expect((await sluice(['cdc'], { control: answer({ tables: [] }) })).code).toBe(0)
    const lost = await sluice(['cdc'], { tty: true, control: answer({ slotStatus: 'lost' }) })
    expect([lost.code, lost.err]).toEqual([1, expect.stringContaining('sluice cdc resnapshot raw.shop')])
  })

  test('of every log, as data with --json', async () => {
    const { out, asked } = await sluice(['cdc', '--json'], { sources: ['shop', 'crm'] })
    expect(JSON.parse(out).map(({ table }: CdcStatus) => table)).toEqual(['raw.shop', 'raw.crm'])
    expect(asked.map(([name]) => name)).toEqual(['status', 'status'])
  })
})

describe('setup and drop', () => {
  test('print the SQL, and change nothing unless told', async () => {
    const { code, out, asked } = await sluice(['cdc', 'setup', 'shop'])
    expect([code, out]).toMatchInlineSnapshot(`
      [
        0,
        "-- what is captured
      CREATE PUBLICATION sluice_shop FOR TABLE public.customers;
      -- keeps changes
      SELECT pg_create_logical_replication_slot('sluice_shop', 'pgoutput');
      ",
      ]
    `)
    expect(asked).toEqual([['setup', 'raw.shop', { apply: false }]])
  })

  test('run the SQL with --yes', async () => {
    const { code, asked } = await sluice(['cdc', 'setup', '--yes'])
    expect([code, asked.map(([, , options]) => options)]).toEqual([0, [{ apply: false }, { apply: true }]])
  })

  test('a person is asked', async () => {
    const yes = await sluice(['cdc', 'setup'], { tty: true, stdin: 'y\n' })
    expect(yes.asked.at(-1)).toEqual(['setup', 'raw.shop', { apply: true }])
    const no = await sluice(['cdc', 'setup'], { tty: true, stdin: 'n\n' })
    expect([no.code, no.asked.length, no.err]).toEqual([
      0,
      1,
      expect.stringContaining('sluice cdc setup raw.shop --yes'),
    ])
  })

  test('what only an administrator may do is not begun: exit code 3', async () => {
    const denied = statements.map((one) => ({ ...one, allowed: false }))
    const control = { setup: async () => ({ statements: denied, done: false }) }
    const { code, err } = await sluice(['cdc', 'setup', '--yes'], { control })
    expect([code, err]).toEqual([3, expect.stringContaining('2 statements of these must be run by an administrator')])
  })

  test('what this user may do is done without the rest: a slot is dropped, also where the publication is of somebody else', async () => {
    const partly = statements.map((one, at) => ({ ...one, allowed: at === 0 }))
    const applied: boolean[] = []
    const control: Partial<CdcControl> = {
      drop: async ({ apply }) => {
        applied.push(apply)
        return { statements: partly, done: false }
      },
    }
    const { code, err } = await sluice(['cdc', 'drop', '--yes'], { control })
    expect([code, applied]).toEqual([3, [false, true]])
    expect(err).toContain('1 statement run.')
    expect(err).toContain('1 statement of these must be run by an administrator')
  })

  test('nothing to drop is no question', async () => {
    const { code, err } = await sluice(['cdc', 'drop', 'shop', '--yes'])
    expect([code, err]).toEqual([0, expect.stringContaining('There is nothing to drop.')])
  })
})

describe('resnapshot and accept', () => {
  test('resnapshot tells what was missed', async () => {
    const { out, err, asked } = await sluice(['cdc', 'resnapshot', 'shop', 'public.orders', '--yes'])
    expect(asked).toEqual([['resnapshot', 'raw.shop', { tables: ['public.orders'] }]])
    expect(out).toMatch(/public\.orders +1,200 +1 +0 +3/)
    expect(err).toContain('raw.shop is at version 8, and goes on from 0/16B4748.')
  })

  test('accept shows what it takes before it asks, and takes nothing without a yes', async () => {
    const no = await sluice(['cdc', 'accept', 'shop'], { tty: true, stdin: 'n\n' })
    expect(no.out).toContain('public.orders  column "note" was dropped')
    expect(no.asked).toEqual([['accept', 'raw.shop', { apply: false }]])
    const yes = await sluice(['cdc', 'accept', 'shop', 'public.orders', '-y', '--json'])
    expect(yes.asked.at(-1)).toEqual(['accept', 'raw.shop', { table: 'public.orders', apply: true }])
    expect(JSON.parse(yes.out)).toEqual(accepted)
  })

  test('nobody to ask is an error, and nothing is done', async () => {
    for (const action of ['resnapshot', 'accept']) {
      const { code, asked } = await sluice(['cdc', action, 'shop'])
      expect([action, code, asked.some(([, , options]) => (options as { apply?: boolean }).apply)]).toEqual([
        action,
        2,
        false,
      ])
    }
  })
})

test('what is not known is refused, with what was meant', async () => {
  const two = { sources: ['shop', 'crm'] }
  for (const [argv, setting, message] of [
    [['setpu'], {}, 'setup'],
    [['setup', 'shpo'], {}, 'raw.shop'],
    [['setup'], two, 'needs <source>'],
    [['resnapshot', 'shop', 'public.order'], {}, 'public.orders'],
    [['status'], { sources: [] }, 'There is no source of changes'],
  ] as const) {
    const { code, err, asked } = await sluice(['cdc', ...argv], setting)
    expect([code, err, asked]).toEqual([2, expect.stringContaining(message), []])
  }
})

test('sluice check --servers finds what would stop a run: a server alone is exit code 3', async () => {
  const findings = [missing, { ...missing, name: 'disk', status: 'warn' } as const]
  const control = { status: async () => ({ ...status, findings }) }
  const { code, out, err } = await sluice(['check', '--servers'], { control })
  expect([code, err]).toEqual([3, ''])
  expect(out).toContain('SLU3240')
  expect(out).toContain('raw.shop cannot be captured as it stands: publication: there is none')
  expect((await sluice(['check'], { control })).code).toBe(0)
})
