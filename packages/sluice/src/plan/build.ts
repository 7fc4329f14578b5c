/** Builds the plan: a pure function of the definition, the analysis of its SQL, and what is committed. */
import { type Problem, problem } from '../base/errors.ts'
import { digest } from '../base/json.ts'
import { suggest } from '../definition/problems/suggest.ts'
import { changeInWords, isRisky } from './classify.ts'
import { type Decision, decide, isApproved } from './decide.ts'
import { type DeclaredTask, declareTasks, unknownTables, WAREHOUSE_LAYER } from './declare.ts'
import { findCycles, leadsTo, mergeOrders, type Needs, waves } from './graph.ts'
import { heldInWords } from './held.ts'
import { selectTasks } from './select.ts'
import type { Plan, PlanInput, PlanResult, PlanTask, TableState, TargetState } from './types.ts'
import { unknownColumns, unsoundSnapshots } from './validate.ts'

/**
 * Builds the plan of a project as it stands. Problems of the analysis are the caller's already and do not come again.
 *
 * @example const { plan, problems } = buildPlan(input)
 */
export function buildPlan(input: PlanInput): PlanResult {
  const declared = declareTasks(input)
  const producer = new Map(declared.flatMap(({ id, kind, table }) => (kind === 'load' ? [] : [[table, id] as const])))
  const { order, problems: layerProblems } = orderLayers(input, declared, producer)
  const { ordered, wave, dependsOn } = orderTasks(declared, order, producer, input.references)
  const selection = selectTasks(
    ordered.map((task) => ({ ...task, dependsOn: dependsOn.get(task.id)! })),
    input.options.select,
    input.options.exclude,
  )
  const decisions = new Map<string, Decision>()
  for (const task of ordered)
    decisions.set(task.id, decide(task, input, selection.ids.has(task.id), { producer, decisions }))
  const tasks = ordered.map((task) =>
    planTask(task, input, decisions.get(task.id)!, wave.get(task.id)!, dependsOn.get(task.id)!),
  )
  const problems = [
    ...unknownTables(declared, input),
    ...cycleProblems(declared, producer),
    ...layerProblems,
    ...unknownColumns(input),
    ...unsoundSnapshots(input),
    ...unknownApprovals(input, declared),
    ...selection.problems,
    ...approvalProblems(tasks, ordered),
  ]
  return { plan: assemble(input, order, tasks), problems }
}

function assemble(input: PlanInput, order: readonly string[], tasks: readonly PlanTask[]): Plan {
  const layers = order.map((name) => {
    const own = tasks.filter(({ layer }) => layer === name)
    const last = Math.max(-1, ...own.map(({ wave }) => wave))
    return {
      name,
      waves: Array.from({ length: last + 1 }, (_, n) => own.filter(({ wave }) => wave === n).map(({ id }) => id)),
    }
  })
  return {
    format: 1,
    project: input.project.config.name,
    definition: digest(tasks.map(({ id, definition }) => [id, definition])),
    ...(input.parameters === undefined ? {} : { parameters: input.parameters }),
    layers: layers.filter(({ waves }) => waves.length > 0),
    tasks,
  }
}

/** All layers in one order, which what is read across pipelines helps to find; and the reads that go against it. */
function orderLayers(
  input: PlanInput,
  declared: readonly DeclaredTask[],
  producer: ReadonlyMap<string, string>,
): { readonly order: readonly string[]; readonly problems: readonly Problem[] } {
  const byId = new Map(declared.map((task) => [task.id, task]))
  const reads = declared
    .filter(({ kind }) => kind !== 'load')
    .flatMap((task) => task.reads.flatMap((table) => ({ task, upstream: byId.get(producer.get(table) ?? '') })))
  const { order, conflict } = mergeOrders(
    input.project.pipelines.map(({ layers }) => layers),
    reads.flatMap(({ task, upstream }) => (upstream === undefined ? [] : [[upstream.layer, task.layer] as const])),
  )
  const rank = (layer: string): number => order.indexOf(layer)
  const later = reads.flatMap(({ task, upstream }) =>
    upstream !== undefined && rank(upstream.layer) > rank(task.layer)
      ? [
          problem(
            'Plan.LaterLayer',
            { table: task.table, layer: task.layer, reads: upstream.table, order },
            { at: task.at },
          ),
        ]
      : [],
  )
  const opposed = conflict.length > 0 ? [problem('Plan.LayerOrder', { layers: conflict })] : []
  return {
    order: [...order.filter((name) => name !== WAREHOUSE_LAYER), WAREHOUSE_LAYER],
    problems: [...opposed, ...later],
  }
}

