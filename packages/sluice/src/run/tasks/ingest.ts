/** Takes what a source has into a new version, then acknowledges it: archive only after the commit, refuse only with a report. */

import { crashPoint } from '../../base/crash.ts'
import { assert, isSluiceError, sluiceError } from '../../base/errors.ts'
import { digest } from '../../base/json.ts'
import { declaredChecks, sourceColumns, withChecks } from '../../definition/columns.ts'
import { grownSource } from '../../definition/grown.ts'
import { projectIndex } from '../../definition/project-index.ts'
import type { Check, Source } from '../../definition/types.ts'
import type { Session } from '../../engines/engine.ts'
import { sameContent } from '../../lake/content.ts'
import { digestFile } from '../../lake/file-digest.ts'
import type { CheckResult, CommitRecord, DataFile, RowAccounting } from '../../lake/record.ts'
import { relationOf } from '../../lake/relation.ts'
import { addAccounting, noRows } from '../../quality/accounting.ts'
import { runTableChecks } from '../../quality/table-checks.ts'
import { passedInWords } from '../../sources/passed.ts'
import type {
  Candidate,
  DiscoveredInput,
  RefusedInput,
  SourceAdapter,
  SourceLag,
  SourceTraits,
} from '../../sources/source.ts'
import type { TaskContext, TaskOutcome } from '../context.ts'
import { isLagNews } from '../ledger/lag.ts'
import { relatedTables } from './check.ts'
import { projectReach } from './confine.ts'
import { isIntact } from './keep.ts'
import { assertChecks, type PublishOptions, publish } from './publish.ts'
import { withoutEarlier } from './replace-files.ts'

/**
 * Runs an ingest task: discover, take, commit, acknowledge. A file that a commit contains already is only acknowledged again, which is how a run
 * that was killed between its commit and its archive goes on.
 *
 * @throws Quality.* where checks of the whole table stop it
 */
export async function runIngest(context: TaskContext): Promise<TaskOutcome> {
  const { task, emit, lake } = context
  const current = await lake.current(task.table)
  const { source: declared, comparisons } = sourceOf(context)
  const source = grownSource(declared, current?.fields ?? [])
  const { openSource } = task.replay === undefined ? context : await replayOf(context, task.replay)
  const adapter = await openSource(task.table, source)
  const { traits } = adapter
  const discovered = await adapter.discover(await lake.knownInputs(task.table))
  // Those to be refused go along: the source knows the words for each.
  const take = discovered.filter(({ decision }) => decision === 'take' || decision === 'refuse')
  const known = discovered.filter((input) => input.decision === 'known')
  for (const message of passedInWords(discovered)) emit({ type: 'task.warning', task: task.id, message })

  const done =
    take.length === 0
      ? await takeContract(context, source, current)
      : await takeInputs(context, adapter, { inputs: take, comparisons, current })
  const refused = done?.refused ?? []
  crashPoint('run.ingest.before_acknowledge')
  await adapter.acknowledge(heldOf(known, take, refused), refused)
  crashPoint('run.ingest.after_acknowledge')
  tellKnown(context, known)
  for (const { input, error } of refused) {
    emit({
      type: 'task.refused',
      task: task.id,
      ...traits.tell(input),
      error: { ...error, retryable: false },
    })
  }
  const record = done?.record
  const version = record?.version ?? current?.version
  const accounting = done?.read ?? record?.accounting ?? done?.unchanged
  return {
    status: record !== undefined || (refused.length > 0 && traits.refused === 'put away') ? 'succeeded' : 'unchanged',
    ...(version === undefined ? {} : { version }),
    ...(traits.refused === 'waiting' ? { waiting: refused.map(({ input }) => input.id) } : { refused: refused.length }),
    ...(accounting === undefined ? {} : { accounting }),
  }
}

const replayOf = async (context: TaskContext, paths: readonly string[]): Promise<Pick<TaskContext, 'openSource'>> =>
  (await import('../replay.ts')).replaying(context, context.task.table, paths)

