/** Whether a task runs, and why: the one place where committed state meets the definition. */

import { classifyColumns, isRisky } from './classify.ts'
import type { DeclaredTask } from './declare.ts'
import { changedParts } from './definition.ts'
import type { PlanInput, PlanTask, SchemaChange, TableState, TargetState, TaskInput, TaskReason } from './types.ts'

/** A decided task, with what those after it need to know. */
export interface Decision extends Pick<PlanTask, 'action' | 'reason' | 'detail' | 'inputs' | 'schemaChanges'> {
  /** Whether it may leave a new version behind: then what reads it runs too. */
  readonly produces: boolean
  /** Whether that depends on what a server answers. */
  readonly perhaps: boolean
  /** Whether it waits for an approval, its own or another's. */
  readonly blocked: boolean
}

/** What `decide` knows of the tasks before. */
export interface Decided {
  readonly producer: ReadonlyMap<string, string>
  readonly decisions: ReadonlyMap<string, Decision>
}

/** What is known of the tasks before one. */
interface Upstream {
  /** The tables that this run makes anew, and whether that depends on what a server answers. */
  readonly remade: readonly string[]
  readonly perhaps: boolean
  /** Dimensions that were never loaded, and are not in this run. */
  readonly unloaded: readonly string[]
}

type Outcome = readonly ['run' | 'skip', TaskReason, string]

/**
 * Decides one task; those that it depends on have been decided before.
 *
 * @example decide(task, input, selected.has(task.id), { producer, decisions })
 */
export function decide(task: DeclaredTask, input: PlanInput, selected: boolean, before: Decided): Decision {
  const inputs = inputsOf(task, input, before)
  const schemaChanges = schemaChangesOf(task, input.tables[task.table])
  const waiting = upstreamOf(task, before).find((id) => before.decisions.get(id)?.blocked)
  const remade = inputs.filter(({ version }) => version === 'this-run').map(({ table }) => table)
  const perhaps = remade.every((table) => before.decisions.get(before.producer.get(table)!)?.perhaps)
  const unloaded = task.after
    .filter((id) => before.decisions.get(id)?.action !== 'run')
    .map(tableOf)
    .filter((target) => input.targets[target] === undefined)
  const wanted = selected
    ? wantedOutcome(task, input, inputs, schemaChanges, { remade, perhaps, unloaded })
    : notSelected
  const unapproved =
    wanted[0] === 'run' && schemaChanges.some(isRisky) && !isApproved(task.table, input.options.approve)
  const [action, reason, detail] = unapproved
    ? needsApproval('its schema would change in a way that can lose data')
    : selected && waiting !== undefined
      ? needsApproval(`waits for ${tableOf(waiting)}, which needs an approval`)
      : wanted
  const intake = input.intake[task.table]
  return {
    action,
    reason,
    detail,
    inputs,
    schemaChanges,
    // A source that only has files to put away leaves its table as it is; what a server brings is not known before.
    produces: action === 'run' && (task.pattern === undefined || (intake?.take ?? 0) > 0 || schemaChanges.length > 0),
    perhaps: reason === 'every-run' || (reason === 'upstream-runs' && perhaps),
    blocked: reason === 'needs-approval',
  }
}

/**
 * Whether changes of a table or target that can lose data are approved.
 *
 * @example isApproved('dim_product', ['*']) // true
 */
export function isApproved(table: string, approve: readonly string[]): boolean {
  return approve.includes('*') || approve.includes(table)
}

const notSelected: Outcome = ['skip', 'not-selected', 'not selected']
const needsApproval = (why: string): Outcome => ['skip', 'needs-approval', why]
const tableOf = (id: string): string => id.slice(id.indexOf(':') + 1)

function upstreamOf(task: DeclaredTask, before: Decided): readonly string[] {
  return [...task.reads.flatMap((table) => before.producer.get(table) ?? []), ...task.after]
}

function inputsOf(task: DeclaredTask, input: PlanInput, before: Decided): readonly TaskInput[] {
  return task.reads.map((table) => {
    const producer = before.producer.get(table)
    const remade = producer !== undefined && before.decisions.get(producer)?.produces === true
    return { table, version: remade ? 'this-run' : (input.tables[table]?.version ?? 'none') }
  })
}

function schemaChangesOf(task: DeclaredTask, state: TableState | undefined): readonly SchemaChange[] {
  if (task.kind === 'load' || state === undefined || task.columns.length === 0) return []
  const changes = classifyColumns(state.columns, task.columns)
  if (task.kind === 'ingest') return changes
  // A model's rows are all made again, and whether its columns can be NULL is only known from them.
  return changes.flatMap((change) => {
    if (change.change === 'nullability') return []
    return change.change === 'added' ? [{ ...change, class: 'additive' as const }] : [change]
  })
}