/** Tasks in execution order: by layer, wave and name. Reads of a later layer do not count, or nothing could be shown in order. */
function orderTasks(
  declared: readonly DeclaredTask[],
  order: readonly string[],
  producer: ReadonlyMap<string, string>,
  references: PlanInput['references'] = {},
): {
  readonly ordered: readonly DeclaredTask[]
  readonly wave: ReadonlyMap<string, number>
  readonly dependsOn: ReadonlyMap<string, readonly string[]>
} {
  const rank = new Map(order.map((name, n) => [name, n]))
  const layerOf = new Map(declared.map(({ id, layer }) => [id, layer]))
  const dependsOn = new Map(
    declared.map((task) => [
      task.id,
      [
        ...task.reads.flatMap((table) => producer.get(table) ?? []),
        ...task.after.filter((id) => layerOf.has(id)),
      ].filter((id) => rank.get(layerOf.get(id)!)! <= rank.get(task.layer)!),
    ]),
  )
  const wave = new Map<string, number>()
  for (const layer of order) {
    const needs = new Map(
      declared
        .filter((task) => task.layer === layer)
        .map(({ id }) => [id, dependsOn.get(id)!.filter((need) => layerOf.get(need) === layer)]),
    )
    const after = layer === WAREHOUSE_LAYER ? withReferences(needs, references) : needs
    for (const [id, n] of waves(inTurn(declared, after))) wave.set(id, n)
  }
  const ordered = [...declared].sort(
    (a, b) => rank.get(a.layer)! - rank.get(b.layer)! || wave.get(a.id)! - wave.get(b.id)! || (a.id < b.id ? -1 : 1),
  )
  return { ordered, wave, dependsOn }
}

/** Tasks of one pipeline that take their rows from the same call go one after the other, though none needs what another makes. */
function inTurn(declared: readonly DeclaredTask[], needs: Needs): Needs {
  const wave = waves(needs)
  const turns = new Map(needs)
  const last = new Map<string, string>()
  const byWave = declared.filter(({ id }) => wave.has(id)).sort((a, b) => wave.get(a.id)! - wave.get(b.id)!)
  for (const { id, pipeline, call } of byWave) {
    if (call?.shared === undefined) continue
    const key = `${pipeline} ${call.shared}`
    const before = last.get(key)
    if (before !== undefined) turns.set(id, [...needs.get(id)!, before])
    last.set(key, id)
  }
  return turns
}

/** Loads wait for those that they name by foreign keys, whatever becomes of them; but for keys that name each other, which order nothing. */
function withReferences(needs: Needs, references: NonNullable<PlanInput['references']>): Needs {
  const ordered = new Map([...needs].map(([id, own]) => [id, [...own]]))
  for (const [target, named] of Object.entries(references))
    for (const id of named.map((one) => `load:${one}`)) {
      const own = ordered.get(`load:${target}`)
      if (own !== undefined && ordered.has(id) && !leadsTo(id, `load:${target}`, ordered)) own.push(id)
    }
  return ordered
}