/** What these inputs deliver again leaves quarantine with them. */
async function replayed(
  context: TaskContext,
  session: Session,
  { inputs }: Candidate,
): Promise<Pick<PublishOptions, 'dismissed'>> {
  if (!inputs.some((input) => input.kind === 'file' && input.path.includes('.replay-'))) return {}
  // What is damaged in there cannot be read, and stays.
  const dismissed = await (await import('../replay.ts')).replayedBy(context, session, inputs).catch(() => [])
  return dismissed.length === 0 ? {} : { dismissed }
}

/** What became of the inputs of one task. */
interface Done {
  readonly refused: readonly RefusedInput[]
  readonly record?: CommitRecord
  /** The rows, where they are what the table holds already. */
  readonly unchanged?: RowAccounting
  /** Of several pieces: what all of them had. */
  readonly read?: RowAccounting
  /** Whether the source has another piece. */
  readonly more?: boolean
}

/** That a delivery is known already is worth a word: otherwise nobody could tell it from one that was not seen. */
function tellKnown({ emit, task }: TaskContext, known: readonly DiscoveredInput[]): void {
  if (known.length === 0) return
  const names = known.slice(0, 3).map(({ path }) => path)
  const more = known.length > names.length ? ` and ${known.length - names.length} more` : ''
  emit({
    type: 'task.warning',
    task: task.id,
    message: `${names.join(', ')}${more}: this content was taken before; nothing of it is loaded again`,
  })
}

/** The source as it is taken, with every check that is declared of its table; those that compare it with other tables apart, for the source knows none. */
function sourceOf({ project, task }: TaskContext): { source: Source; comparisons: readonly Check[] } {
  const index = projectIndex(project)
  const source = index.source(task.table)?.source
  assert(source !== undefined, `the plan's source ${task.table} is defined`)
  const checks = [...declaredChecks(source), ...(index.options(task.table).checks ?? [])]
  const compares = ({ kind }: Check): boolean => kind === 'reference' || kind === 'reconcile'
  const own = checks.filter((check) => !compares(check))
  return { source: withChecks(source, own), comparisons: checks.filter(compares) }
}

/** What the table holds now: not a copy of a file that was refused after all, which the next run looks at by itself. */
function heldOf(
  known: readonly DiscoveredInput[],
  take: readonly DiscoveredInput[],
  refused: readonly RefusedInput[],
): readonly DiscoveredInput[] {
  const paths = new Set(refused.map(({ input }) => input.path))
  const contents = new Set(refused.map(({ input }) => input.id))
  return [...known.filter(({ id }) => !contents.has(id)), ...take.filter(({ path }) => !paths.has(path))]
}

/** A contract that changed while no file came: the table takes over its columns in a version of its own. */
async function takeContract(
  context: TaskContext,
  source: Source,
  current: CommitRecord | undefined,
): Promise<Done | undefined> {
  if (current === undefined || context.task.schemaChanges.length === 0) return undefined
  await using session = await context.engine.open({ signal: context.signal })
  const candidate = {
    fields: sourceColumns(source),
    files: [],
    quarantine: [],
    inputs: [],
    accounting: noRows,
    checks: [],
    warnings: [],
  }
  const taskKey = digest({ definition: context.task.definition, contractAfter: current.version })
  return {
    refused: [],
    record: await publish(context, session, candidate, { taskKey, operation: 'append', grows: current }),
  }
}

/** Takes and publishes until there is no more; each piece is a version. */
async function takeInputs(context: TaskContext, adapter: SourceAdapter, taking: Taking): Promise<Done> {
  let all = await takePiece(context, adapter, taking)
  while (all.more === true) {
    const piece = await takePiece(context, adapter, { ...taking, current: all.record })
    const counts = [all, piece].flatMap(({ record, read = record?.accounting }) => read ?? [])
    all = {
      ...all,
      more: false,
      ...piece,
      ...(counts.length === 0 ? {} : { read: counts.reduce(addAccounting, noRows) }),
    }
  }
  return all
}

