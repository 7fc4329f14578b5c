import fc from 'fast-check'
import { expect, test } from 'vitest'
import { marketplace } from '../../test/golden/changes.ts'
import { erp } from '../../test/golden/procedures.ts'
import {
  afterRun,
  analysisOf,
  column,
  pipelineOf,
  projectOf,
  shop,
  source,
  sql,
  taskOf,
  withOptions,
} from '../../test/golden/project.ts'
import { canonicalJson } from '../base/json.ts'
import type { ChangesModel, Pipeline, ProcedureSource } from '../definition/types.ts'
import { buildPlan } from './build.ts'
import { explainPlan } from './explain.ts'
import type { PlanInput, PlanTask } from './types.ts'

const [retail, stock] = shop.project.pipelines as readonly [Pipeline, Pipeline]
const settled = afterRun(shop)

/** The input with another retail pipeline. */
const withRetail = (input: PlanInput, change: Partial<Pipeline>): PlanInput => ({
  ...input,
  project: projectOf({ ...retail, ...change }, stock),
})

const decisionsOf = (input: PlanInput): Record<string, string> =>
  Object.fromEntries(buildPlan(input).plan.tasks.map(({ id, action, reason }) => [id, `${action} ${reason}`]))

const decision = (input: PlanInput, id: string): Pick<PlanTask, 'action' | 'reason' | 'detail'> => {
  const { action, reason, detail } = taskOf(buildPlan(input).plan, id)
  return { action, reason, detail }
}

test('tasks come in waves: everything after what it reads and what its checks compare it with', () => {
  const { plan, problems } = buildPlan(shop)
  expect(problems).toEqual([])
  expect(plan.layers).toEqual([
    { name: 'raw', waves: [['ingest:raw.sales', 'ingest:raw.stores']] },
    { name: 'stage', waves: [['model:stage.sales'], ['model:stage.daily']] },
    { name: 'analytics', waves: [['model:analytics.dim_store'], ['model:analytics.fact_sales']] },
    { name: 'bronze', waves: [['ingest:bronze.inventory']] },
    { name: 'silver', waves: [['model:silver.coverage']] },
    { name: 'warehouse', waves: [['load:dim_store', 'load:fact_sales']] },
  ])
  expect(taskOf(plan, 'model:analytics.fact_sales').dependsOn).toEqual([
    'model:analytics.dim_store',
    'ingest:raw.stores',
    'model:stage.daily',
  ])
})

test('the plan is the same whatever the order of the definition, and survives JSON', () => {
  const reversed = <T>(values: { readonly [key: string]: T }): { [key: string]: T } =>
    Object.fromEntries(Object.entries(values).reverse())
  const { plan } = buildPlan(shop)
  const other = withRetail(shop, {
    sources: reversed(retail.sources),
    models: reversed(retail.models),
    loads: reversed(retail.loads),
  })
  expect(buildPlan(other).plan).toEqual(plan)
  expect(JSON.parse(JSON.stringify(plan))).toEqual(plan)
})

test('loads wait for those that they name by foreign keys; keys that name each other order nothing', () => {
  const names = Object.keys(retail.loads).sort()
  const [first, second] = [names.at(-1)!, names[0]!]
  const waveOf = (references: PlanInput['references']) => {
    const { tasks } = buildPlan({ ...shop, ...(references === undefined ? {} : { references }) }).plan
    return (name: string) => tasks.find(({ id }) => id === `load:${name}`)!.wave
  }
  const ordered = waveOf({ [second]: [first] })
  expect(ordered(second)).toBeGreaterThan(ordered(first))
  const round = waveOf({ [second]: [first], [first]: [second] })
  expect(round(second)).not.toBe(round(first))
})

test('after a run nothing runs; with force everything that has an input does', () => {
  const again = decisionsOf(settled)
  expect(Object.values(again).filter((one) => one.startsWith('run'))).toEqual([])
  expect(again['model:stage.sales']).toBe('skip unchanged')
  const forced = decisionsOf(withOptions(settled, { force: true }))
  expect(forced['model:stage.sales']).toBe('run forced')
  expect(forced['model:stage.daily']).toBe('run upstream-runs')
  expect(forced['ingest:raw.sales']).toBe('skip unchanged')
})

