import { expect, test } from 'vitest'
import { cdc, changes } from '../../definition/builders/cdc.ts'
import { nullable } from '../../definition/builders/columns.ts'
import { noPlaces } from '../../definition/problems/places.ts'
import { resolveConfig, resolvePipeline } from '../../definition/resolve.ts'
import type { Project } from '../../definition/types.ts'
import { duckDbEngine } from '../../engines/duckdb/engine.ts'
import type { ProjectAnalysis } from './models.ts'
import { analyseModels } from './models.ts'

const columns = { id: 'bigint', email: nullable('text', { from: 'e_mail' }), paid: 'decimal(12,2)' } as const

function analyse(transforms: { readonly [column: string]: string }, more: object = {}): Promise<ProjectAnalysis> {
  const { pipeline, problems } = resolvePipeline(
    {
      name: 'shop',
      sources: { shop: cdc('oltp', { tables: ['public.customers'] }) },
      tables: {
        'stage.customers': changes('raw.shop', 'public.customers', { columns, key: 'id', transforms, ...more }),
      },
    },
    { places: noPlaces('pipelines/shop/pipeline.ts'), sqlFiles: more === domains ? [domainsFile] : [] },
  )
  expect(problems).toEqual([])
  const { config } = resolveConfig({ name: 'shop' }, noPlaces('sluice.config.ts'))
  const project: Project = { config: config!, pipelines: [pipeline!] }
  return analyseModels(project, duckDbEngine({ memoryLimit: '256MB', threads: 1 }))
}

const domains = {}
const domainsFile = {
  table: 'analytics.domains',
  file: 'analytics/domains.sql',
  sql: 'SELECT domain, sum(paid) AS paid FROM stage.customers GROUP BY domain',
}

test('a table of changes has the columns that are taken and made, and each says where it comes from', async () => {
  const transforms = { email: 'lower(email)', domain: "split_part(email, '@', 2)", cents: 'paid * 100' }
  const { analysis, columns: found, problems } = await analyse(transforms)
  expect(problems).toEqual([])
  expect(found['stage.customers']).toEqual([
    { name: 'id', type: 'BIGINT', nullable: false },
    { name: 'email', type: 'VARCHAR', nullable: true },
    { name: 'paid', type: 'DECIMAL(12,2)', nullable: false },
    { name: 'domain', type: 'VARCHAR', nullable: true },
    { name: 'cents', type: 'DECIMAL(18,2)', nullable: true },
  ])
  expect(analysis['stage.customers']).toMatchObject({
    tables: ['raw.shop'],
    columns: [
      { column: 'id', from: ['oltp:public.customers.id'] },
      { column: 'email', from: ['oltp:public.customers.e_mail'] },
      { column: 'paid', from: ['oltp:public.customers.paid'] },
      { column: 'domain', from: ['oltp:public.customers.e_mail'] },
      { column: 'cents', from: ['oltp:public.customers.paid'] },
    ],
  })
})

test('models read tables of changes as any others', async () => {
  const found = await analyse({ domain: "split_part(email, '@', 2)" }, domains)
  expect(found.problems).toEqual([])
  expect(found.columns['analytics.domains']?.map(({ name, type }) => `${name} ${type}`)).toEqual([
    'domain VARCHAR',
    'paid DECIMAL(38,2)',
  ])
})

test('a history has what happened, when, and its order; of a row that was deleted only the key', async () => {
  const { columns: found } = await analyse({}, { as: 'history' })
  expect(found['stage.customers']?.map(({ name, nullable: open }) => `${name}${open ? '?' : ''}`).join(' ')).toBe(
    'id email? paid? _op _lsn _seq _sequence _committed_at _effective_at',
  )
})

test('every transform that cannot be used is reported before anything runs', async () => {
  const { problems } = await analyse({
    a: 'lower(emial)',
    b: 'sum(paid)',
    c: 'row_number() OVER ()',
    d: 'lower(email',
    e: '(FROM raw.shop)',
  })
  expect(problems.map(({ at, message }) => `${at?.file}: ${message}`)).toMatchInlineSnapshot(`
    [
      "pipelines/shop/pipeline.ts: The transform that makes "a" of stage.customers cannot be used: Column "emial" does not exist. Columns: id, email, paid.",
      "pipelines/shop/pipeline.ts: The transform that makes "b" of stage.customers cannot be used: it is over many rows, as aggregates are.",
      "pipelines/shop/pipeline.ts: The transform that makes "c" of stage.customers cannot be used: "over" looks at other rows.",
      "pipelines/shop/pipeline.ts: The transform that makes "d" of stage.customers cannot be used: it opens a parenthesis that it does not close.",
      "pipelines/shop/pipeline.ts: The transform that makes "e" of stage.customers cannot be used: it reads another table.",
    ]
  `)
})

test('what depends on the moment is named', async () => {
  const { analysis } = await analyse({ seen: 'now()' })
  expect(analysis['stage.customers']?.nondeterministic).toEqual(['now'])
})

test('a check of rows sees what is declared and made, and is refused before it runs where it names anything else', async () => {
  const check = (sql: string, more: object = {}) => ({ kind: 'row', sql, ...more }) as const
  const over = async (...checks: readonly object[]) =>
    (await analyse({ domain: "split_part(email, '@', 2)" }, { as: 'history', checks })).problems.map(
      ({ name, message }) => `${name} ${message}`,
    )
  expect(await over(check("domain <> 'x' AND paid > 0"), { kind: 'notNull', column: 'domain' })).toEqual([])
  expect(await over(check("_op = 'D' OR paid > 0", { severity: 'warn' }))).toEqual([])
  const [bySql, byColumn, ...others] = await over(check("_op = 'D' OR paid > 0"), { kind: 'notNull', column: '_op' })
  expect(bySql).toMatch(/^Sql.RowCheck The check .* of stage.customers cannot be judged: .*_op/)
  expect(byColumn).toMatch(/^Sql.RowCheck The check notNull:_op of stage.customers/)
  expect(others).toEqual([])
})