/** Takes and publishes, and tells the source how it ended. */
async function takePiece(context: TaskContext, adapter: SourceAdapter, taking: Taking): Promise<Done> {
  let done: Done
  try {
    done = await takeAndPublish(context, adapter, taking)
  } catch (error) {
    // What the source cannot write down must not hide what went wrong.
    await adapter.settle?.({ status: 'failed', error: errorOf(error, context) }).catch(() => {})
    throw error
  }
  const { record, unchanged } = done
  crashPoint('run.ingest.before_settle')
  if (record !== undefined) await adapter.settle?.({ status: 'committed', version: record.version })
  else if (unchanged !== undefined)
    await adapter.settle?.({ status: 'unchanged', version: taking.current?.version as number })
  crashPoint('run.ingest.after_settle')
  return done
}

function errorOf(error: unknown, { signal }: TaskContext): { name: string; code: string; message: string } {
  // Whatever was under way when a run is cancelled ends with an error of its own.
  const told = signal.aborted && !isSluiceError(error) ? sluiceError('Run.Cancelled', {}) : error
  const message = told instanceof Error ? told.message : String(told)
  if (isSluiceError(told)) return { name: told.name, code: told.code, message }
  return { name: 'Internal', code: 'SLU9001', message }
}

interface Taking {
  readonly inputs: readonly DiscoveredInput[]
  readonly comparisons: readonly Check[]
  readonly current: CommitRecord | undefined
}

async function takeAndPublish(context: TaskContext, adapter: SourceAdapter, taking: Taking): Promise<Done> {
  const { task, emit } = context
  const { inputs, comparisons, current } = taking
  const { traits } = adapter
  // An earlier attempt of this run has committed, and failed after that.
  if (current !== undefined && current.taskKey === callKey(context)) return { refused: [], record: current }
  await using session = await context.engine.open({ signal: context.signal })
  await session.confine(projectReach(context))
  const scratch = await context.scratch('taken')
  const {
    candidate: made,
    refused,
    more,
  } = await adapter.take(inputs, {
    session,
    scratch,
    signal: context.signal,
    progress: (event) => emit({ type: 'task.progress', task: task.id, ...event }),
    warn: (message) => emit({ type: 'task.warning', task: task.id, message }),
    measured: (lag) => tellLag(context, traits, lag),
    run: { id: context.run, startedAt: context.startedAt, tables: tablesTaken(context) },
    attempt: context.attempt,
    current,
  })
  if (made === undefined) return { refused }
  const candidate = await withoutEarlier(context, session, made, { inputs, current })
  const stays = staysOf(candidate, traits, current)
  const results = await compare(context, session, candidate, comparisons, stays)
  const checked = { ...candidate, checks: [...candidate.checks, ...results] }
  if (traits.identity === 'run' && (await isUnchanged(context, checked, stays, current))) {
    assertChecks(context, checked.checks)
    for (const message of candidate.warnings) emit({ type: 'task.warning', task: task.id, message })
    const { accepted, dropped } = candidate.accounting
    const unchanged = accepted === 0 ? dropped : { ...dropped, unchanged: accepted }
    return { refused, unchanged: { ...candidate.accounting, accepted: 0, dropped: unchanged } }
  }
  const grows = stays.length === 0 ? undefined : current
  const options = publishOptions(context, candidate, traits, current)
  const dismissed = await replayed(context, session, candidate)
  const record = await publish(context, session, checked, { ...options, ...dismissed, grows })
  return { refused, record, ...(more === true && { more }) }
}

/** What the tasks of this run take from sources. */
const tablesTaken = ({ plan }: TaskContext): ReadonlySet<string> =>
  new Set(plan.tasks.flatMap(({ kind, action, table }) => (kind === 'ingest' && action === 'run' ? [table] : [])))