test('a new file runs its source and what is made from it, and nothing else', () => {
  const input = { ...settled, intake: { ...settled.intake, 'raw.stores': shop.intake['raw.stores']! } }
  const decisions = decisionsOf(input)
  expect(Object.entries(decisions).filter(([, one]) => one.startsWith('run'))).toEqual([
    ['ingest:raw.stores', 'run new-input'],
    ['model:analytics.dim_store', 'run upstream-runs'],
    ['model:analytics.fact_sales', 'run upstream-runs'],
    ['load:dim_store', 'run upstream-runs'],
    ['load:fact_sales', 'run upstream-runs'],
  ])
  expect(taskOf(buildPlan(input).plan, 'model:analytics.dim_store').inputs).toEqual([
    { table: 'raw.stores', version: 'this-run' },
  ])
})

test('IN-25: files that are known already run their source, to be put away, and nothing that reads it', () => {
  const known = { take: 0, bytes: 0, known: 2, waiting: 0, refuse: 1 }
  const decisions = decisionsOf({ ...settled, intake: { ...settled.intake, 'raw.sales': known } })
  expect(decisions['ingest:raw.sales']).toBe('run new-input')
  expect(decisions['model:stage.sales']).toBe('skip unchanged')
})

test('an input that moved on since is named with its versions', () => {
  const moved = { ...settled.tables['raw.sales']!, version: 4 }
  expect(decision({ ...settled, tables: { ...settled.tables, 'raw.sales': moved } }, 'model:stage.sales')).toEqual({
    action: 'run',
    reason: 'new-input',
    detail: 'raw.sales moved from version 1 to 4',
  })
})

test('the changed part of a definition is named, and what decides nothing changes nothing', () => {
  const models = {
    ...retail.models,
    'stage.sales': sql('stage/sales.sql', 'SELECT id, amount * 2 AS amount FROM raw.sales'),
  }
  expect(decision(withRetail(settled, { models }), 'model:stage.sales').detail).toBe('changed: sql')
  const partitioned = { ...retail.tables, 'stage.sales': {} }
  expect(decision(withRetail(settled, { tables: partitioned }), 'model:stage.sales').detail).toBe('changed: partition')
  const code = {
    ...retail.models,
    'analytics.dim_store': { kind: 'code' as const, inputs: ['raw.stores'], make: () => 'SELECT 1 AS id' },
  }
  expect(decision(withRetail(settled, { models: code }), 'model:analytics.dim_store').detail).toBe('changed: code')
  const keyed = { ...retail.loads, dim_store: { ...retail.loads['dim_store']!, key: ['amount'] } as never }
  expect(decision(withRetail(settled, { loads: keyed }), 'load:dim_store').detail).toBe('changed: load')

  const white = { ...retail.models, 'stage.sales': sql('moved.sql', `\n  SELECT id, amount FROM raw.sales\n`) }
  const told = withRetail(settled, {
    models: white,
    description: 'Sales',
    tables: {
      ...retail.tables,
      'stage.sales': {
        ...retail.tables['stage.sales'],
        description: 'x',
        timeoutSeconds: 5,
        retention: { versions: 2 },
      },
    },
    sources: {
      ...retail.sources,
      sales: { ...(retail.sources['sales'] as ReturnType<typeof source>), archive: 'elsewhere' },
    },
  })
  expect(decisionsOf(told)).toEqual(decisionsOf(settled))
})

test('a source with nothing to take and no version stops what reads it, by name', () => {
  expect(decision(shop, 'ingest:bronze.inventory')).toEqual({
    action: 'skip',
    reason: 'no-input',
    detail: 'no file at stock/*.csv',
  })
  expect(decision(shop, 'model:silver.coverage')).toEqual({
    action: 'skip',
    reason: 'no-input',
    detail: 'bronze.inventory has no version yet',
  })
})

test('what is not selected does not run, and what is selected reads the committed version', () => {
  const one = withOptions({ ...settled, intake: shop.intake }, { select: ['stage.sales'], force: true })
  const { plan } = buildPlan(one)
  expect(plan.tasks.filter(({ reason }) => reason !== 'not-selected').map(({ id }) => id)).toEqual([
    'model:stage.sales',
  ])
  expect(taskOf(plan, 'model:stage.sales').inputs).toEqual([{ table: 'raw.sales', version: 1 }])
})

