/** Takes what a source has into a new version, then acknowledges it: archive only after the commit, refuse only with a report. */

import { crashPoint } from '../../base/crash.ts'
import { assert } from '../../base/errors.ts'
import { digest } from '../../base/json.ts'
import { sourceColumns } from '../../definition/columns.ts'
import type { Check, Source } from '../../definition/types.ts'
import type { Session } from '../../engines/engine.ts'
import type { CheckResult, CommitRecord } from '../../lake/record.ts'
import { noRows } from '../../quality/accounting.ts'
import { runTableChecks } from '../../quality/table-checks.ts'
import type { Candidate, DiscoveredInput, RefusedInput } from '../../sources/source.ts'
import type { TaskContext, TaskOutcome } from '../context.ts'
import { candidateSql, relatedTables } from './check.ts'
import { publish } from './publish.ts'

/**
 * Runs an ingest task: discover, take, commit, acknowledge. A file that a commit contains already is only acknowledged again, which is how a run
 * that was killed between its commit and its archive goes on.
 *
 * @throws Quality.* where checks of the whole table stop it
 */
export async function runIngest(context: TaskContext): Promise<TaskOutcome> {
  const { task, emit, lake } = context
  const { source, comparisons } = sourceOf(context)
  const adapter = await context.openSource(task.table, source)
  const discovered = await adapter.discover(await lake.knownInputs(task.table))
  // Those to be refused go along: the source knows the words for each.
  const take = discovered.filter(({ decision }) => decision === 'take' || decision === 'refuse')
  const known = discovered.filter((input) => input.decision === 'known')
  const current = await lake.current(task.table)

  const done =
    take.length === 0
      ? await takeContract(context, source, current)
      : await takeInputs(context, adapter, take, { source, comparisons, current })
  const refused = done?.refused ?? []
  crashPoint('run.ingest.before_acknowledge')
  await adapter.acknowledge(heldOf(known, take, refused), refused)
  crashPoint('run.ingest.after_acknowledge')
  tellKnown(context, known)
  for (const { input, error } of refused) {
    emit({
      type: 'task.refused',
      task: task.id,
      input: input.path,
      error: { ...error, retryable: false },
      ...(source.kind === 'files' ? reportOf(source.error, input) : {}),
    })
  }
  const record = done?.record
  const version = record?.version ?? current?.version
  return {
    status: record === undefined ? (refused.length > 0 ? 'succeeded' : 'unchanged') : 'succeeded',
    ...(version === undefined ? {} : { version }),
    refused: refused.length,
    ...(record === undefined ? {} : { accounting: record.accounting }),
  }
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
  const pipeline = project.pipelines.find(({ name }) => name === task.pipeline)
  const source = pipeline?.sources[task.table.slice(task.table.indexOf('.') + 1)]
  assert(source !== undefined, `the plan's source ${task.table} is defined`)
  const checks = [...source.checks, ...(pipeline?.tables[task.table]?.checks ?? [])]
  const compares = ({ kind }: Check): boolean => kind === 'reference' || kind === 'reconcile'
  return {
    source: { ...source, checks: checks.filter((check) => !compares(check)) },
    comparisons: checks.filter(compares),
  }
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
): Promise<{ refused: readonly RefusedInput[]; record: CommitRecord } | undefined> {
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
  return { refused: [], record: await publish(context, session, candidate, { taskKey, operation: 'append' }) }
}

async function takeInputs(
  context: TaskContext,
  adapter: Awaited<ReturnType<TaskContext['openSource']>>,
  take: readonly DiscoveredInput[],
  {
    source: { mode },
    comparisons,
    current,
  }: { source: Source; comparisons: readonly Check[]; current: CommitRecord | undefined },
): Promise<{ refused: readonly RefusedInput[]; record: CommitRecord | undefined }> {
  const { task, emit } = context
  await using session = await context.engine.open({ signal: context.signal })
  const scratch = await context.scratch('taken')
  const { candidate, refused } = await adapter.take(take, {
    session,
    scratch,
    signal: context.signal,
    progress: (event) => emit({ type: 'task.progress', task: task.id, ...event }),
    run: { id: context.run, startedAt: context.startedAt },
    attempt: context.attempt,
    current,
  })
  if (candidate === undefined) return { refused, record: undefined }
  const checked = {
    ...candidate,
    checks: [
      ...candidate.checks,
      ...(await compare(context, session, candidate, comparisons, mode === 'append' ? current : undefined)),
    ],
  }
  const taken = candidate.inputs.flatMap((input) => (input.kind === 'file' ? [input.sha256] : [])).sort()
  const record = await publish(context, session, checked, {
    // A replacing table is made by its newest delivery, whatever it held before; an appending one grows by these files.
    taskKey: digest({
      definition: task.definition,
      inputs: taken,
      ...(mode === 'replace' ? { after: current?.version ?? 0 } : {}),
    }),
    operation: mode === 'append' ? 'append' : 'replace',
    ...(mode === 'replace' ? { expectedParent: current?.version ?? 0 } : {}),
  })
  return { refused, record }
}

/** Compares with other tables: the new rows by their references, and what the version would hold, earlier rows included, by its totals. */
async function compare(
  context: TaskContext,
  session: Session,
  candidate: Candidate,
  checks: readonly Check[],
  earlier: CommitRecord | undefined,
): Promise<readonly CheckResult[]> {
  if (checks.length === 0) return []
  const rows = `SELECT * FROM ${candidateSql(candidate)}`
  const whole =
    earlier === undefined ? rows : `${rows} UNION ALL BY NAME SELECT * FROM (${await context.lake.latestSql(earlier)})`
  const related = await relatedTables(context, checks)
  const run = (relation: string, kind: Check['kind']): Promise<readonly CheckResult[]> =>
    runTableChecks(session, {
      relation: `(${relation})`,
      checks: checks.filter((check) => check.kind === kind),
      related,
      now: context.clock.now(),
    })
  return [...(await run(rows, 'reference')), ...(await run(whole, 'reconcile'))]
}

function reportOf(folder: string, input: DiscoveredInput): { report: string } {
  return { report: `${folder}/${input.path.split('/').at(-1)}.report.json` }
}