function planTask(
  task: DeclaredTask,
  input: PlanInput,
  decision: Decision,
  wave: number,
  dependsOn: readonly string[],
): PlanTask {
  const { id, kind, pipeline, layer, table, definition, columns, lineage, timeoutSeconds } = task
  const made = kind === 'load' ? undefined : input.tables[table]
  const state = kind === 'load' ? input.targets[table] : made
  const intake = kind === 'ingest' ? input.intake[table] : undefined
  return {
    id,
    kind,
    pipeline,
    layer,
    table,
    wave,
    dependsOn,
    inputs: decision.inputs,
    action: decision.action,
    reason: decision.reason,
    detail: decision.detail,
    definition,
    columns,
    schemaChanges: decision.schemaChanges,
    lineage,
    warnings: [
      ...task.warnings,
      ...(intake?.passed ?? []),
      ...heldInWords(table, heldOf(state)),
      ...changedTarget(task, input),
    ],
    timeoutSeconds,
    ...(kind === 'load' && isApproved(table, input.options.approve) ? { approved: true } : {}),
    ...(kind === 'load' && input.options.force && decision.action === 'run' ? { forced: true } : {}),
    ...(state === undefined ? {} : { current: state.version }),
    ...(made === undefined ? {} : { rows: made.rows }),
    ...rewriteOf(made, decision),
    ...(intake === undefined ? {} : { intake }),
  }
}

const heldOf = (state: TableState | TargetState | undefined): NonNullable<TargetState['held']> =>
  state !== undefined && 'held' in state ? state.held : []
/** A target that is not as its last load left it stays so until it is written again. */
function changedTarget({ kind, table }: DeclaredTask, { targets, options }: PlanInput): readonly string[] {
  const changed = kind === 'load' ? targets[table]?.changed : undefined
  if (changed?.isKnown !== true || options.force) return []
  return [`${table} ${changed.detail}; to replace it from the lake: sluice run --force --select ${table}`]
}

/** Shown where the task runs, or would if it were approved. */
const rewriteOf = (
  state: PlanInput['tables'][string] | undefined,
  { action, reason }: Decision,
): Pick<PlanTask, 'rewriteBytes'> =>
  state?.rewriteBytes !== undefined && (action === 'run' || reason === 'needs-approval')
    ? { rewriteBytes: state.rewriteBytes }
    : {}

function cycleProblems(declared: readonly DeclaredTask[], producer: ReadonlyMap<string, string>): readonly Problem[] {
  const byTable = new Map(declared.flatMap((task) => (task.kind === 'load' ? [] : [[task.table, task] as const])))
  const needs = new Map([...byTable].map(([table, { reads }]) => [table, reads.filter((one) => producer.has(one))]))
  return findCycles(needs).map((cycle) => problem('Plan.Cycle', { cycle }, { at: byTable.get(cycle[0]!)!.at }))
}

function unknownApprovals(input: PlanInput, declared: readonly DeclaredTask[]): readonly Problem[] {
  const unknown = input.options.approve.filter((name) => name !== '*' && !declared.some(({ table }) => table === name))
  return unknown.map((selector) => {
    const suggestion = suggest(
      selector,
      declared.map(({ table }) => table),
    )
    return problem('Plan.UnknownSelector', { selector }, suggestion === undefined ? {} : { suggestion })
  })
}

function approvalProblems(tasks: readonly PlanTask[], declared: readonly DeclaredTask[]): readonly Problem[] {
  const at = new Map(declared.map((task) => [task.id, task.at]))
  const blocked = tasks.filter(({ reason }) => reason === 'needs-approval')
  return blocked
    .filter(({ schemaChanges }) => schemaChanges.some(isRisky))
    .map((task) =>
      problem(
        'Plan.NeedsApproval',
        {
          table: task.table,
          changes: task.schemaChanges.filter(isRisky).map(changeInWords),
          waiting: waitingFor(task.id, blocked),
        },
        { at: at.get(task.id)! },
      ),
    )
}

/** The tables that wait with one that needs an approval: what is made from it, near or far. Tasks come in execution order. */
function waitingFor(id: string, blocked: readonly PlanTask[]): readonly string[] {
  const held = new Set([id])
  for (const task of blocked) if (task.dependsOn.some((upstream) => held.has(upstream))) held.add(task.id)
  return blocked.filter((task) => task.id !== id && held.has(task.id)).map(({ table }) => table)
}