const narrowed: PlanInput = {
  ...settled,
  columns: { ...settled.columns, 'raw.sales': [column('id', 'SMALLINT', false), column('amount', 'DECIMAL(12,2)')] },
  intake: { ...settled.intake, 'raw.sales': shop.intake['raw.sales']!, 'raw.stores': shop.intake['raw.stores']! },
}

test('SR-05: a lossy change stops its table and what is made from it until it is approved; other tables go on', () => {
  const { plan, problems } = buildPlan(narrowed)
  expect(problems).toHaveLength(1)
  expect(problems[0]).toMatchObject({ name: 'Plan.NeedsApproval', severity: 'error' })
  expect(problems[0]!.message).toContain('id INTEGER -> SMALLINT (lossy)')
  expect(problems[0]!.message).toContain(
    'With it wait stage.sales, stage.daily, analytics.fact_sales, silver.coverage, fact_sales',
  )
  expect(problems[0]!.hint).toContain('--approve raw.sales')
  const running = plan.tasks.filter(({ action }) => action === 'run').map(({ id }) => id)
  expect(running).toEqual(['ingest:raw.stores', 'model:analytics.dim_store', 'load:dim_store'])

  for (const approve of [['raw.sales'], ['*']]) {
    const approved = buildPlan(withOptions(narrowed, { approve }))
    expect(approved.problems).toEqual([])
    expect(taskOf(approved.plan, 'ingest:raw.sales')).toMatchObject({
      action: 'run',
      schemaChanges: [{ class: 'lossy' }],
    })
  }
  expect(buildPlan(withOptions(narrowed, { approve: ['raw.slaes'] })).problems.map(({ name }) => name)).toEqual([
    'Plan.UnknownSelector',
    'Plan.NeedsApproval',
  ])
})

test('WH-13: a load carries the approval of its target to the warehouse, and no other task has one', () => {
  const approved = (approve: readonly string[]) =>
    buildPlan(withOptions(shop, { approve })).plan.tasks.flatMap((task) => (task.approved === true ? task.id : []))
  expect(approved([])).toEqual([])
  expect(approved(['fact_sales', 'raw.sales'])).toEqual(['load:fact_sales'])
  expect(approved(['*'])).toEqual(['load:dim_store', 'load:fact_sales'])
})

test('additive and widening changes need nobody; a model may add any column, for its rows are all made again', () => {
  const wider = {
    ...settled,
    columns: {
      ...settled.columns,
      'stage.sales': [column('id', 'BIGINT', true), column('amount', 'DECIMAL(12,2)'), column('tax', 'DOUBLE', false)],
    },
  }
  const { plan, problems } = buildPlan(withOptions(wider, { force: true }))
  expect(problems).toEqual([])
  expect(taskOf(plan, 'model:stage.sales').schemaChanges.map((change) => change.class)).toEqual([
    'widening',
    'additive',
  ])
})

test('what a run writes again is shown where it would run, in bytes, and as data', () => {
  const raw = settled.tables['raw.sales']!
  const state = { ...settled, tables: { ...settled.tables, 'raw.sales': { ...raw, rewriteBytes: 1234 } } }
  expect(taskOf(buildPlan(state).plan, 'ingest:raw.sales')).not.toHaveProperty('rewriteBytes')
  const wider = [column('id', 'DOUBLE', false), column('amount', 'DECIMAL(12,2)')]
  const planned = buildPlan({ ...state, columns: { ...settled.columns, 'raw.sales': wider } })
  expect(taskOf(planned.plan, 'ingest:raw.sales')).toMatchObject({ action: 'run', rewriteBytes: 1234 })
  expect(explainPlan(planned).filter((line) => line.includes('older files'))).toEqual([
    '       writes 1.2 kB of older files again, in the new types',
  ])
})

test('a contract that changed while there is no file is taken over at once, or waits for its approval', () => {
  const lossy = buildPlan({ ...narrowed, intake: settled.intake })
  expect(taskOf(lossy.plan, 'ingest:raw.sales')).toMatchObject({ action: 'skip', reason: 'needs-approval' })

  const { plan } = buildPlan({
    ...settled,
    columns: { ...settled.columns, 'raw.sales': [...settled.columns['raw.sales']!, column('note', 'VARCHAR', true)] },
  })
  expect(taskOf(plan, 'ingest:raw.sales')).toMatchObject({
    action: 'run',
    reason: 'changed-definition',
    detail: 'changed columns: note',
    schemaChanges: [{ column: 'note', class: 'additive' }],
  })
  expect(taskOf(plan, 'model:stage.sales')).toMatchObject({ action: 'run', reason: 'upstream-runs' })
})