function wantedOutcome(
  task: DeclaredTask,
  input: PlanInput,
  inputs: readonly TaskInput[],
  schemaChanges: readonly SchemaChange[],
  { remade, perhaps, unloaded }: Upstream,
): Outcome {
  if (task.call !== undefined) return callOutcome(task, task.call, input, inputs)
  if (task.kind === 'ingest') return ingestOutcome(task, input, schemaChanges)
  const missing = missingAmong(inputs)
  if (missing.length > 0) return ['skip', 'no-input', `${missing.join(', ')} has no version yet`]
  if (unloaded.length > 0) return ['skip', 'no-input', `${unloaded.join(', ')} is not loaded yet`]
  const state = task.kind === 'model' ? input.tables[task.table] : input.targets[task.table]
  if (state === undefined) return ['run', 'first-run', task.kind === 'load' ? 'nothing loaded yet' : 'no version yet']
  if (state.definition !== task.definition) return ['run', 'changed-definition', changeInWords(state, task)]
  const accepted = 'accepted' in state ? state.accepted : []
  if (accepted.length > 0) return ['run', 'new-input', `accepted: the snapshot of ${accepted.join(', ')}`]
  const moved = movedInputs(state, inputs)
  if (moved.length > 0) return ['run', 'new-input', moved.join(', ')]
  if (remade.length > 0)
    return ['run', 'upstream-runs', `${remade.join(', ')} ${perhaps ? 'may' : 'will'} have a new version`]
  if (input.options.force) return ['run', 'forced', 'unchanged, but asked for']
  const changed = task.kind === 'load' ? input.targets[task.table]?.changed : undefined
  if (changed?.isKnown === false) return ['run', 'target-changed', `${task.table} ${changed.detail}`]
  return ['skip', 'unchanged', 'nothing new']
}

const missingAmong = (inputs: readonly TaskInput[]): readonly string[] =>
  inputs.filter(({ version }) => version === 'none').map(({ table }) => table)

/** A server is asked by every run: only it knows whether it has anything new, and a plan asks no server. */
function callOutcome(
  task: DeclaredTask,
  { text, needs }: NonNullable<DeclaredTask['call']>,
  input: PlanInput,
  inputs: readonly TaskInput[],
): Outcome {
  const missing = missingAmong(inputs).filter((table) => needs.includes(table))
  if (missing.length > 0)
    return ['skip', 'no-input', `${missing.join(', ')} has no version yet, whose values it is called for`]
  const state = input.tables[task.table]
  if (state === undefined) return ['run', 'first-run', text]
  if (state.definition === task.definition) return ['run', 'every-run', text]
  return ['run', 'changed-definition', `${changeInWords(state, task)}; ${text}`]
}

function ingestOutcome(task: DeclaredTask, input: PlanInput, schemaChanges: readonly SchemaChange[]): Outcome {
  const { take, known, waiting, refuse, passed = [] } = input.intake[task.table] ?? noIntake
  const parts = [
    take > 0 ? `${plural(take, 'file')} to take` : '',
    known > 0 ? `${plural(known, 'file')} known already` : '',
    refuse > 0 ? `${plural(refuse, 'file')} to refuse` : '',
    waiting > 0 ? `${plural(waiting, 'file')} not complete yet` : '',
  ].filter((part) => part !== '')
  const state = input.tables[task.table]
  if (take > 0) return ['run', state === undefined ? 'first-run' : 'new-input', parts.join(', ')]
  // The models may want the columns of a new contract now: the table takes them over without waiting for a file.
  if (schemaChanges.length > 0) {
    return ['run', 'changed-definition', `changed columns: ${schemaChanges.map(({ column }) => column).join(', ')}`]
  }
  // Files that are known or refused still have to be put away.
  if (known + refuse > 0) return ['run', 'new-input', parts.join(', ')]
  const nothing = [parts.length > 0 ? parts.join(', ') : `no file at ${task.pattern}`, ...passed].join('; ')
  return state === undefined ? ['skip', 'no-input', nothing] : ['skip', 'unchanged', nothing]
}

const noIntake: PlanInput['intake'][string] = { take: 0, bytes: 0, known: 0, waiting: 0, refuse: 0 }

function movedInputs(state: TableState | TargetState, inputs: readonly TaskInput[]): readonly string[] {
  return inputs.flatMap(({ table, version }) => {
    if (typeof version !== 'number') return []
    const read = 'inputs' in state ? state.inputs.find((one) => one.table === table)?.version : state.version
    if (read === version) return []
    return [read === undefined ? `${table} is a new input` : `${table} moved from version ${read} to ${version}`]
  })
}

function changeInWords(state: TableState | TargetState, task: DeclaredTask): string {
  const parts = changedParts(state.definition, task.definition)
  return parts.length > 0 ? `changed: ${parts.join(', ')}` : 'the definition changed'
}

const plural = (count: number, word: string): string => `${count} ${word}${count === 1 ? '' : 's'}`
