/** Takes what a source has into a new version, then acknowledges it: archive only after the commit, refuse only with a report. */

import { crashPoint } from '../../base/crash.ts'
import { assert } from '../../base/errors.ts'
import { digest } from '../../base/json.ts'
import { sourceColumns } from '../../definition/columns.ts'
import type { Source } from '../../definition/types.ts'
import type { CommitRecord } from '../../lake/record.ts'
import { noRows } from '../../quality/accounting.ts'
import type { DiscoveredInput, RefusedInput } from '../../sources/source.ts'
import type { TaskContext, TaskOutcome } from '../context.ts'
import { publish } from './publish.ts'

/**
 * Runs an ingest task: discover, take, commit, acknowledge. A file that a commit contains already is only acknowledged again, which is how a run
 * that was killed between its commit and its archive goes on.
 *
 * @throws Quality.* where checks of the whole table stop it
 */
export async function runIngest(context: TaskContext): Promise<TaskOutcome> {
  const { task, emit, lake } = context
  const source = context.project.pipelines.find((pipeline) => pipeline.name === task.pipeline)?.sources[
    task.table.split('.')[1] as string
  ]
  assert(source !== undefined, `the plan's source ${task.table} is defined`)
  const adapter = await context.openSource(task.table, source)
  const discovered = await adapter.discover(await lake.knownInputs(task.table))
  const take = discovered.filter((input) => input.decision === 'take')
  const known = discovered.filter((input) => input.decision === 'known')
  const before: RefusedInput[] = discovered
    .filter((input) => input.decision === 'refuse')
    .map((input) => ({ input, error: refusal(input) }))
  const current = await lake.current(task.table)

  const done =
    take.length === 0
      ? await takeContract(context, source, current)
      : await takeInputs(context, adapter, take, source.mode, current)
  const refused = [...before, ...(done?.refused ?? [])]
  const refusedIds = new Set(refused.map(({ input }) => input.path))
  crashPoint('run.ingest.before_acknowledge')
  await adapter.acknowledge([...known, ...take.filter((input) => !refusedIds.has(input.path))], refused)
  crashPoint('run.ingest.after_acknowledge')
  for (const { input, error } of refused) {
    emit({
      type: 'task.refused',
      task: task.id,
      input: input.path,
      error: { ...error, retryable: false },
      ...reportOf(source.error, input),
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
  mode: 'append' | 'replace',
  current: CommitRecord | undefined,
): Promise<{ refused: readonly RefusedInput[]; record: CommitRecord | undefined }> {
  const { task, emit } = context
  await using session = await context.engine.open({ signal: context.signal })
  const scratch = await context.scratch('taken')
  const { candidate, refused } = await adapter.take(take, {
    session,
    scratch,
    signal: context.signal,
    progress: (event) => emit({ type: 'task.progress', task: task.id, ...event }),
  })
  if (candidate === undefined) return { refused, record: undefined }
  const taken = candidate.inputs.flatMap((input) => (input.kind === 'file' ? [input.sha256] : [])).sort()
  const record = await publish(context, session, candidate, {
    // A replacing table is made by its newest delivery, whatever it held before; an appending one grows by these files.
    taskKey: digest({
      definition: task.definition,
      inputs: taken,
      ...(mode === 'replace' ? { after: current?.version ?? 0 } : {}),
    }),
    operation: mode,
    ...(mode === 'replace' ? { expectedParent: current?.version ?? 0 } : {}),
  })
  return { refused, record }
}

function refusal(input: DiscoveredInput): RefusedInput['error'] {
  return { name: input.error ?? 'Source.Refused', code: '', message: input.reason ?? 'The file was refused.' }
}

function reportOf(folder: string, input: DiscoveredInput): { report: string } {
  return { report: `${folder}/${input.path.split('/').at(-1)}.report.json` }
}