test('a cycle is named from end to end, with its file, and the plan still ends', () => {
  const models = {
    'stage.a': sql('stage/a.sql', 'SELECT * FROM stage.c'),
    'stage.b': sql('stage/b.sql', 'SELECT * FROM stage.a'),
    'stage.c': sql('stage/c.sql', 'SELECT * FROM stage.b'),
    'stage.d': sql('stage/d.sql', 'SELECT * FROM stage.d'),
  }
  const { plan, problems } = buildPlan({
    ...shop,
    project: projectOf(pipelineOf('loop', { models })),
    analysis: Object.fromEntries(
      [
        ['a', 'c'],
        ['b', 'a'],
        ['c', 'b'],
        ['d', 'd'],
      ].map(([made, read]) => [`stage.${made}`, analysisOf([`stage.${read}`])]),
    ),
  })
  expect(plan.tasks).toHaveLength(4)
  expect(problems.map(({ message, at }) => [message, at?.file])).toEqual([
    ['These tables are made from each other: stage.a <- stage.c <- stage.b <- stage.a.', 'stage/a.sql'],
    ['These tables are made from each other: stage.d <- stage.d.', 'stage/d.sql'],
  ])
})

test('reading a later layer is a problem; layers that pipelines order both ways are one too', () => {
  const models = { ...retail.models, 'stage.sales': sql('stage/sales.sql', 'SELECT * FROM analytics.dim_store') }
  const backwards = { ...shop.analysis, 'stage.sales': analysisOf(['analytics.dim_store']) }
  const [later] = buildPlan({ ...withRetail(shop, { models }), analysis: backwards }).problems
  expect(later).toMatchObject({ name: 'Plan.LaterLayer', at: { file: 'stage/sales.sql' } })
  const opposed = {
    ...shop,
    project: projectOf(pipelineOf('a', { layers: ['x', 'y'] }), pipelineOf('b', { layers: ['y', 'x'] })),
  }
  expect(buildPlan(opposed).problems).toMatchObject([{ name: 'Plan.LayerOrder' }])
})

test('CT-07: unknown columns of checks, partitions and loads, and unknown tables of checks, are all named with a suggestion', () => {
  const { problems } = buildPlan(
    withRetail(shop, {
      tables: {
        'stage.sales': {
          partitionBy: { kind: 'yearMonth', column: 'amuont' },
          checks: [{ kind: 'notNull', column: 'Id' }],
        },
        'stage.daily': {
          checks: [{ kind: 'reference', columns: ['id'], to: 'raw.store', toColumns: ['id'] }],
        },
        'analytics.fact_sales': {
          checks: [{ kind: 'reference', columns: ['id'], to: 'analytics.dim_store', toColumns: ['idd'] }],
        },
      },
      loads: {
        fact_sales: { mode: 'incremental', from: 'analytics.fact_sales', by: 'mad' },
        dim_store: {
          mode: 'scd2',
          from: 'analytics.dim_store',
          key: ['idx'],
          track: ['amont'],
          deletes: { column: 'ammount', value: 'D' },
          sort: ['effective_date'],
          columns: {
            effective: 'effective_date',
            expiry: 'expiry_date',
            current: 'is_current_record',
            surrogate: 'sk',
          },
        },
      },
    }),
  )
  expect(problems.map(({ name, suggestion }) => [name, suggestion])).toEqual([
    ['Definition.UnknownTable', 'raw.stores'],
    ['Plan.UnknownColumn', 'amount'],
    ['Plan.UnknownColumn', 'id'],
    ['Plan.UnknownColumn', 'id'],
    ['Plan.UnknownColumn', 'made'],
    ['Plan.UnknownColumn', 'id'],
    ['Plan.UnknownColumn', 'amount'],
    ['Plan.UnknownColumn', 'amount'],
  ])
  expect(problems.every(({ at }) => at?.file === 'pipelines/retail/pipeline.ts')).toBe(true)
})