async function tellLag(context: TaskContext, { lagRepeatSeconds = 0 }: SourceTraits, lag: SourceLag): Promise<void> {
  const { task, emit } = context
  const isNew = await isLagNews(context, task.table, lag, lagRepeatSeconds)
  const { error, ...figures } = lag
  const told = error === undefined ? {} : { error: { ...error, retryable: true } }
  emit({ type: 'source.lag', task: task.id, table: task.table, ...figures, isNew, ...told })
}

/** A call belongs to its run: the next one calls again. */
const callKey = ({ task, run }: TaskContext): string => digest({ definition: task.definition, run })

function publishOptions(
  context: TaskContext,
  { inputs, kept }: Candidate,
  { identity, ...traits }: SourceTraits,
  current: CommitRecord | undefined,
): Pick<PublishOptions, 'taskKey' | 'operation' | 'expectedParent'> {
  const { definition } = context.task
  const expectedParent = current?.version ?? 0
  // Who says which files stay replaces the others.
  const operation = kept === undefined ? traits.operation : 'replace'
  if (identity === 'run') return { taskKey: callKey(context), operation, expectedParent }
  const taken = inputs.flatMap((input) => (input.kind === 'file' ? [input.sha256] : [])).sort()
  const key = { definition, ...(identity === 'inputs' ? { inputs: taken } : {}) }
  // An appending table grows by these inputs, whatever it held before; otherwise a version follows the one before it.
  if (identity === 'inputs' && operation === 'append') return { taskKey: digest(key), operation }
  return { taskKey: digest({ ...key, after: expectedParent }), operation, expectedParent }
}

/** The current version's files that the next one has, too. */
function staysOf(
  { kept }: Candidate,
  { operation }: SourceTraits,
  current: CommitRecord | undefined,
): readonly DataFile[] {
  if (operation === 'append' && kept === undefined) return current?.files ?? []
  const paths = new Set(kept)
  return current?.files.filter(({ path }) => paths.has(path)) ?? []
}

/**
 * Whether a candidate, made by the same definition, holds what the table holds, row for row, and refused what was refused. What it could
 * replace is verified first: a damaged file is written anew.
 */
async function isUnchanged(
  context: TaskContext,
  candidate: Candidate,
  stays: readonly DataFile[],
  current: CommitRecord | undefined,
): Promise<boolean> {
  if (current === undefined || current.definition !== context.task.definition) return false
  const isSame =
    candidate.files.length === 0
      ? stays.length === current.files.length
      : sameContent(current.files, [...stays, ...(candidate.files as readonly Pick<DataFile, 'rows' | 'content'>[])])
  if (!isSame) return false
  const digests = await Promise.all(candidate.quarantine.map(({ localFile }) => digestFile(localFile)))
  const known = new Set(current.quarantine.map(({ sha256 }) => sha256))
  if (digests.length !== known.size || !digests.every(({ sha256 }) => known.has(sha256))) return false
  return candidate.files.length === 0 || isIntact(context, current)
}

/** Compares with other tables: the new rows by their references, and what the version would hold, earlier rows included, by its totals. */
async function compare(
  context: TaskContext,
  session: Session,
  candidate: Candidate,
  checks: readonly Check[],
  stays: readonly DataFile[],
): Promise<readonly CheckResult[]> {
  if (checks.length === 0) return []
  const rows = `SELECT * FROM ${await session.from(relationOf(candidate))}`
  const current = stays.length === 0 ? undefined : await context.lake.current(context.task.table)
  const whole =
    current === undefined
      ? rows
      : `${rows} UNION ALL BY NAME SELECT * FROM ${await session.from(relationOf({ fields: current.fields, files: stays }))}`
  const related = await relatedTables(context, session, checks)
  const run = (relation: string, kind: Check['kind']): Promise<readonly CheckResult[]> =>
    runTableChecks(session, {
      relation: `(${relation})`,
      checks: checks.filter((check) => check.kind === kind),
      related,
      now: context.clock.now(),
    })
  return [...(await run(rows, 'reference')), ...(await run(whole, 'reconcile'))]
}