test('any layered project: each task once, after its needs; a run of the whole plan leaves nothing to do', () => {
  const project = fc.array(fc.array(fc.nat(), { maxLength: 3 }), { minLength: 1, maxLength: 12 })
  fc.assert(
    fc.property(project, fc.nat(), (reads, salt) => {
      // Table n reads tables before it, from any layer that is not later.
      const layers = ['raw', 'stage', 'analytics']
      const layerOf = (n: number): string => layers[1 + Math.floor((2 * n) / reads.length)]!
      const names = reads.map((_, n) => `${layerOf(n)}.t${(n * 7 + salt) % 100}_${n}`)
      const inputs = reads.map((of, n) => [...new Set(of.map((one) => (n === 0 ? 'raw.s' : names[one % n]!)))])
      const all = inputs.map((of) => (of.length === 0 ? ['raw.s'] : of))
      const input: PlanInput = {
        ...shop,
        project: projectOf(
          pipelineOf('any', {
            sources: { s: source('s/*.csv') },
            models: Object.fromEntries(names.map((name) => [name, sql(`${name}.sql`, name)])),
            loads: Object.fromEntries(names.map((name, n) => [`w${n}`, { mode: 'replace' as const, from: name }])),
          }),
        ),
        analysis: Object.fromEntries(names.map((name, n) => [name, analysisOf(all[n]!)])),
        columns: Object.fromEntries(['raw.s', ...names].map((name) => [name, [column('id')]])),
        intake: { 'raw.s': { take: 1, bytes: 9, known: 0, waiting: 0, refuse: 0 } },
      }
      const { plan, problems } = buildPlan(input)
      expect(problems).toEqual([])
      const order = plan.layers.flatMap(({ waves }) => waves.flat())
      expect(order).toEqual(plan.tasks.map(({ id }) => id))
      expect(new Set(order).size).toBe(1 + 2 * names.length)
      for (const task of plan.tasks) {
        expect(task.action).toBe('run')
        for (const need of task.dependsOn) {
          const before = taskOf(plan, need)
          expect(order.indexOf(need)).toBeLessThan(order.indexOf(task.id))
          if (before.layer === task.layer) expect(before.wave).toBeLessThan(task.wave)
        }
      }
      expect(buildPlan(afterRun(input)).plan.tasks.filter(({ action }) => action === 'run')).toEqual([])
      expect(canonicalJson(buildPlan(input))).toBe(canonicalJson({ plan, problems }))
    }),
    { numRuns: 60 },
  )
})

const call = (input: PlanInput, change: Partial<ProcedureSource>): PlanInput => {
  const [pipeline] = input.project.pipelines as [Pipeline]
  const sales = { ...pipeline.sources['sales'], ...change } as ProcedureSource
  return { ...input, project: projectOf({ ...pipeline, sources: { ...pipeline.sources, sales } }) }
}

test('a procedure is called by every run, after the tables whose values it is called for, and what reads it runs too', () => {
  expect(buildPlan(erp).plan.layers[0]).toEqual({
    name: 'raw',
    waves: [['ingest:raw.old_regions', 'ingest:raw.regions'], ['ingest:raw.sales']],
  })
  const later = afterRun(erp)
  expect(decisionsOf(later)).toEqual({
    'ingest:raw.old_regions': 'run every-run',
    'ingest:raw.regions': 'run every-run',
    'ingest:raw.sales': 'run every-run',
    'model:stage.regions': 'run upstream-runs',
    'model:stage.sales': 'run upstream-runs',
    'load:sales': 'run upstream-runs',
  })
  expect(decision(later, 'ingest:raw.sales').detail).toBe('calls dbo.usp_sales on erp for each value of raw.regions')
})

test('without the values that it is called for, a procedure is not called', () => {
  const alone = withOptions(erp, { select: ['raw.sales'] })
  expect(decision(alone, 'ingest:raw.sales')).toEqual({
    action: 'skip',
    reason: 'no-input',
    detail: 'raw.regions has no version yet, whose values it is called for',
  })
})

test('the definition of a procedure is what decides its rows: not its pace, not its description', () => {
  const later = afterRun(erp)
  const sales = (change: Partial<ProcedureSource>) => decision(call(later, change), 'ingest:raw.sales')
  expect(sales({ timeoutSeconds: 5, description: 'x' }).reason).toBe('every-run')
  expect(sales({ parameters: {} })).toEqual({
    action: 'run',
    reason: 'changed-definition',
    detail: 'changed: call; calls dbo.usp_sales on erp',
  })
  expect(sales({ mode: 'append' }).detail).toMatch(/^changed: rules; calls/)
  expect(sales({ resultSet: 2 }).detail).toMatch(/^changed: call; calls/)
})

test('tables that take their sets from one call go one after the other, and need nothing of each other', () => {
  const [pipeline] = erp.project.pipelines as readonly [Pipeline]
  const { sales } = pipeline.sources as { readonly sales: ProcedureSource }
  const sources = { ...pipeline.sources, lines: { ...sales, resultSet: 2 }, other: { ...sales, parameters: {} } }
  const { tasks } = buildPlan({ ...erp, project: { ...erp.project, pipelines: [{ ...pipeline, sources }] } }).plan
  const of = (id: string) => tasks.find((task) => task.id === `ingest:raw.${id}`)!
  expect(['regions', 'sales', 'lines', 'other'].map((id) => of(id).wave)).toEqual([0, 1, 2, 0])
  expect(of('lines').dependsOn).toEqual(of('sales').dependsOn)
})

test('SR-08: an append that nothing bounds is told before it takes the same rows again', () => {
  const bare = { key: undefined, window: undefined } as never as Partial<ProcedureSource>
  const warned = (change: Partial<ProcedureSource>): number =>
    buildPlan(call(erp, { ...bare, ...change })).plan.tasks.find(({ id }) => id === 'ingest:raw.sales')!.warnings.length
  expect(warned({ mode: 'append' })).toBe(1)
  expect([warned({ mode: 'append', key: ['id'] }), warned({ mode: 'replace' })]).toEqual([0, 0])
  expect(warned({ mode: 'append', window: { start: '2026-01-01', overlapSeconds: 0 } as never })).toBe(0)
})

test('a value of a later layer is a problem, as it would be of another day', () => {
  const each = { $each: { table: 'stage.regions', column: 'region_id', type: 'integer' } } as const
  const { problems } = buildPlan(call(erp, { parameters: { region: each } }))
  expect(problems).toMatchObject([{ name: 'Plan.LaterLayer' }])
})

test('a log of changes is read by every run, and what is made of it may find nothing new', () => {
  const again = afterRun(marketplace)
  expect(decision(again, 'ingest:raw.shop')).toEqual({
    action: 'run',
    reason: 'every-run',
    detail: 'changes of shop from the slot sluice_shop',
  })
  expect(decision(again, 'model:stage.customers')).toEqual({
    action: 'run',
    reason: 'upstream-runs',
    detail: 'raw.shop may have a new version',
  })
})

test('facts are loaded after the dimensions that they look keys up in, and not before those were ever loaded', () => {
  const { plan } = buildPlan(marketplace)
  expect(plan.layers.at(-1)).toEqual({ name: 'warehouse', waves: [['load:dim_customer'], ['load:fact_orders']] })
  expect(taskOf(plan, 'load:fact_orders').dependsOn).toEqual(['model:stage.orders', 'load:dim_customer'])
  const alone = withOptions(afterRun(marketplace), { select: ['fact_orders'] })
  expect(decision(alone, 'load:fact_orders')).toMatchObject({ action: 'skip', reason: 'unchanged' })
  const never = { ...alone, targets: {} }
  expect(decision(never, 'load:fact_orders')).toEqual({
    action: 'skip',
    reason: 'no-input',
    detail: 'dim_customer is not loaded yet',
  })
  const together = withOptions(marketplace, { select: ['+fact_orders'] })
  expect(decision(together, 'load:dim_customer')).toMatchObject({ action: 'run' })
})

test('what a table of changes is made by: its log, its columns, its transforms, its checks, each by its name', () => {
  const settledShop = afterRun(marketplace)
  const [own] = marketplace.project.pipelines as readonly [Pipeline]
  const model = own.models['stage.customers'] as ChangesModel
  const changed = (change: Partial<ChangesModel>): string => {
    const models = { ...own.models, 'stage.customers': { ...model, ...change } }
    return decision({ ...settledShop, project: projectOf({ ...own, models }) }, 'model:stage.customers').detail
  }
  expect(changed({ transforms: { email: 'upper(email)' } })).toBe('changed: transforms')
  expect(changed({ table: 'public.people' })).toBe('changed: changes')
  expect(changed({ columns: { ...model.columns, id: { type: 'integer' } } })).toBe('changed: columns')
  expect(changed({ checks: [{ kind: 'notNull', column: 'email' }] })).toBe('changed: checks')
  expect(changed({ quarantine: { maxRows: 7 } })).toBe('changed: rules')
})
